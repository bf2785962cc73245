package geo

import "net/netip"

// public reports whether an address can belong to a visitor from the internet.
// Files are not always careful here: some give a country to 192.168.0.0/16.
func public(ip netip.Addr) bool {
	if ip.Is4() {
		b := ip.As4()
		return publicV4(uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3]))
	}
	if !ip.Is6() { // the zero Addr
		return false
	}
	b := ip.As16()
	switch {
	case b[0]&0xe0 != 0x20: // only 2000::/3 is given out
		return false
	case b[0] == 0x20 && b[1] == 0x01 && b[2] == 0x0d && b[3] == 0xb8: // documentation
		return false
	}
	return true
}

// publicV4 knows the special-purpose IPv4 blocks of RFC 6890 and its updates.
func publicV4(v uint32) bool {
	switch first := v >> 24; {
	case first == 0, first == 10, first == 127, first >= 224:
		return false
	case first == 100:
		return v>>22 != 100<<2|1 // 100.64.0.0/10, carrier NAT
	case first == 169:
		return v>>16 != 169<<8|254 // link-local
	case first == 172:
		return v>>20 != 172<<4|1 // 172.16.0.0/12
	case first == 192:
		return v>>16 != 192<<8|168 && v>>8 != 192<<16 && v>>8 != 192<<16|2 // private, protocol, documentation
	case first == 198:
		return v>>17 != 198<<7|9 && v>>8 != 198<<16|51<<8|100 // benchmarks, documentation
	case first == 203:
		return v>>8 != 203<<16|113 // documentation
	}
	return true
}
