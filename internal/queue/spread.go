package queue

import "math/bits"

// Spread says which of n sources the records of a key belong to. Every producer has to
// ask the same, so that equal keys meet; keys need not be random, their bits are mixed
// here (the finalizer of splitmix64).
func Spread(key uint64, n int) int {
	key ^= key >> 30
	key *= 0xbf58476d1ce4e5b9
	key ^= key >> 27
	key *= 0x94d049bb133111eb
	key ^= key >> 31
	high, _ := bits.Mul64(key, uint64(n))
	return int(high)
}
