package journal

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/sluicehq/sluice/internal/background"
)

// retryInterval is how often a full disk is tried again. Release tries at once.
const retryInterval = 250 * time.Millisecond

// errLimit is MaxBytes reached.
var errLimit = errors.New("the limit on the journal's size is reached: what has been shipped must be released, or the limit raised")

// errBacklog is a disk that is slower than the records come.
var errBacklog = errors.New("the disk does not keep up with syncing full segments")

// prepareSegments keeps one segment ready, until the journal closes.
func (j *Journal) prepareSegments() {
	defer j.done.Done()
	background.StandBack(niceness)
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-j.stop:
			return
		case <-j.prepare:
		case <-retry.C:
		}
		if len(j.ready) > 0 {
			continue
		}
		previous, _ := j.extent()
		s, err := j.prepareNext(previous, 0)
		if isSpace(err) && !errors.Is(err, errLimit) && j.freeShipped(j.options.SegmentBytes) {
			j.askForSegment() // it has the place of what was shipped
			continue
		}
		if errors.Is(err, os.ErrNotExist) && j.counters.folderGone.Load() == nil {
			poke(j.look) // it is made again, and this asked for again
		} else {
			j.report(err)
		}
		if err != nil {
			retry.Reset(retryInterval)
			continue
		}
		// Known before it can be taken: the number and space of the one after it
		// follow from this one.
		j.enlist(segmentInfo{number: s.number, bytes: int64(len(s.bytes))})
		j.skip = 0
		j.ready <- s
		j.counters.refusing.Store(false)
	}
}

// prepareNext makes the segment behind all others. first is the sequence of its first
// record, or 0 if that is not known yet.
func (j *Journal) prepareNext(previous, first uint64) (*segment, error) {
	if j.unsynced.Load() > unsyncedSegmentsMax {
		// The syncing goroutine asks again when it is through.
		return nil, errBacklog
	}
	last, bytes := j.extent()
	if limit := j.options.MaxBytes; limit > 0 && bytes+j.options.SegmentBytes > limit {
		return nil, errLimit
	}
	if last+j.skip >= segmentNumberMax {
		return nil, fmt.Errorf("segment number %d is the last: start a new journal folder", last+j.skip)
	}
	return createSegment(j.dir, header{
		version: FormatVersion, number: last + 1 + j.skip, previous: previous, first: first,
		created: j.options.Now(), capacity: j.options.SegmentBytes,
	}, j.options.allocate)
}

// report keeps the reason why no segment could be prepared, and tells the log when it
// starts and when it is over.
func (j *Journal) report(err error) {
	c := &j.counters
	before := c.trouble.Load()
	switch {
	case err != nil && errors.Is(err, errBacklog):
		// The bounded wait in Append is the answer to this one; it is not a fault.
	case err != nil:
		if before == nil {
			c.fullBefore.Store(c.full.Load())
			j.log.Error("no space for the next journal segment; once the current one is full, records are lost until there is space", "error", err)
		}
		text := err.Error()
		c.trouble.Store(&text)
		poke(j.refuse)
	case before != nil:
		c.trouble.Store(nil)
		j.log.Warn("the journal has space again", "records_lost", c.full.Load()-c.fullBefore.Load())
	}
}

// askForSegment wakes prepareSegments.
func (j *Journal) askForSegment() { poke(j.prepare) }

// poke wakes whoever waits on a channel, now or when he next looks.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// extent returns the highest segment number ever given and the bytes of all segments.
func (j *Journal) extent() (last uint64, bytes int64) {
	j.listMu.Lock()
	defer j.listMu.Unlock()
	for _, s := range j.segments {
		bytes += s.bytes
	}
	return j.highest, bytes
}

func (j *Journal) enlist(s segmentInfo) {
	j.listMu.Lock()
	defer j.listMu.Unlock()
	j.segments = append(j.segments, s)
	j.highest = max(j.highest, s.number)
}

// retire hands a segment that will not be written any more to the syncing goroutine. It is called
// with mu held.
func (j *Journal) retire(s *segment, used int64) {
	s.used, s.records = used, j.sequence-s.first
	j.unsynced.Add(1)
	j.listMu.Lock()
	j.full = append(j.full, s)
	j.listMu.Unlock()
	poke(j.filled)
}

// edit changes what is known of a segment, if it is still there.
func (j *Journal) edit(number uint64, change func(*segmentInfo)) {
	j.listMu.Lock()
	defer j.listMu.Unlock()
	i, found := slices.BinarySearchFunc(j.segments, number, func(s segmentInfo, n uint64) int {
		return cmp.Compare(s.number, n)
	})
	if found {
		change(&j.segments[i])
	}
}

// markDamaged keeps a segment from being deleted, and the first reason for it.
func (j *Journal) markDamaged(number uint64, reason string) {
	j.edit(number, func(s *segmentInfo) {
		if s.damage == "" {
			s.damage = reason
		}
	})
}

func (j *Journal) resize(number uint64, bytes int64) {
	j.edit(number, func(s *segmentInfo) { s.bytes = bytes })
}
