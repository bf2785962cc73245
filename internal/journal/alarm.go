package journal

import (
	"fmt"
	"time"
)

// AlarmState is the verdict on a journal, from good to bad.
type AlarmState int

const (
	// Fine: every record is kept, and on the disk within the sync interval. Records may have been lost
	// earlier, see Alarm.Lost.
	Fine AlarmState = iota
	// Endangered: records are kept, but what keeps them is at fault. There is no space for the next
	// segment, the disk does not take what is synced, or the folder is gone.
	Endangered
	// Refusing: records are being refused, each one counted. Visitors do not notice.
	Refusing
)

// String returns the state's name, as a metric or a health check would give it.
func (s AlarmState) String() string {
	switch s {
	case Endangered:
		return "endangered"
	case Refusing:
		return "refusing"
	default:
		return "fine"
	}
}

// MarshalText returns the state's name.
func (s AlarmState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Alarm is what a person has to know of a journal.
type Alarm struct {
	State    AlarmState
	Reason   string    // what is wrong and what to do about it; empty when all is well
	Since    time.Time // when it stopped being well
	Lost     uint64    // records lost since Open: Dropped and Deleted of the Stats
	LastLost time.Time // when the last of them was
}

// alarm sums up the stats in one verdict.
func (j *Journal) alarm(s *Stats) Alarm {
	c := &j.counters
	a := Alarm{Lost: s.Dropped + s.Deleted}
	if at := c.lastLost.Load(); at != 0 {
		a.LastLost = time.Unix(0, at)
	}
	switch {
	case s.FolderGone != "":
		a.State, a.Reason = Endangered, "the journal's folder was deleted or moved and can not be made again: "+s.FolderGone
	case s.Trouble != "":
		a.State, a.Reason = Endangered, "the next journal segment can not be prepared: "+s.Trouble+"; make space on the disk, or see that what is recorded gets shipped"
	case s.SyncError != "":
		a.State, a.Reason = Endangered, "the journal does not reach the disk, a power cut may lose records: "+s.SyncError+"; check the disk (dmesg, smartctl)"
	}
	if c.refusing.Load() {
		if a.State = Refusing; a.Reason == "" {
			a.Reason = "the disk does not make the next journal segment in time; check what else uses it (iostat, dmesg)"
		}
	}
	if a.State == Fine {
		c.alarmSince.Store(0)
		return a
	}
	c.alarmSince.CompareAndSwap(0, j.options.Now().UnixNano())
	a.Since = time.Unix(0, c.alarmSince.Load())
	return a
}

// refused notes that a record was not kept, and whether that will go on.
func (j *Journal) refused(why error) {
	c := &j.counters
	now := j.options.Now().UnixNano()
	c.drop(why)
	c.lastLost.Store(now)
	if why == ErrFull && !c.refusing.Swap(true) {
		c.alarmSince.CompareAndSwap(0, now)
	}
}

// String is the alarm as one line for a person.
func (a Alarm) String() string {
	text := a.State.String()
	if a.Reason != "" {
		text += ": " + a.Reason
	}
	if a.Lost > 0 {
		text += fmt.Sprintf(" (%d records lost since the start, the last at %s)", a.Lost, a.LastLost.UTC().Format(time.RFC3339))
	}
	return text
}
