package journal

import (
	"sync/atomic"
	"time"
)

// Stats is the state of a journal at one moment. Counts are since Open and exact.
type Stats struct {
	Segments        int   // on disk, the prepared one not counted
	Bytes           int64 // that they take, the prepared one included
	SetAsideFiles   int   // damaged segments that were set aside, now or earlier
	SetAsideBytes   int64
	First           Position // the oldest place that can be read
	End             Position // behind the last record
	Synced          Position // everything before survives a power cut
	UnsyncedBytes   int64    // what a power cut could take now; -1 if more than one segment
	LastSync        time.Time
	FirstSequence   uint64 // of the oldest segment; 0 if unknown
	LastSequence    uint64 // of the last record appended, 0 for none ever
	Appended        uint64 // records kept
	Dropped         uint64 // records refused, the sum of the next four
	DroppedFull     uint64 // no space or no segment in time
	DroppedTooLarge uint64
	DroppedFailed   uint64 // the disk failed under the map
	DroppedClosed   uint64
	Deleted         uint64        // records kept and not released whose segments somebody else deleted
	FolderGone      string        // why the folder can not be made again after somebody deleted it
	Trouble         string        // why no next segment can be prepared; empty when all is well
	SyncErrors      uint64        // failed syncs
	SyncError       string        // the last one, empty once a sync succeeded again
	Damages         uint64        // places that recovery and readers could not read
	Rolls           uint64        // moves to a next segment
	Waits           uint64        // times an Append waited for a segment
	LongestWait     time.Duration // of those
	Alarm           Alarm         // the verdict on all this
}

// counters are what Stats reports and the locks do not guard.
type counters struct {
	full, tooLarge, failed, closed atomic.Uint64
	fullBefore                     atomic.Uint64 // full, when the trouble began
	trouble                        atomic.Pointer[string]
	syncErrors                     atomic.Uint64
	syncError                      atomic.Pointer[string]
	lastSync                       atomic.Int64
	damages                        atomic.Uint64
	deleted                        atomic.Uint64
	folderGone                     atomic.Pointer[string]
	refusing                       atomic.Bool
	lastLost, alarmSince           atomic.Int64
	rolls, waits                   atomic.Uint64
	longestWait                    atomic.Int64
	setAsideFiles, setAsideBytes   atomic.Int64
}

// drop counts a record that was not kept.
func (c *counters) drop(why error) {
	switch why {
	case ErrFull:
		c.full.Add(1)
	case ErrTooLarge:
		c.tooLarge.Add(1)
	case ErrClosed:
		c.closed.Add(1)
	default:
		c.failed.Add(1)
	}
}

// waited is only called with rollMu held.
func (c *counters) waited(d time.Duration) {
	c.waits.Add(1)
	c.longestWait.Store(max(c.longestWait.Load(), int64(d)))
}

// Stats returns the journal's state. It is cheap enough to be asked every second.
func (j *Journal) Stats() Stats {
	c := &j.counters
	s := Stats{
		SetAsideFiles: int(c.setAsideFiles.Load()), SetAsideBytes: c.setAsideBytes.Load(),
		Synced:      unpack(j.synced.Load()),
		DroppedFull: c.full.Load(), DroppedTooLarge: c.tooLarge.Load(),
		DroppedFailed: c.failed.Load(), DroppedClosed: c.closed.Load(),
		SyncErrors: c.syncErrors.Load(), Damages: c.damages.Load(),
		Rolls: c.rolls.Load(), Waits: c.waits.Load(), LongestWait: time.Duration(c.longestWait.Load()),
	}
	s.Dropped = s.DroppedFull + s.DroppedTooLarge + s.DroppedFailed + s.DroppedClosed
	if text := c.trouble.Load(); text != nil {
		s.Trouble = *text
	}
	if text := c.syncError.Load(); text != nil {
		s.SyncError = *text
	}
	if text := c.folderGone.Load(); text != nil {
		s.FolderGone = *text
	}
	s.Deleted = c.deleted.Load()
	s.Alarm = j.alarm(&s)
	if at := c.lastSync.Load(); at != 0 {
		s.LastSync = time.Unix(0, at)
	}
	j.mu.Lock()
	s.LastSequence = j.sequence - 1
	s.End = j.End()
	j.mu.Unlock()
	s.Appended = s.LastSequence - j.recovery.LastSequence
	s.UnsyncedBytes = unsynced(s.Synced, s.End)
	j.listMu.Lock()
	defer j.listMu.Unlock()
	for i, info := range j.segments {
		if i == 0 {
			s.First, s.FirstSequence = Position{info.number, headerBytes}, info.first
		}
		s.Bytes += info.bytes
		if info.number <= s.End.Segment {
			s.Segments++
		}
	}
	return s
}

func unsynced(synced, end Position) int64 {
	switch {
	case synced.Segment == end.Segment:
		return max(end.Offset-synced.Offset, 0)
	case synced.Segment+1 == end.Segment:
		return end.Offset // and the rest of the segment before, for the moment
	default:
		return -1
	}
}
