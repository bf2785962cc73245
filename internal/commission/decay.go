package commission

import (
	"math"
	"math/bits"
)

// halvings[i] is floor(2^64 · 2^(-2^-(i+1))): the factor for one bit of the fraction of
// an age in half-lives, most significant bit first.
var halvings = [64]uint64{
	0xb504f333f9de6484, 0xd744fccad69d6af4, 0xeac0c6e7dd24392e, 0xf5257d152486cc2c,
	0xfa83b2db722a033a, 0xfd3e0c0cf486c174, 0xfe9e115c7b8f884b, 0xff4ecb59511ec8a5,
	0xffa756521c8daed1, 0xffd3a751c0f7e10b, 0xffe9d2b2f7db2755, 0xfff4e91bff1b8c3d,
	0xfffa747ea0040664, 0xfffd3a3b7814eb53, 0xfffe9d1cc60ddab1, 0xffff4e8e25879bfa,
	0xffffa7470363f451, 0xffffd3a37dda0313, 0xffffe9d1bdf703ae, 0xfffff4e8debe025e,
	0xfffffa746f4fa150, 0xfffffd3a37a3f8b0, 0xfffffe9d1bd1065a, 0xffffff4e8de845ad,
	0xffffffa746f41376, 0xffffffd3a37a05e3, 0xffffffe9d1bd01fb, 0xfffffff4e8de80c0,
	0xfffffffa746f4050, 0xfffffffd3a37a024, 0xfffffffe9d1bd011, 0xffffffff4e8de808,
	0xffffffffa746f404, 0xffffffffd3a37a02, 0xffffffffe9d1bd01, 0xfffffffff4e8de80,
	0xfffffffffa746f40, 0xfffffffffd3a37a0, 0xfffffffffe9d1bd0, 0xffffffffff4e8de8,
	0xffffffffffa746f4, 0xffffffffffd3a37a, 0xffffffffffe9d1bd, 0xfffffffffff4e8de,
	0xfffffffffffa746f, 0xfffffffffffd3a37, 0xfffffffffffe9d1b, 0xffffffffffff4e8d,
	0xffffffffffffa746, 0xffffffffffffd3a3, 0xffffffffffffe9d1, 0xfffffffffffff4e8,
	0xfffffffffffffa74, 0xfffffffffffffd3a, 0xfffffffffffffe9d, 0xffffffffffffff4e,
	0xffffffffffffffa7, 0xffffffffffffffd3, 0xffffffffffffffe9, 0xfffffffffffffff4,
	0xfffffffffffffffa, 0xfffffffffffffffd, 0xfffffffffffffffe, 0xffffffffffffffff,
}

// decayWeight is floor(2^32 · 2^(-age/halfLife)), at most 2^32 - 1. Age, 0 or more, and
// halfLife, above 0, have the same unit. It works on 64 bits behind the point in
// integers alone, so that every machine pays the same.
func decayWeight(age, halfLife int64) uint32 {
	whole := age / halfLife
	if whole > 32 {
		return 0
	}
	fraction, _ := bits.Div64(uint64(age%halfLife), 0, uint64(halfLife))
	if fraction == 0 {
		return uint32(min(uint64(1)<<(32-whole), math.MaxUint32))
	}
	value := uint64(0)
	for i, factor := range halvings {
		switch {
		case fraction>>(63-i)&1 == 0:
		case value == 0:
			value = factor
		default:
			value, _ = bits.Mul64(value, factor)
		}
	}
	return uint32(value >> (32 + whole))
}
