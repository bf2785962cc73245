package journal

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Recovery is what Open found.
type Recovery struct {
	Segments     int      // segments found
	Records      uint64   // whole records in the last segment that holds any
	LastSequence uint64   // of the last record that was ever kept, 0 for none
	Damages      []Damage // met in the last segment and in the headers of all
	Unused       int      // segments that never held a record, removed
	Trimmed      int64    // bytes of zeros cut from the end of the last segment
	Took         time.Duration
}

// Recovery returns what Open found. The records of older segments are not looked at by
// Open; their readers are told of damage when they get there.
func (j *Journal) Recovery() Recovery { return j.recovery }

// recover takes stock of the folder and opens a fresh segment behind what is there.
// clean says that the last writer closed the journal.
func (j *Journal) recover(clean bool) error {
	began := time.Now()
	unused, err := j.findEnd(clean)
	if err != nil {
		return err
	}
	if err := j.openFirst(unused); err != nil {
		if j.current != nil {
			err = errors.Join(err, j.current.release())
		}
		return err
	}
	j.recovery.Took = time.Since(began)
	j.tellRecovery()
	return nil
}

// findEnd takes stock of the folder as far back as the last record. It returns the segments behind
// that, which never held one.
func (j *Journal) findEnd(clean bool) (unused []uint64, err error) {
	numbers, err := listSegments(j.dir)
	if err != nil {
		return nil, err
	}
	if err := j.tidyPreparing(); err != nil {
		return nil, err
	}
	files, bytes := setAsideExtent(j.dir)
	j.counters.setAsideFiles.Store(int64(files))
	j.counters.setAsideBytes.Store(bytes)
	if err := j.takeStock(numbers); err != nil {
		return nil, err
	}
	last, unused, err := j.surveyEnd()
	if err != nil {
		return nil, err
	}
	j.recovery.Segments, j.recovery.LastSequence = len(numbers), last
	j.sequence = last + 1
	if highest, _ := j.extent(); highest > 0 && !clean {
		j.skip = numbersSkipped
	}
	return unused, nil
}

// takeStock reads the header of each segment.
func (j *Journal) takeStock(numbers []uint64) error {
	for _, n := range numbers {
		path := filepath.Join(j.dir, segmentName(n))
		head, bad, size, err := readHeader(path)
		if err != nil {
			return err
		}
		info := segmentInfo{number: n, bytes: size, first: head.first, foreign: bad == headerForeign}
		if info.foreign {
			j.recovery.Damages = append(j.recovery.Damages, foreignDamage(n, size, head.version))
		}
		j.enlist(info)
	}
	return nil
}

// surveyEnd goes through the segments from the last one back to the one with the last
// record. It returns that record's sequence, and the segments behind it that never held a record.
func (j *Journal) surveyEnd() (last uint64, unused []uint64, err error) {
	for i := len(j.segments) - 1; i >= 0; i-- {
		info := &j.segments[i]
		// A segment that was in use tells where the sequences were, even if all its
		// records are lost.
		if info.first > 0 {
			last = max(last, info.first-1)
		}
		if info.foreign {
			continue
		}
		s, err := surveySegment(j.dir, info.number)
		if err != nil {
			return 0, nil, err
		}
		last = max(last, s.last)
		if len(s.damages) > 0 {
			info.damage = s.damages[0].String()
		}
		if s.unused() {
			unused = append(unused, info.number)
			continue
		}
		j.recovery.Damages = append(j.recovery.Damages, s.damages...)
		if err := j.trim(info, s); err != nil {
			return 0, nil, err
		}
		if s.records > 0 {
			info.end = s.end
			j.recovery.Records = s.records
			break
		}
	}
	return last, unused, nil
}

// trim cuts off the zeros that were reserved and not used. Anything else stays.
func (j *Journal) trim(info *segmentInfo, s survey) error {
	keep := max(s.end, (s.dataEnd+alignment-1)&^(alignment-1))
	if keep >= info.bytes {
		return nil
	}
	if err := os.Truncate(filepath.Join(j.dir, segmentName(info.number)), keep); err != nil {
		return err
	}
	j.recovery.Trimmed += info.bytes - keep
	info.bytes = keep
	return nil
}

