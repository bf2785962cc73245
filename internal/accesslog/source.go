package accesslog

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	// headBytesMax is how much of a log tells it from others.
	headBytesMax = 1 << 10
	// zstdWindowMax is what "zstd --long" needs.
	zstdWindowMax = 128 << 20
)

// errOther says that a name does not hold the log any more that it held.
var errOther = errors.New("the file holds another log now")

// source is a log's file, open to read on.
type source struct {
	file     *os.File
	unpacked io.Reader // nil: the file is not compressed
	end      func()
	buffer   []byte
	start    int // of what was unpacked and not taken, in buffer
	used     int
}

func (s *source) packed() bool { return s.unpacked != nil }

func openSource(l *log) (*source, error) {
	f, err := os.Open(l.Path)
	if err != nil {
		return nil, err
	}
	s := &source{file: f, end: func() {}}
	if !l.Packed {
		return s, nil
	}
	s.buffer = make([]byte, ChunkBytesMax)
	s.unpacked, s.end, err = unpack(l.Path, f)
	if err == nil {
		err = s.skipTo(l)
	}
	if errors.Is(err, errOther) {
		s.close()
		return nil, err
	}
	if err != nil {
		// It may be compressed at this moment, by renaming or in place; block tells what is wrong.
		s.end()
		s.unpacked, s.end = failing{err}, func() {}
	}
	return s, nil
}

// skipTo moves to the log's position, if it is the log: another may have its name since.
func (s *source) skipTo(l *log) error {
	head := make([]byte, l.HeadBytes)
	if _, err := io.ReadFull(s.unpacked, head); err != nil {
		return err
	}
	if !l.startsWith(head) {
		return errOther
	}
	if l.at.Offset < int64(len(head)) {
		s.unpacked = io.MultiReader(bytes.NewReader(head[l.at.Offset:]), s.unpacked)
		return nil
	}
	_, err := io.CopyN(io.Discard, s.unpacked, l.at.Offset-int64(len(head)))
	return err
}

// failing reads as what could not be opened.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if errors.Is(f.err, io.EOF) {
		return 0, io.ErrUnexpectedEOF
	}
	return 0, f.err
}

// packed says whether a file is compressed, by its name.
func packed(path string) bool {
	switch filepath.Ext(path) {
	case ".gz", ".zst":
		return true
	}
	return false
}

func unpack(path string, r io.Reader) (out io.Reader, end func(), err error) {
	end = func() {}
	if filepath.Ext(path) == ".gz" {
		out, err = gzip.NewReader(r)
		return out, end, err
	}
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindowMax))
	if err == nil {
		end = z.Close
	}
	return z, end, err
}

func (s *source) close() {
	s.end()
	_ = s.file.Close() // it was only read
}

// block returns what follows the log's position. ended says that there is no more for now; an
// error comes with what could be read before it.
func (s *source) block(l *log) (b []byte, ended bool, err error) {
	if s.packed() {
		return s.unpackBlock()
	}
	info, err := s.file.Stat()
	if err != nil {
		return nil, false, err
	}
	const more = 64 << 10 // may be added until it is read
	want := int(min(max(info.Size()-l.at.Offset, 0)+more, ChunkBytesMax))
	if cap(s.buffer) < want {
		s.buffer = make([]byte, want)
	}
	n, err := s.file.ReadAt(s.buffer[:want], l.at.Offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, err
	}
	// Had the file been truncated and written anew before it was read, its head would differ.
	if !l.startsWith(headOf(s.file)) {
		return nil, false, errOther
	}
	return s.buffer[:n], n < want, nil
}

func (s *source) unpackBlock() (b []byte, ended bool, err error) {
	s.used = copy(s.buffer, s.buffer[s.start:s.used])
	s.start = 0
	n, err := io.ReadFull(s.unpacked, s.buffer[s.used:])
	s.used += n
	if errors.Is(err, io.ErrUnexpectedEOF) && n == 0 || err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return s.buffer[:s.used], true, err
	}
	if err == nil {
		return s.buffer[:s.used], false, nil
	}
	// ReadFull does not tell the end from one that came too early.
	var one [1]byte
	if _, again := s.unpacked.Read(one[:]); !errors.Is(again, io.EOF) {
		return s.buffer[:s.used], true, again
	}
	return s.buffer[:s.used], true, nil
}

// taken moves past what was taken of the block.
func (s *source) taken(n int) { s.start += n }

// headOf is how a file begins.
func headOf(f io.ReaderAt) []byte {
	head := make([]byte, headBytesMax)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	return head[:n]
}

// headOfFile is how the log in a file begins.
func headOfFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	if !packed(path) {
		return headOf(f), nil
	}
	r, end, err := unpack(path, f)
	if err != nil {
		return nil, nil // not yet a compressed file
	}
	defer end()
	head := make([]byte, headBytesMax)
	n, _ := io.ReadFull(r, head) // what is there identifies it
	return head[:n], nil
}

// startsWith says whether something that begins with head is this log.
func (e *entry) startsWith(head []byte) bool {
	return e.HeadBytes > 0 && len(head) >= e.HeadBytes && hashOf(head[:e.HeadBytes]) == e.Head
}

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
