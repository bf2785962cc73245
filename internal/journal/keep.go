package journal

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/sluicehq/sluice/internal/background"
)

const (
	shippedFolder    = "shipped"
	compressedSuffix = ".zst"

	// Compressing takes chunkBytes, well under a millisecond, and then rests ten times as long: it
	// uses a tenth of one core at most, and a request never waits for it.
	chunkBytes  = 128 << 10
	restPerWork = 10

	keepInterval = time.Minute // how often the limits are looked at without news
)

// kept is what the journal knows of its shipped segments. Their age is counted by a clock that
// nobody can set: that of the wall only says how old those are that were found at the start.
type kept struct {
	mu   sync.Mutex
	seen map[uint64]time.Duration // uptime at which each was of age 0
}

// shippedFile is one segment that was kept after its release.
type shippedFile struct {
	number     uint64
	path       string
	bytes      int64
	changed    time.Time // when it was shipped
	compressed bool
}

func (o Options) keeps() bool { return o.Keep > 0 || o.KeepBytes > 0 }

// retain takes a segment that is not needed any more away from the others.
func (j *Journal) retain(info segmentInfo, path string) error {
	if !j.options.keeps() || info.bytes <= headerBytes {
		return os.Remove(path)
	}
	folder := filepath.Join(j.dir, shippedFolder)
	target := filepath.Join(folder, segmentName(info.number))
	now := j.options.Now()
	err := os.MkdirAll(folder, 0o750)
	if err == nil {
		_ = os.Chtimes(path, now, now) // if that fails it is deleted earlier
		err = os.Rename(path, target)
	}
	if err != nil {
		j.log.Warn("a shipped journal segment could not be kept and is deleted", "segment", info.number, "error", err)
		return os.Remove(path)
	}
	j.kept.mu.Lock()
	j.kept.seen[info.number] = j.options.uptime()
	j.kept.mu.Unlock()
	poke(j.shipped)
	return nil
}

// startKeeping begins to look after the shipped segments. Without any to keep it
// tidies up what an earlier configuration left.
func (j *Journal) startKeeping() {
	if _, err := os.Stat(filepath.Join(j.dir, shippedFolder)); err != nil && !j.options.keeps() {
		return
	}
	j.done.Add(1)
	go j.keepShipped()
	poke(j.shipped)
}

func (j *Journal) keepShipped() {
	defer j.done.Done()
	background.StandBack(niceness)
	tick := time.NewTicker(keepInterval)
	defer tick.Stop()
	for {
		select {
		case <-j.quit:
			return
		case <-tick.C:
		case <-j.shipped:
		}
		if err := errors.Join(j.trimShipped(), j.compressShipped()); err != nil && !j.quitting() {
			j.log.Warn("shipped journal segments can not be looked after", "error", err)
		}
	}
}

func (j *Journal) quitting() bool {
	select {
	case <-j.quit:
		return true
	default:
		return false
	}
}

// trimShipped deletes what is too old or too much, the oldest first.
func (j *Journal) trimShipped() error {
	o := j.options
	return j.deleteShipped(func(s shippedFile, age time.Duration, behind int64) bool {
		return !o.keeps() || o.Keep > 0 && age > o.Keep || o.KeepBytes > 0 && behind > o.KeepBytes
	})
}

// freeShipped makes room on a full disk and reports whether there was anything to delete.
func (j *Journal) freeShipped(want int64) bool {
	freed := int64(0)
	err := j.deleteShipped(func(s shippedFile, _ time.Duration, _ int64) bool {
		if freed >= want {
			return false
		}
		freed += s.bytes
		return true
	})
	if freed > 0 {
		j.log.Warn("the disk is full: kept journal segments were deleted, which had been shipped", "bytes", freed, "error", err)
	}
	return err == nil && freed > 0
}

// deleteShipped asks for each shipped segment, oldest first, whether it must go. behind is the size of it
// and all younger ones.
func (j *Journal) deleteShipped(must func(s shippedFile, age time.Duration, behind int64) bool) error {
	j.kept.mu.Lock()
	defer j.kept.mu.Unlock()
	files, err := listShipped(j.dir)
	if err != nil {
		return err
	}
	behind := int64(0)
	for _, s := range files {
		behind += s.bytes
	}
	for _, s := range files {
		if must(s, j.age(s), behind) {
			if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			delete(j.kept.seen, s.number)
		}
		behind -= s.bytes
	}
	return nil
}

