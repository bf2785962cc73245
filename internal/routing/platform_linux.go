package routing

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// adviseHuge asks for pages of 2 MiB for a mapped file. It is a wish: without them
// look-ups take a little longer.
func adviseHuge(m []byte) { _ = unix.Madvise(m, unix.MADV_HUGEPAGE) }

// populate brings a part of a mapped file into memory and, unlike a plain read of
// it, reports a disk that cannot deliver. ok is false where the kernel, older than
// 5.14, cannot.
func populate(part []byte) (ok bool, err error) {
	for {
		err = unix.Madvise(part, unix.MADV_POPULATE_READ)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
			continue
		case errors.Is(err, unix.EINVAL):
			return false, nil
		}
		return true, err
	}
}

// startWriting begins to bring a part of a file to the disk, without waiting.
func startWriting(f *os.File, from, n int64) error {
	return syncRange(f, from, n, unix.SYNC_FILE_RANGE_WRITE)
}

// awaitWritten waits until a part that was begun is there. Its error must not be
// lost: the Sync that follows does not report it again.
func awaitWritten(f *os.File, from, n int64) error {
	return syncRange(f, from, n, unix.SYNC_FILE_RANGE_WAIT_BEFORE)
}

func syncRange(f *os.File, from, n int64, flags int) error {
	err := unix.SyncFileRange(int(f.Fd()), from, n, flags)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) { // then Sync does all of it
		return nil
	}
	return err
}
