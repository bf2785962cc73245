package affiliate

import "strconv"

// Bucket spreads keys evenly over the 32-bit numbers. It is FNV-1a over the key's
// bytes, finished with the mixer of MurmurHash3, both in 32-bit arithmetic, so
// that JavaScript computes the same with Math.imul:
//
//	h = 0x811c9dc5;  for each byte b:  h = (h ^ b) * 0x01000193
//	h ^= h >> 16;  h *= 0x85ebca6b;  h ^= h >> 13;  h *= 0xc2b2ae35;  h ^= h >> 16
//
// A visitor's bucket for a link is Bucket of "VISITOR|LINK|SALT", see VisitorBucket.
func Bucket(parts ...string) uint32 {
	h := uint32(0x811c9dc5)
	for _, s := range parts {
		h = bucketAdd(h, s)
	}
	return bucketFinish(h)
}

func bucketAdd(h uint32, s string) uint32 {
	for i := 0; i < len(s); i++ {
		h = (h ^ uint32(s[i])) * 0x01000193
	}
	return h
}

func bucketFinish(h uint32) uint32 {
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	return h ^ h>>16
}

// VisitorBucket is the bucket of "VISITOR|LINK|SALT", the link's id in decimal.
// The salt is the rule's id, or empty for the link's own destinations; a second
// choice, made when the first is down, appends "~".
func VisitorBucket(visitor string, link int64, salt, attempt string) uint32 {
	var digits [20]byte
	h := bucketAdd(0x811c9dc5, visitor)
	h = bucketAdd(h, "|")
	for _, c := range strconv.AppendInt(digits[:0], link, 10) {
		h = (h ^ uint32(c)) * 0x01000193
	}
	h = bucketAdd(h, "|")
	h = bucketAdd(h, salt)
	h = bucketAdd(h, attempt)
	return bucketFinish(h)
}

// Share scales a bucket to [0, total): floor(bucket * total / 2^32). JavaScript's
// numbers compute it exactly while total is at most 2^21, hence WeightsMax.
func Share(bucket uint32, total int) int {
	return int(uint64(bucket) * uint64(total) >> 32)
}
