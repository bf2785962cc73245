package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Dir is a read-only view of a journal's folder, at rest or in use by another process.
// It takes no lock and changes nothing.
type Dir struct{ path string }

// OpenDir looks at a journal's folder without becoming its writer.
func OpenDir(path string) (*Dir, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("journal: there is no folder %s", path)
	case err != nil:
		return nil, fmt.Errorf("journal: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("journal: %s is a file; name the folder that holds the segments (*%s)", path, segmentSuffix)
	}
	return &Dir{path: path}, nil
}

// Reader returns a reader from a position on. On a folder at rest io.EOF is the end; on one in
// use, wait and read on.
func (d *Dir) Reader(from Position) (*Reader, error) { return newReader(d.asSource(), from), nil }

// SegmentStat is what a segment's file and header tell without reading its records.
type SegmentStat struct {
	Number        uint64    `json:"number"`
	Bytes         int64     `json:"bytes"` // of the file
	Created       time.Time `json:"created,omitzero"`
	Version       uint32    `json:"version,omitempty"`        // format version, 0 if unknown
	FirstSequence uint64    `json:"first_sequence,omitempty"` // 0 while unused
	Fault         string    `json:"fault,omitempty"`          // what is wrong with the header
}

// DirStat is the state of a folder.
type DirStat struct {
	InUse         bool          `json:"in_use"` // a writer has it now
	Segments      []SegmentStat `json:"segments"`
	Bytes         int64         `json:"bytes"`
	SetAsideFiles int           `json:"set_aside_files"`
	SetAsideBytes int64         `json:"set_aside_bytes"`
	ShippedFiles  int           `json:"shipped_files"` // segments that were kept after their release
	ShippedBytes  int64         `json:"shipped_bytes"`
}

// Stat takes stock of the folder.
func (d *Dir) Stat() (DirStat, error) {
	numbers, err := listSegments(d.path)
	if err != nil {
		return DirStat{}, fmt.Errorf("journal: %w", err)
	}
	s := DirStat{InUse: inUse(d.path)}
	s.SetAsideFiles, s.SetAsideBytes = setAsideExtent(d.path)
	shipped, err := listShipped(d.path)
	if err != nil {
		return DirStat{}, fmt.Errorf("journal: %w", err)
	}
	for _, one := range shipped {
		s.ShippedFiles, s.ShippedBytes = s.ShippedFiles+1, s.ShippedBytes+one.bytes
	}
	for _, n := range numbers {
		h, bad, size, err := readHeader(filepath.Join(d.path, segmentName(n)))
		if errors.Is(err, fs.ErrNotExist) {
			continue // released meanwhile
		}
		if err != nil {
			return DirStat{}, fmt.Errorf("journal: %w", err)
		}
		one := SegmentStat{Number: n, Bytes: size, Version: h.version, FirstSequence: h.first, Fault: string(bad)}
		if h.version != 0 {
			one.Created = h.created
		}
		s.Segments = append(s.Segments, one)
		s.Bytes += size
	}
	return s, nil
}

// Verification is the outcome of Verify.
type Verification struct {
	Segments      int      `json:"segments"`
	Records       uint64   `json:"records"` // whole ones
	Bytes         int64    `json:"bytes"`   // of their payloads
	FirstSequence uint64   `json:"first_sequence"`
	LastSequence  uint64   `json:"last_sequence"`
	End           Position `json:"end"`
	Lost          uint64   `json:"lost"` // records known to be lost
	Damages       []Damage `json:"damages"`
}

// Verify reads every record and checks it. It changes nothing. progress, if not nil, is called now
// and then with the bytes read so far and the bytes there are.
func (d *Dir) Verify(ctx context.Context, progress func(done, total int64)) (Verification, error) {
	stat, err := d.Stat()
	if err != nil {
		return Verification{}, err
	}
	v := Verification{Segments: len(stat.Segments) + stat.ShippedFiles}
	r, err := d.Reader(Position{})
	if err != nil {
		return v, err
	}
	defer func() { _ = r.Close() }()
	r.OnDamage = func(one Damage) {
		v.Damages = append(v.Damages, one)
		v.Lost += one.Records
	}
	before := bytesBefore(stat)
	for {
		if v.Records%4096 == 0 {
			if err := ctx.Err(); err != nil {
				return v, err
			}
			if progress != nil {
				progress(before[r.number]+r.cur.offset, stat.Bytes)
			}
		}
		record, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return v, err
		}
		if v.Records == 0 {
			v.FirstSequence = record.Sequence
		}
		v.Records++
		v.Bytes += int64(len(record.Payload))
		v.LastSequence, v.End = record.Sequence, record.Position
	}
	if progress != nil {
		progress(stat.Bytes, stat.Bytes)
	}
	return v, nil
}

func bytesBefore(s DirStat) map[uint64]int64 {
	before, sum := make(map[uint64]int64, len(s.Segments)), int64(0)
	for _, one := range s.Segments {
		before[one.Number] = sum
		sum += one.Bytes
	}
	return before
}

// folder is a Dir as its readers see it.
type folder Dir

func (d *Dir) asSource() *folder { return (*folder)(d) }

func (f *folder) from(n uint64) (uint64, bool, error) {
	numbers, err := listSegments(f.path)
	if err != nil {
		return 0, false, fmt.Errorf("journal: %w", err)
	}
	shipped, err := listShipped(f.path)
	if err != nil {
		return 0, false, fmt.Errorf("journal: %w", err)
	}
	for _, s := range shipped { // all before the others
		if s.number >= n && (len(numbers) == 0 || s.number < numbers[0]) {
			return s.number, true, nil
		}
	}
	for _, number := range numbers {
		if number >= n {
			return number, true, nil
		}
	}
	return 0, false, nil
}

func (f *folder) open(n uint64) (segmentFile, error) {
	file, err := openPlain(filepath.Join(f.path, segmentName(n)))
	if errors.Is(err, fs.ErrNotExist) {
		return openShipped(f.path, n)
	}
	return file, err
}

func (f *folder) limit(_ uint64, size int64) (int64, bool) { return size, false }

// sealed reports whether a later segment is in use. One that is merely prepared, or
// whose header can not be told, says nothing; unless there is no writer.
func (f *folder) sealed(n uint64) (bool, error) {
	numbers, err := listSegments(f.path)
	if err != nil {
		return false, fmt.Errorf("journal: %w", err)
	}
	rest := f.atRest()
	for _, number := range numbers {
		if number <= n {
			continue
		}
		h, bad, _, err := readHeader(filepath.Join(f.path, segmentName(number)))
		if err == nil && (rest || h.first > 0 || bad != headerSound) {
			return true, nil
		}
	}
	return false, nil
}

func (f *folder) atRest() bool      { return !inUse(f.path) }
func (f *folder) read(uint64, bool) {}
func (f *folder) damaged(Damage)    {}

// wait has nobody to be woken by, so it looks again after a while.
func (f *folder) wait(ctx context.Context, _ *Reader) error {
	return pause(ctx, 5*restInterval)
}
