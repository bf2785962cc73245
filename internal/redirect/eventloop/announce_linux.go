package eventloop

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"net"

	"github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"
)

// Limits of a PROXY protocol header. Version 1 has its own; version 2 could have 64
// KiB of which nobody needs more than a certificate's names.
const (
	announcementBytesMax1 = 107
	announcementBytesMax2 = 4096
)

var (
	signature1 = []byte("PROXY ")
	signature2 = []byte("\r\n\r\n\x00\r\nQUIT\n")
)

// step is what follows the answers to a visitor in a round.
type step uint8

const (
	goOn     step = iota
	endIt         // the answers were the last
	handOver      // the rest is for net/http
	breakOff      // it does not follow the protocol
)

// announcementBytes is the length of the PROXY protocol header at the front of b: 0
// when it is not whole yet, -1 when it is none.
func announcementBytes(b []byte) int {
	if hasPart(b, signature1) {
		end := bytes.IndexByte(b, '\n') + 1
		if end > announcementBytesMax1 || end == 0 && len(b) >= announcementBytesMax1 {
			return -1
		}
		return end
	}
	if !hasPart(b, signature2) {
		return -1
	}
	const fixed = 16
	if len(b) < fixed {
		return 0
	}
	n := fixed + int(binary.BigEndian.Uint16(b[14:]))
	switch {
	case n > announcementBytesMax2:
		return -1
	case len(b) < n:
		return 0
	}
	return n
}

// hasPart says that b begins with the signature, or is the beginning of it.
func hasPart(b, signature []byte) bool {
	n := min(len(b), len(signature))
	return bytes.Equal(b[:n], signature[:n])
}

// announce reads who the proxy says that the visitor is. It returns what follows;
// v.unannounced stays true while the header is not whole.
func (v *visitor) announce(b []byte) (rest []byte, then step) {
	n := announcementBytes(b)
	if n == 0 {
		return b, goOn
	}
	if n < 0 {
		return b, breakOff
	}
	header, err := proxyproto.Read(bufio.NewReader(bytes.NewReader(b[:n])))
	if err != nil {
		return b, breakOff
	}
	v.unannounced = false
	if header.Command.IsLocal() {
		return b[n:], goOn // the proxy itself, to see whether we are alive
	}
	if at, ok := header.SourceAddr.(*net.TCPAddr); ok {
		source := at.AddrPort()
		v.peer, v.port, v.proxied = source.Addr().Unmap().WithZone(""), source.Port(), true
	}
	v.secure = overTLS(header)
	return b[n:], goOn
}

// overTLS says that the visitor has reached the proxy over TLS.
func overTLS(h *proxyproto.Header) bool {
	tlvs, err := h.TLVs()
	if err != nil {
		return false
	}
	for _, tlv := range tlvs {
		if !tlvparse.IsSSL(tlv) {
			continue
		}
		ssl, err := tlvparse.SSL(tlv)
		return err == nil && ssl.ClientSSL()
	}
	return false
}
