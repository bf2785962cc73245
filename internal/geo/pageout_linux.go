package geo

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// pageOut tells the kernel that a file's bytes are seldom needed from now on: addresses
// of IPv4 are found without them. They come back when they are read.
func pageOut(bytes []byte) {
	const page = 4096
	start := uintptr(unsafe.Pointer(unsafe.SliceData(bytes)))
	if before := int(-start & (page - 1)); before < len(bytes) {
		_ = unix.Madvise(bytes[before:], unix.MADV_PAGEOUT) // a kernel before 5.4 keeps them
	}
}
