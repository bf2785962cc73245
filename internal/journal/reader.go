package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// Record is one appended payload as a reader meets it.
type Record struct {
	Payload  []byte   // valid until the next call of Next
	Sequence uint64   // counted from 1 over the whole journal
	Position Position // behind the record: where to read on
}

// Reader reads records in the order they were appended, across segments. It belongs to
// one goroutine; any number of readers may read the same journal.
//
// Damage is passed to OnDamage and reading goes on behind it: one damaged record costs
// that record and no other.
type Reader struct {
	// OnDamage, if set, is told of each damaged place, once per reader, from within Next.
	OnDamage func(Damage)

	source source
	want   uint64 // the segment to open next, or any after it
	offset int64  // where to begin in it, if it is exactly that one

	cur    cursor
	file   segmentFile // nil between segments
	number uint64
	size   int64
	head   header

	last    uint64 // sequence of the last record delivered or known of, 0 if unknown
	before  uint64 // number of the segment read before, or that would have been
	follows bool   // before is known, so that what is missing behind it can be told
	missing string // segments absent before this one, not told yet
	quiet   int64  // where a segment in use was last searched and nothing more was found
	told    int64  // damage before this offset of the segment has been told
	whole   bool   // the segment is being read from its start, without damage so far
	wake    chan struct{}
	rested  time.Time // when Wait last returned
	dropped bool      // closed
}

// source is where a reader's segments come from: a live journal, a folder, one file.
type source interface {
	// from returns the lowest segment numbered n or more.
	from(n uint64) (number uint64, found bool, err error)
	open(n uint64) (segmentFile, error)
	// limit returns how many bytes of a segment are published. exact is false when
	// only the file's size is known and the records in it may still be under way.
	limit(n uint64, size int64) (bytes int64, exact bool)
	// sealed reports whether nothing will be appended to the segment any more.
	sealed(n uint64) (bool, error)
	// atRest reports whether there is no writer at all.
	atRest() bool
	// read is told how reading a sealed segment from its start went.
	read(n uint64, clean bool)
	damaged(Damage)
	wait(ctx context.Context, r *Reader) error
}

func newReader(s source, from Position) *Reader {
	return &Reader{
		source: s, want: max(from.Segment, 1), offset: from.Offset,
		before: max(from.Segment, 1) - 1, follows: !from.IsZero(), wake: make(chan struct{}, 1),
	}
}

// Next returns the next record. It returns io.EOF when it has caught up; call it again
// later, or Wait first. Any other error means that the folder could not be read at all.
func (r *Reader) Next() (Record, error) {
	for {
		if r.dropped {
			return Record{}, ErrClosed
		}
		if r.file == nil {
			if err := r.openNext(); err != nil {
				return Record{}, err
			}
		}
		limit, exact := r.source.limit(r.number, r.size)
		f, v, why, err := r.cur.next(limit)
		if err != nil {
			return Record{}, r.readError(err)
		}
		if v == isRecord {
			return r.deliver(f), nil
		}
		if v == isEmpty && exact && r.cur.offset >= limit {
			return Record{}, io.EOF
		}
		if err := r.pass(limit, exact, why); err != nil {
			return Record{}, err
		}
	}
}

// Position returns the place behind the last record that Next returned.
func (r *Reader) Position() Position {
	if r.file == nil {
		return Position{Segment: r.want, Offset: r.offset}
	}
	return Position{Segment: r.number, Offset: r.cur.offset}
}

// Wait blocks until there may be more to read. It returns ErrClosed when everything is read and
// the journal will not grow any more, and the context's error when that ends first. It
// returns at most about two hundred times a second, so that a reader that keeps
// up takes batches and the writer seldom has to wake it.
func (r *Reader) Wait(ctx context.Context) error {
	if r.dropped {
		return ErrClosed
	}
	err := r.source.wait(ctx, r)
	r.rested = time.Now()
	return err
}

