package journal

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// preallocate reserves the file's blocks on the disk, so that writing into its map
// can not meet a full disk, which would be SIGBUS instead of an error.
func preallocate(f *os.File, size int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), 0, 0, size)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			return writeZeros(f, size)
		default:
			return err
		}
	}
}

// populate takes the page faults of the first write to each page now, instead of in
// the visitor's request. In steps, so that nobody waits long for the address space's lock.
func populate(b []byte) error {
	const stepBytes = 1 << 20
	for from := 0; from < len(b); from += stepBytes {
		step := b[from:min(from+stepBytes, len(b))]
		err := unix.Madvise(step, unix.MADV_POPULATE_WRITE)
		if errors.Is(err, unix.EINVAL) { // Linux before 5.14
			return touch(b)
		}
		if err != nil && !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return err
		}
	}
	return nil
}

// warm brings the file's pages into memory by writing them. It is a third of the price of
// having populate make them one by one, because these are large folios.
func warm(f *os.File, size int64) error { return writeZeros(f, size) }

// forget drops a file's pages from memory once they are on the disk. The next segment is made of
// the same ones, which are still in the caches and known to the hypervisor.
func forget(f *os.File) { _ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) }
