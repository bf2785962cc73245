package geo

import (
	"net/netip"
	"slices"
)

// writeMMDB builds a small MaxMind DB, enough of the format to imitate any
// publisher's schema in tests. Records are maps of string to string, uint32 or
// map; networks are written as IPv6 with IPv4 under ::/96.
func writeMMDB(databaseType string, records map[string]map[string]any) []byte {
	w := &mmdbWriter{nodes: [][2]int{{}}}
	for _, network := range sortedKeys(records) {
		at := len(w.data)
		w.data = appendValue(w.data, records[network])
		w.insert(netip.MustParsePrefix(network), at)
	}
	out := w.tree()
	out = append(out, make([]byte, 16)...)
	out = append(out, w.data...)
	out = append(out, "\xab\xcd\xefMaxMind.com"...)
	return appendValue(out, map[string]any{
		"binary_format_major_version": uint32(2),
		"binary_format_minor_version": uint32(0),
		"build_epoch":                 uint32(1_790_000_000),
		"database_type":               databaseType,
		"ip_version":                  uint32(6),
		"node_count":                  uint32(len(w.nodes)),
		"record_size":                 uint32(24),
	})
}

// mmdbWriter keeps a node as its two children: 0 nothing, n > 0 node n,
// n < 0 the record at offset -n-1.
type mmdbWriter struct {
	nodes [][2]int
	data  []byte
}

func (w *mmdbWriter) insert(network netip.Prefix, at int) {
	address, bits := network.Addr().As16(), network.Bits()
	if network.Addr().Is4() {
		address[10], address[11] = 0, 0 // ::/96, not ::ffff:0:0/96
		bits += 96
	}
	node := 0
	for depth := 0; ; depth++ {
		side := int(address[depth/8]>>(7-depth%8)) & 1
		if depth == bits-1 {
			w.nodes[node][side] = -at - 1
			return
		}
		if w.nodes[node][side] <= 0 {
			w.nodes = append(w.nodes, [2]int{})
			w.nodes[node][side] = len(w.nodes) - 1
		}
		node = w.nodes[node][side]
	}
}

func (w *mmdbWriter) tree() []byte {
	var out []byte
	for _, node := range w.nodes {
		for _, child := range node {
			value := child
			switch {
			case child == 0:
				value = len(w.nodes)
			case child < 0:
				value = len(w.nodes) + 16 + (-child - 1)
			}
			out = append(out, byte(value>>16), byte(value>>8), byte(value))
		}
	}
	return out
}

func appendValue(out []byte, value any) []byte {
	switch v := value.(type) {
	case string:
		return append(appendControl(out, 2, len(v)), v...)
	case uint32:
		return append(appendControl(out, 6, 4), byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
	case map[string]any:
		out = appendControl(out, 7, len(v))
		for _, key := range sortedKeys(v) {
			out = appendValue(appendValue(out, key), v[key])
		}
		return out
	}
	panic("BUG: writeMMDB knows no such type")
}

func appendControl(out []byte, kind, size int) []byte {
	if size < 29 {
		return append(out, byte(kind<<5|size))
	}
	return append(out, byte(kind<<5|29), byte(size-29))
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
