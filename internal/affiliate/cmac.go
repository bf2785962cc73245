package affiliate

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
)

// cmac is AES-128-CMAC, RFC 4493 (NIST SP 800-38B): for messages of a few blocks it
// costs a quarter of HMAC, because nothing is set up for each and processors have
// instructions for a block. It belongs to one goroutine.
type cmac struct {
	block cipher.Block
	// whole and padded are the RFC's K1 and K2: what is mixed into the last block.
	whole, padded [aes.BlockSize]byte
	state         [aes.BlockSize]byte
}

func newCMAC(key [16]byte) *cmac {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("BUG: AES refuses a key of 16 bytes: " + err.Error())
	}
	c := &cmac{block: block}
	block.Encrypt(c.whole[:], c.whole[:])
	double(&c.whole)
	c.padded = c.whole
	double(&c.padded)
	return c
}

// double multiplies by x in GF(2^128).
func double(b *[aes.BlockSize]byte) {
	high, low := binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])
	carry := high >> 63
	binary.BigEndian.PutUint64(b[:], high<<1|low>>63)
	binary.BigEndian.PutUint64(b[8:], low<<1^carry*0x87)
}

// sum writes the mac of a message.
func (c *cmac) sum(mac *[aes.BlockSize]byte, message []byte) {
	c.state = [aes.BlockSize]byte{}
	for ; len(message) > aes.BlockSize; message = message[aes.BlockSize:] {
		c.mix((*[aes.BlockSize]byte)(message))
		c.block.Encrypt(c.state[:], c.state[:])
	}
	last, key := [aes.BlockSize]byte{}, &c.whole
	if n := copy(last[:], message); n < aes.BlockSize {
		last[n] = 0x80
		key = &c.padded
	}
	c.mix(&last)
	c.mix(key)
	c.block.Encrypt(mac[:], c.state[:])
}

// mix is the exclusive or of the state and a block.
func (c *cmac) mix(b *[aes.BlockSize]byte) {
	for i := 0; i < aes.BlockSize; i += 8 {
		binary.LittleEndian.PutUint64(c.state[i:], binary.LittleEndian.Uint64(c.state[i:])^binary.LittleEndian.Uint64(b[i:]))
	}
}
