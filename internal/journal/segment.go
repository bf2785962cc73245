package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// segment is a file that is mapped for writing: the current one, the one prepared to
// follow it, and those that are full but not yet synced.
type segment struct {
	number  uint64
	path    string
	file    *os.File
	bytes   []byte // the whole file, mapped
	used    int64  // set when it is full
	first   uint64 // sequence of its first record, once it is used
	records uint64 // set when it is full
	synced  int64  // everything before is on the disk; owned by the syncing goroutine
	named   bool   // the file's name is on the disk, too; the same
}

// errFault is a write into a map that the kernel could not carry out: the disk
// failed, or somebody cut the file short.
var errFault = errors.New("the disk failed under the mapped segment")

// createSegment makes a segment ready for records: its blocks reserved, its header
// written, its pages in memory. The file bears its name only when all that is done, so
// that a process that dies leaves no half of one. Nothing is synced here: a busy disk
// takes seconds for that, and the segment may be needed sooner.
func createSegment(dir string, h header, allocate func(*os.File, int64) error) (_ *segment, err error) {
	path := filepath.Join(dir, segmentName(h.number))
	aside := path + preparingSuffix
	f, err := os.OpenFile(aside, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return nil, err
	}
	s := &segment{number: h.number, path: path, file: f, first: h.first}
	defer func() {
		if err != nil {
			s.discard(aside)
		}
	}()
	if err := allocate(f, h.capacity); err != nil {
		return nil, &os.PathError{Op: "reserve", Path: aside, Err: err}
	}
	if err := warm(f, h.capacity); err != nil {
		return nil, &os.PathError{Op: "fill", Path: aside, Err: err}
	}
	if _, err := f.WriteAt(h.encode(), 0); err != nil {
		return nil, err
	}
	s.bytes, err = unix.Mmap(int(f.Fd()), 0, int(h.capacity), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, &os.PathError{Op: "mmap", Path: aside, Err: err}
	}
	if err := populate(s.bytes); err != nil {
		return nil, &os.PathError{Op: "populate", Path: aside, Err: err}
	}
	if err := os.Rename(aside, path); err != nil {
		return nil, err
	}
	return s, nil
}

// discard undoes createSegment. What fails here, the next Open tidies up.
func (s *segment) discard(path string) {
	_ = s.release()
	_ = os.Remove(path)
}

// sync puts the bytes up to end on the disk. It does so by ranges: populating marked
// every page as changed, and syncing the file would write the empty part, too.
func (s *segment) sync(end int64) error {
	if end <= s.synced {
		return nil
	}
	from := s.synced &^ (pageSize - 1)
	if err := unix.Msync(s.bytes[from:end], unix.MS_SYNC); err != nil {
		return &os.PathError{Op: "msync", Path: s.path, Err: err}
	}
	s.synced = end
	return nil
}

// populateAhead takes the page faults behind a place that has just been synced: what was
// written out faults at its next write.
func (s *segment) populateAhead(end int64) {
	next := s.bytes[end&^(pageSize-1):]
	_ = populate(next[:min(len(next), aheadBytes)]) // if the disk fails, Append finds out
}

// release unmaps and closes the file. The kernel keeps the pages and writes them.
func (s *segment) release() error {
	var err error
	if s.bytes != nil {
		err = unix.Munmap(s.bytes)
		s.bytes = nil
	}
	return errors.Join(err, s.file.Close())
}

// unlinked reports whether the file has been deleted by somebody else: what is written
// to it ends with the process.
func (s *segment) unlinked() bool {
	var stat unix.Stat_t
	return unix.Fstat(int(s.file.Fd()), &stat) == nil && stat.Nlink == 0
}

// activate enters the first sequence into the header, just before the first record.
func (s *segment) activate(first uint64) error {
	s.first = first
	return guard(s.bytes, func() { putFirst(s.bytes, first) })
}

// pageSize is a multiple of every page size in use; msync wants its range to start
// at a page.
const pageSize = 64 << 10

// aheadBytes is how much is populated again after a sync: what a busy lane appends until the
// next one, whose start is the only part that the sync has touched.
const aheadBytes = 2 * pageSize

// guard runs write, which writes into the map b, and turns the fault of a failing disk
// into an error. Anything else that goes wrong is not ours and goes on as it was.
func guard(b []byte, write func()) (err error) {
	before := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(before)
		if recovered := recover(); recovered != nil {
			err = faultIn(b, recovered)
		}
	}()
	write()
	return nil
}

// touch writes each page once, without changing it.
func touch(b []byte) error {
	return guard(b, func() {
		for i := 0; i < len(b); i += pageBytes {
			storeTouch(b, i)
		}
	})
}

// zeroBytes is how much writeZeros writes at a time. The kernel makes one folio of each such
// write, and a folio is written out and faulted in again as one. At 64 KiB everything
// costs a third of what it does with single pages; with larger ones the sync of a folio's first half takes
// the ready pages of the other half away from Append.
const zeroBytes = 64 << 10

var zeros [zeroBytes]byte

func writeZeros(f *os.File, size int64) error {
	for at := int64(0); at < size; {
		n, err := f.WriteAt(zeros[:min(zeroBytes, size-at)], at)
		if err != nil {
			return err
		}
		at += int64(n)
	}
	return nil
}

// syncFolder makes names in a folder survive a power cut.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if err := errors.Join(err, d.Close()); err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	return nil
}
