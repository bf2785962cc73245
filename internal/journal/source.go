package journal

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

// restInterval is the shortest time between two returns of Wait that had to wait.
const restInterval = 5 * time.Millisecond

// Reader returns a reader that starts at a position and follows the writer. A position
// in a segment that has been released reads on at the oldest one there is. ErrAhead means that
// the position is not of this journal, or of one that has been replaced since.
func (j *Journal) Reader(from Position) (*Reader, error) {
	if end := j.End(); end.Before(from) {
		return nil, fmt.Errorf("%w: %s is behind %s in %s; was the folder replaced? read again from the beginning, records already seen are recognised by their content", ErrAhead, from, end, j.dir)
	}
	return newReader((*live)(j), from), nil
}

// live is the journal as its readers see it.
type live Journal

func (l *live) from(n uint64) (uint64, bool, error) {
	end := unpack(l.end.Load()).Segment
	l.listMu.Lock()
	defer l.listMu.Unlock()
	i, _ := slices.BinarySearchFunc(l.segments, n, func(s segmentInfo, n uint64) int { return cmp.Compare(s.number, n) })
	if i == len(l.segments) || l.segments[i].number > end {
		return 0, false, nil
	}
	return l.segments[i].number, true, nil
}

func (l *live) open(n uint64) (segmentFile, error) {
	return openPlain(filepath.Join(l.dir, segmentName(n)))
}

func (l *live) limit(n uint64, size int64) (int64, bool) {
	if end := unpack(l.end.Load()); n == end.Segment {
		return end.Offset, true
	}
	return size, false
}

func (l *live) sealed(n uint64) (bool, error) { return n < unpack(l.end.Load()).Segment, nil }
func (l *live) atRest() bool                  { return false }

func (l *live) read(n uint64, clean bool) {
	(*Journal)(l).edit(n, func(s *segmentInfo) { s.clean = clean })
}

func (l *live) damaged(d Damage) {
	j := (*Journal)(l)
	if d.Bytes > 0 {
		j.markDamaged(d.Segment, d.String())
	}
	j.noteDamage(d)
}

// noteDamage counts damage and tells the log, of a flood of it ever more rarely.
func (j *Journal) noteDamage(d Damage) {
	const all = 32
	if n := j.counters.damages.Add(1); n <= all || n&(n-1) == 0 {
		j.log.Warn("damage in the journal", "segment", d.Segment, "offset", d.Offset, "bytes", d.Bytes,
			"records_lost", d.Records, "reason", d.Reason, "hint", d.Hint, "places_so_far", n)
	}
}

// wait is woken by the next Append. It rests first if it has only just returned: a
// writer at full speed then finds nobody to wake, and the reader finds a batch.
func (l *live) wait(ctx context.Context, r *Reader) error {
	j := (*Journal)(l)
	if j.adopted {
		return ErrClosed
	}
	if r.Position().Before(j.End()) {
		return nil
	}
	if rest := restInterval - time.Since(r.rested); rest > 0 {
		if err := pause(ctx, rest); err != nil {
			return err
		}
		if r.Position().Before(j.End()) {
			return nil
		}
	}
	for {
		j.listMu.Lock()
		if !slices.Contains(j.waiting, r) {
			j.waiting = append(j.waiting, r)
		}
		j.waiter.Store(true)
		j.listMu.Unlock()
		// Looked at after the flag is up: an Append before that is seen here, one
		// after that sees the flag.
		if r.Position().Before(j.End()) {
			return nil
		}
		if j.isClosed() {
			return ErrClosed
		}
		select {
		case <-r.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// wakeReaders wakes everyone who waits for the next record, once.
func (j *Journal) wakeReaders() {
	j.listMu.Lock()
	defer j.listMu.Unlock()
	j.waiter.Store(false)
	for _, r := range j.waiting {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
	clear(j.waiting)
	j.waiting = j.waiting[:0]
}

func (j *Journal) isClosed() bool {
	select {
	case <-j.stop:
		return true
	default:
		return false
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// oneSegment is a source of a single file at rest.
type oneSegment struct {
	path   string
	number uint64
}

func (o oneSegment) from(n uint64) (uint64, bool, error)       { return o.number, n <= o.number, nil }
func (o oneSegment) open(uint64) (segmentFile, error)          { return openPlain(o.path) }
func (o oneSegment) limit(_ uint64, size int64) (int64, bool)  { return size, false }
func (o oneSegment) sealed(uint64) (bool, error)               { return true, nil }
func (o oneSegment) atRest() bool                              { return true }
func (o oneSegment) read(uint64, bool)                         {}
func (o oneSegment) damaged(Damage)                            {}
func (o oneSegment) wait(ctx context.Context, _ *Reader) error { return ErrClosed }

var (
	_ source = (*live)(nil)
	_ source = oneSegment{}
	_ source = (*folder)(nil)
)
