package eventloop

import (
	"math/rand/v2"
	"testing"
)

// slowValueEnd looks at one byte after the other.
func slowValueEnd(b []byte, i int) (int, outcome) {
	for ; i < len(b); i++ {
		if c := b[i]; c >= 0x20 && c != 0x7f || c == '\t' {
			continue
		}
		switch {
		case b[i] != '\r':
			return 0, foreign
		case i+1 == len(b):
			return 0, partial
		case b[i+1] != '\n':
			return 0, foreign
		}
		return i, whole
	}
	return 0, partial
}

func TestValueEndSeesEveryByte(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300_000 {
		b := make([]byte, random.IntN(40))
		for i := range b {
			b[i] = byte('a' + random.IntN(26))
		}
		for range random.IntN(4) {
			if len(b) > 0 {
				b[random.IntN(len(b))] = [...]byte{'\t', '\r', '\n', 0, 0x1f, 0x7f, 0x80, 0xff, ' ', 0x20, 0x7e}[random.IntN(11)]
			}
		}
		if random.IntN(2) == 0 {
			b = append(b, "\r\n"...)
		}
		from := random.IntN(len(b) + 1)
		end, o := valueEnd(b, from)
		if wantEnd, want := slowValueEnd(b, from); end != wantEnd || o != want {
			t.Fatalf("%q from %d: %d %d, want %d %d", b, from, end, o, wantEnd, want)
		}
	}
}