// Close frees the reader's file. Closing twice is harmless.
func (r *Reader) Close() error {
	r.dropped = true
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

func (r *Reader) readError(err error) error {
	return fmt.Errorf("journal: read segment %d at offset %d: %w", r.number, r.cur.offset, err)
}

func (r *Reader) deliver(f frame) Record {
	if r.cur.anchored && f.sequence > r.cur.floor+1 {
		r.tellGap(f.sequence)
	}
	if f.soiled > 0 {
		r.tell(Damage{
			Segment: r.number, Offset: f.offset + frameBytes + int64(len(f.payload)), Bytes: f.soiled,
			Reason: "the padding behind a record is not zero; the record itself is whole", Hint: hintDisk,
		})
	}
	r.cur.offset = f.end
	r.cur.anchor(f.sequence)
	r.last, r.missing = f.sequence, ""
	return Record{
		Payload: f.payload, Sequence: f.sequence,
		Position: Position{Segment: r.number, Offset: f.end},
	}
}

// pass gets over a place where no record is: the end of a segment, damage, or the end
// of what has been written so far, which is io.EOF.
func (r *Reader) pass(limit int64, exact bool, why fault) error {
	// Asked before looking again: what was appended up to the moment of sealing is
	// then seen.
	sealed, err := r.source.sealed(r.number)
	if err != nil {
		return err
	}
	if !exact {
		if !sealed && r.quiet == r.cur.offset {
			return r.stillQuiet(limit)
		}
		// The writer may have been at work in just this place.
		r.cur.forget()
		if _, v, again, err := r.cur.next(limit); err != nil {
			return r.readError(err)
		} else if v == isRecord {
			return nil
		} else {
			why = again
		}
	}
	end, err := r.cur.dataEnd(r.cur.offset, limit)
	if err != nil {
		return r.readError(err)
	}
	f, found, err := r.cur.find(end, limit)
	if err != nil {
		return r.readError(err)
	}
	if found {
		return r.skipTo(f, limit, exact, why)
	}
	return r.endSegment(end, limit, exact, sealed, why)
}

// stillQuiet looks at the one place where the next record would begin.
func (r *Reader) stillQuiet(limit int64) error {
	r.cur.forget()
	head, err := r.cur.window(r.cur.offset, 4, limit)
	if err != nil {
		return r.readError(err)
	}
	if allZero(head) {
		return io.EOF
	}
	r.quiet = -1
	return nil
}

// skipTo tells of the damage between the cursor and the next whole record.
func (r *Reader) skipTo(f frame, limit int64, exact bool, why fault) error {
	if !exact {
		r.cur.forget()
		if _, v, _, err := r.cur.next(limit); err != nil || v == isRecord {
			return err // it was under way and has arrived
		}
	}
	d := Damage{
		Segment: r.number, Offset: r.cur.offset, Bytes: f.offset - r.cur.offset,
		Reason: why.reason(), Hint: hintDisk,
	}
	if r.cur.anchored {
		d.Records = f.sequence - r.cur.floor - 1
	}
	r.tell(d)
	r.cur.offset = f.offset
	r.cur.anchor(f.sequence - 1)
	return nil
}

// endSegment is called when no whole record follows in the segment.
func (r *Reader) endSegment(end, limit int64, exact, sealed bool, why fault) error {
	final := sealed || exact || r.source.atRest()
	if !final {
		r.quiet = r.cur.offset
		return io.EOF
	}
	if end > r.cur.offset && r.told <= r.cur.offset {
		r.told = end
		r.tell(tailDamage(r.number, r.cur.offset, end, why))
	}
	switch {
	case sealed:
		r.source.read(r.number, r.whole)
		return r.leave()
	case exact:
		r.cur.offset = limit // what is appended next is whole again
		return nil
	}
	r.quiet = r.cur.offset
	return io.EOF
}

// tailDamage describes bytes at the end of a segment that are no record. With a zero length
// word they are a record whose writer died before publishing it: nobody was told that it is kept.
func tailDamage(segment uint64, from, end int64, why fault) Damage {
	d := Damage{Segment: segment, Offset: from, Bytes: end - from, Hint: hintTail}
	if why == faultHole {
		d.Reason = "a write that was cut short behind the last record; it had not been acknowledged"
	} else {
		d.Reason = why.reason() + ", and no whole record follows in this segment"
	}
	return d
}

// leave closes the segment that has been read to its end.
func (r *Reader) leave() error {
	err := r.file.Close()
	r.file, r.want, r.offset = nil, r.number+1, headerBytes
	r.before, r.follows = r.number, true
	return err
}

// openNext opens the next segment that there is, or returns io.EOF.
func (r *Reader) openNext() error {
	for {
		n, found, err := r.source.from(r.want)
		if err != nil {
			return err
		}
		if !found {
			return io.EOF
		}
		f, err := r.source.open(n)
		if errors.Is(err, fs.ErrNotExist) { // released meanwhile, or taken away
			r.want, r.offset = n+1, headerBytes
			continue
		}
		if err != nil {
			return fmt.Errorf("journal: open segment %d: %w", n, err)
		}
		foreign, err := r.enter(n, f)
		if err != nil || !foreign {
			return err
		}
	}
}

// enter makes an opened file the one that is read, unless its version is foreign.
func (r *Reader) enter(n uint64, f segmentFile) (foreign bool, err error) {
	size, err := f.size()
	if err != nil {
		return false, errors.Join(err, f.Close())
	}
	r.file, r.number, r.size = f, n, size
	r.quiet, r.told = -1, 0
	start := int64(headerBytes)
	if n == r.want && r.offset > start {
		start = (r.offset + alignment - 1) &^ (alignment - 1)
	}
	r.whole = start == headerBytes
	r.cur = cursor{file: f, offset: start, buf: r.cur.buf[:0]}
	b, err := r.cur.window(0, headerBytes, r.size)
	if err != nil {
		return false, r.readError(err)
	}
	head, bad := decodeHeader(b)
	r.head = head
	if bad == headerForeign {
		r.tell(foreignDamage(n, r.size, head.version))
		err := r.leave()
		r.last, r.follows = 0, false
		return true, err
	}
	if bad == headerSound && head.number != n {
		r.tell(Damage{
			Segment: n, Bytes: 0, Hint: "was the file renamed or copied? its records are read if they follow the ones before",
			Reason: fmt.Sprintf("the file is named segment %d, its header says segment %d", n, head.number),
		})
	}
	blank := false // a power cut before the first sync leaves nothing at all
	if bad == headerTorn || bad == headerShort {
		end, err := r.cur.dataEnd(0, r.size)
		if err != nil {
			return false, r.readError(err)
		}
		blank = end == 0
	}
	if bad != headerSound && r.whole && !blank {
		r.tell(Damage{Segment: n, Bytes: min(headerBytes, r.size), Reason: string(bad), Hint: hintHeader})
	}
	r.anchor(bad)
	r.cur.forget()
	return false, nil
}

// anchor works out which sequence must come next, and what is missing before.
func (r *Reader) anchor(bad headerFault) {
	r.missing = r.missingBefore(bad)
	if r.last > 0 {
		r.cur.floor, r.cur.anchored = r.last, true
	}
	first := r.head.first
	switch {
	case first == 0:
	case !r.whole:
		r.cur.floor = max(r.cur.floor, first-1)
	case first > r.last:
		if r.cur.anchored && first > r.last+1 {
			r.tellGap(first)
		} else if r.last > 0 {
			r.missing = "" // the sequences meet: nothing was in between
		}
		r.cur.anchor(first - 1)
	}
	if r.missing != "" && !r.cur.anchored {
		r.tell(Damage{Segment: r.number, Reason: r.missing + "; how many records it held is unknown", Hint: hintMissing})
		r.missing = ""
	}
}

// missingBefore names the segments that must have lain between the one read before
// and this one, by the number that this one's header gives as its predecessor.
func (r *Reader) missingBefore(bad headerFault) string {
	if !r.follows {
		return ""
	}
	previous := r.number - 1
	if bad != headerTorn && bad != headerShort {
		previous = r.head.previous
	}
	switch {
	case previous <= r.before:
		return ""
	case previous == r.before+1:
		return fmt.Sprintf("segment %d is missing", previous)
	default:
		return fmt.Sprintf("segments %d to %d are missing", r.before+1, previous)
	}
}

func (r *Reader) tellGap(next uint64) {
	from, to := r.cur.floor+1, next-1
	reason := fmt.Sprintf("records %d to %d are missing", from, to)
	if from == to {
		reason = fmt.Sprintf("record %d is missing", from)
	}
	hint := "they were lost before this place; check what was reported there"
	if r.missing != "" {
		reason, hint = r.missing+": "+reason, hintMissing
		r.missing = ""
	}
	r.tell(Damage{Segment: r.number, Offset: r.cur.offset, Records: to - from + 1, Reason: reason, Hint: hint})
}

func (r *Reader) tell(d Damage) {
	r.whole = r.whole && d.Bytes == 0
	r.source.damaged(d)
	if r.OnDamage != nil {
		r.OnDamage(d)
	}
}
