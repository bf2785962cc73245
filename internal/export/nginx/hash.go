package nginx

import (
	"fmt"
)

// hashSizes finds out what nginx needs to be told about a hash table, by doing what it does:
// ngx_hash_init in src/core/ngx_hash.c. A table that does not fit is built all the same, with a
// warning and long chains.
type hashSizes struct {
	hashes  []uint64
	bytes   []uint16 // of an element: NGX_HASH_ELT_SIZE
	longest int
}

const (
	pointerBytes   = 8
	cacheLineBytes = 64
)

// add counts a key, which nginx compares in lower case.
func (h *hashSizes) add(key string) {
	k := nginxHash(key)
	size := pointerBytes + (len(key)+2+pointerBytes-1)/pointerBytes*pointerBytes
	h.hashes, h.bytes = append(h.hashes, k), append(h.bytes, uint16(size))
	h.longest = max(h.longest, size)
}

// nginxHash is ngx_hash_key_lc.
func nginxHash(key string) (k uint64) {
	for i := 0; i < len(key); i++ {
		c := key[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		k = k*31 + uint64(c)
	}
	return k
}

// fit returns a max_size and a bucket_size with which nginx finds room for every key at the
// first size that it tries.
func (h *hashSizes) fit() (maxSize, bucketSize int) {
	bucketSize = (h.longest + pointerBytes + cacheLineBytes - 1) / cacheLineBytes * cacheLineBytes
	bucketSize = max(bucketSize, 2*cacheLineBytes)
	for {
		for size := max(2048, len(h.hashes)); size <= 4*max(2048, len(h.hashes)); size = size*5/4 + 1 {
			// Where there are less than a hundred buckets for a key, nginx begins its search a thousand
			// below the maximum; else at the least that could do, and any of those that
			// follow will.
			if h.fits(size, bucketSize) {
				return size + 1000, bucketSize
			}
		}
		bucketSize *= 2
	}
}

func (h *hashSizes) fits(size, bucketSize int) bool {
	used := make([]uint32, size)
	for i, k := range h.hashes {
		at := k % uint64(size)
		if used[at] += uint32(h.bytes[i]); int(used[at]) > bucketSize-pointerBytes {
			return false
		}
	}
	return true
}

// directives are the two lines of a kind of hash table.
func (h *hashSizes) directives(kind string) string {
	maxSize, bucketSize := h.fit()
	return fmt.Sprintf("%s_hash_max_size %d;\n%s_hash_bucket_size %d;\n", kind, maxSize, kind, bucketSize)
}