// openFirst makes the segment that this run begins with, and then removes those that
// never held a record. Its number is new even then: a consumer may remember a place in a
// segment whose records a power cut took, and must not find others there. Until the new
// one is there the unused ones keep their header, which knows numbers and sequences.
//
// Without space for it the journal opens all the same and refuses records until there is
// some: a full disk must not keep the redirects from starting.
func (j *Journal) openFirst(unused []uint64) error {
	for _, n := range unused {
		if err := os.Truncate(filepath.Join(j.dir, segmentName(n)), headerBytes); err != nil {
			return err
		}
		j.resize(n, headerBytes)
	}
	s, err := j.prepareNext(j.lastKept(unused), j.sequence)
	if isSpace(err) {
		j.report(err)
		j.counters.refusing.Store(true)
		j.startAt(j.lastPlace())
		return nil
	}
	if err != nil {
		return err
	}
	j.current, j.offset, j.skip = s, headerBytes, 0
	j.startAt(Position{Segment: s.number, Offset: headerBytes})
	j.enlist(segmentInfo{number: s.number, bytes: j.options.SegmentBytes, first: j.sequence})
	for _, n := range unused {
		if err := os.Remove(filepath.Join(j.dir, segmentName(n))); err != nil {
			return err
		}
		j.delist(n)
	}
	j.recovery.Unused = len(unused)
	return nil
}

func (j *Journal) startAt(p Position) {
	j.end.Store(p.pack())
	j.synced.Store(p.pack())
}

// lastKept is the number of the last segment that stays.
func (j *Journal) lastKept(unused []uint64) (number uint64) {
	for _, s := range j.segments {
		if !slices.Contains(unused, s.number) {
			number = s.number
		}
	}
	return number
}

// lastPlace is the end of what is on the disk.
func (j *Journal) lastPlace() Position {
	if len(j.segments) == 0 {
		return Position{}
	}
	last := j.segments[len(j.segments)-1]
	return Position{Segment: last.number, Offset: last.bytes}
}

func isSpace(err error) bool {
	return errors.Is(err, errLimit) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG)
}

// tidyPreparing removes segments that a dying process left half prepared. They have not
// had their name yet and so never held a record.
func (j *Journal) tidyPreparing() error {
	names, err := filepath.Glob(filepath.Join(j.dir, "*"+segmentSuffix+preparingSuffix))
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

// setAsideExtent counts the segments that have been set aside.
func setAsideExtent(dir string) (files int, bytes int64) {
	entries, err := os.ReadDir(filepath.Join(dir, setAsideFolder))
	if err != nil {
		return 0, 0 // most journals have none
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasSuffix(e.Name(), segmentSuffix) {
			files, bytes = files+1, bytes+info.Size()
		}
	}
	return files, bytes
}

func (j *Journal) tellRecovery() {
	r := &j.recovery
	for _, d := range r.Damages {
		j.noteDamage(d)
	}
	j.log.Debug("journal open", "segments", r.Segments, "last_sequence", r.LastSequence, "end", j.End().String(), "took", r.Took)
}

// survey is what reading one segment through showed.
type survey struct {
	header      header
	headerFault headerFault
	records     uint64
	first, last uint64 // sequences
	end         int64  // behind the last whole record
	dataEnd     int64  // behind the last byte that is not zero
	bytes       int64
	damages     []Damage
}

// unused reports whether the segment never held a record and holds nothing else. A power cut
// may take the header, too, if it comes before the first sync.
func (s survey) unused() bool {
	return s.dataEnd == 0 || s.headerFault == headerSound && s.dataEnd <= headerBytes
}

// surveySegment reads one segment through.
func surveySegment(dir string, number uint64) (s survey, err error) {
	path := filepath.Join(dir, segmentName(number))
	s.header, s.headerFault, s.bytes, err = readHeader(path)
	if err != nil {
		return s, err
	}
	r := newReader(oneSegment{path: path, number: number}, Position{})
	r.OnDamage = func(d Damage) { s.damages = append(s.damages, d) }
	defer func() { err = errors.Join(err, r.Close()) }()
	s.end = headerBytes
	for {
		record, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return s, err
		}
		if s.records == 0 {
			s.first = record.Sequence
		}
		s.records++
		s.last, s.end = record.Sequence, record.Position.Offset
	}
	s.dataEnd, err = fileDataEnd(path, s.bytes)
	return s, err
}

// fileDataEnd returns the offset behind a file's last byte that is not zero.
func fileDataEnd(path string, size int64) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	c := cursor{file: f}
	end, err := c.dataEnd(0, size)
	return end, errors.Join(err, f.Close())
}

func readHeader(path string) (header, headerFault, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return header{}, headerShort, 0, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return header{}, headerShort, 0, err
	}
	c := cursor{file: f}
	b, err := c.window(0, headerBytes, info.Size())
	if err != nil {
		return header{}, headerShort, 0, err
	}
	head, bad := decodeHeader(b)
	return head, bad, info.Size(), nil
}

// listSegments returns the numbers of a folder's segments, ascending.
func listSegments(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, e := range entries {
		if n, ok := parseSegmentName(e.Name()); ok && e.Type().IsRegular() {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}