// age is called with kept.mu held.
func (j *Journal) age(s shippedFile) time.Duration {
	now := j.options.uptime()
	began, known := j.kept.seen[s.number]
	if !known {
		began = now - max(0, j.options.Now().Sub(s.changed))
		j.kept.seen[s.number] = began
	}
	return now - began
}

// compressShipped compresses what is not compressed yet.
func (j *Journal) compressShipped() error {
	if err := tidyShipped(j.dir); err != nil {
		return err
	}
	files, err := listShipped(j.dir)
	if err != nil || !j.options.keeps() {
		return err
	}
	for _, s := range files {
		if s.compressed {
			continue
		}
		if err := j.compress(s); err != nil {
			return fmt.Errorf("compress segment %d: %w", s.number, err)
		}
	}
	return j.trimShipped()
}

// compress writes the compressed segment aside, syncs and renames it, and only then
// deletes the other: whenever the power is cut, one of them is whole.
func (j *Journal) compress(s shippedFile) (err error) {
	target := s.path + compressedSuffix
	aside := target + preparingSuffix
	in, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(aside, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	err = j.squeeze(out, in)
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return errors.Join(err, os.Remove(aside))
	}
	j.kept.mu.Lock() // somebody who makes room must not look in between
	defer j.kept.mu.Unlock()
	_ = os.Chtimes(aside, s.changed, s.changed)
	if err := os.Rename(aside, target); err != nil {
		return err
	}
	if err := syncFolder(filepath.Dir(target)); err != nil {
		return err
	}
	return os.Remove(s.path)
}

func (j *Journal) squeeze(out io.Writer, in io.Reader) error {
	w, err := zstd.NewWriter(out, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return err
	}
	for {
		began := time.Now()
		_, err := io.CopyN(w, in, chunkBytes)
		if errors.Is(err, io.EOF) {
			return w.Close()
		}
		if err != nil {
			return errors.Join(err, w.Close())
		}
		select {
		case <-j.quit:
			return errors.Join(ErrClosed, w.Close())
		case <-time.After(restPerWork * time.Since(began)):
		}
	}
}

// tidyShipped removes what a crash left half done: files that are not whole, and segments
// whose compressed form is.
func tidyShipped(dir string) error {
	folder := filepath.Join(dir, shippedFolder)
	asides, err := filepath.Glob(filepath.Join(folder, "*"+preparingSuffix))
	if err != nil {
		return err
	}
	done, err := filepath.Glob(filepath.Join(folder, "*"+segmentSuffix+compressedSuffix))
	if err != nil {
		return err
	}
	for _, path := range done {
		asides = append(asides, strings.TrimSuffix(path, compressedSuffix))
	}
	for _, path := range asides {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// listShipped returns the segments that were kept, ascending, each once.
func listShipped(dir string) ([]shippedFile, error) {
	folder := filepath.Join(dir, shippedFolder)
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var files []shippedFile
	for _, e := range entries { // by name: a segment comes before its compressed form
		name, compressed := strings.CutSuffix(e.Name(), compressedSuffix)
		number, ok := parseSegmentName(name)
		info, err := e.Info()
		if !ok || err != nil || !info.Mode().IsRegular() {
			continue
		}
		s := shippedFile{number, filepath.Join(folder, e.Name()), info.Size(), info.ModTime(), compressed}
		if n := len(files); n > 0 && files[n-1].number == number {
			files[n-1] = s
			continue
		}
		files = append(files, s)
	}
	slices.SortFunc(files, func(a, b shippedFile) int { return cmp.Compare(a.number, b.number) })
	return files, nil
}

// segmentFile is a segment's bytes, wherever they are.
type segmentFile interface {
	io.ReaderAt
	io.Closer
	size() (int64, error)
}

type plainFile struct{ *os.File }

func openPlain(path string) (segmentFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return plainFile{f}, nil
}

func (f plainFile) size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// unpackedFile is a compressed segment in memory.
type unpackedFile struct{ *bytes.Reader }

func (f unpackedFile) size() (int64, error) { return f.Size(), nil }
func (f unpackedFile) Close() error         { return nil }

// openShipped opens a segment that was kept, whichever form it has at the moment.
func openShipped(dir string, number uint64) (segmentFile, error) {
	path := filepath.Join(dir, shippedFolder, segmentName(number))
	f, err := openPlain(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	packed, err := os.ReadFile(path + compressedSuffix)
	if err != nil {
		return nil, err
	}
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(segmentBytesMax))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	b, err := d.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("%s%s: %w; it is damaged, move it away to read the others", path, compressedSuffix, err)
	}
	return unpackedFile{bytes.NewReader(b)}, nil
}
