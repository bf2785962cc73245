package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sluicehq/sluice/internal/background"
)

// syncPeriodically puts what was appended on the disk, every SyncInterval.
func (j *Journal) syncPeriodically() {
	defer j.done.Done()
	background.StandBack(niceness)
	ticks := j.options.ticks
	if ticks == nil {
		ticker := time.NewTicker(j.options.SyncInterval)
		defer ticker.Stop()
		ticks = ticker.C
	}
	looked := time.Now()
	for {
		select {
		case <-j.stop:
			return
		case <-j.filled:
			_ = j.sync(false)
		case <-j.look:
			_ = j.sync(true)
		case now := <-ticks:
			look := now.Sub(looked) >= lookInterval
			if look {
				looked = now
			} else if j.end.Load() == j.synced.Load() {
				continue
			}
			_ = j.sync(look) // kept in Stats and told to the log
		}
	}
}

// Sync puts everything that was appended before the call on the disk, so that it
// survives the loss of power. An error means that it may not; the records are still safe from
// the death of the process.
func (j *Journal) Sync() error { return j.sync(true) }

// sync is Sync; look says whether to make sure that the folder is still there.
func (j *Journal) sync(look bool) error {
	j.syncMu.Lock()
	defer j.syncMu.Unlock()
	if look && !j.adopted {
		j.lookAfterFolder()
	}
	failed := j.syncFull()
	j.mu.Lock()
	current, offset, end := j.current, j.offset, j.End()
	j.mu.Unlock()
	failed = errors.Join(failed, j.syncFull()) // became full meanwhile
	// current may have become full since, and is then synced up to here now and to
	// its end the next time. Nobody unmaps it without syncMu.
	if current != nil && current.bytes != nil {
		failed = errors.Join(failed, j.syncCurrent(current, offset, look))
	}
	if failed != nil || end.pack() != j.synced.Load() {
		j.noteSync(end, failed)
	}
	return failed
}

func (j *Journal) syncCurrent(s *segment, offset int64, look bool) error {
	if look && s.unlinked() {
		return fmt.Errorf("%s was deleted while records were appended to it; they are written to the folder again", s.path)
	}
	if offset <= s.synced {
		return nil
	}
	err := j.syncSegments(offset, s)
	s.populateAhead(offset)
	return err
}

// syncFull syncs the full segments and unmaps them. One that was released before it came to
// that is not missed.
func (j *Journal) syncFull() error {
	j.listMu.Lock()
	full := j.full
	j.full = nil
	j.listMu.Unlock()
	if len(full) == 0 {
		return nil
	}
	full, failed := j.salvageAll(full)
	failed = errors.Join(failed, j.syncSegments(-1, full...))
	for _, s := range full {
		failed = errors.Join(failed, s.release())
		j.unsynced.Add(-1)
		j.forgetBefore(s.number)
	}
	j.askForSegment()
	return failed
}

// forgetBefore drops a full segment from memory when it is the third last: a consumer that keeps up
// has read it by then, and one that does not shall not fill the machine's memory.
func (j *Journal) forgetBefore(number uint64) {
	if j.settled[0] != 0 {
		if f, err := os.Open(filepath.Join(j.dir, segmentName(j.settled[0]))); err == nil {
			forget(f)
			_ = f.Close()
		}
	}
	j.settled = [2]uint64{j.settled[1], number}
}

// syncSegments syncs segments up to an offset, or as far as they are used if it is
// negative, and then the names of those that are new.
func (j *Journal) syncSegments(offset int64, segments ...*segment) error {
	var failed error
	named := true
	for _, s := range segments {
		end := offset
		if end < 0 {
			end = s.used
		}
		from := s.synced &^ (pageSize - 1)
		if err := s.sync(end); err != nil {
			failed = errors.Join(failed, err)
			j.markDamaged(s.number, err.Error())
		} else {
			j.options.synced(s.path, from, s.synced)
		}
		named = named && s.named
	}
	if named {
		return failed
	}
	if err := syncFolder(j.dir); err != nil {
		return errors.Join(failed, err)
	}
	j.options.synced("", 0, 0)
	for _, s := range segments {
		s.named = true
	}
	return failed
}

func (j *Journal) noteSync(end Position, err error) {
	c := &j.counters
	if err == nil {
		j.synced.Store(end.pack())
		c.lastSync.Store(j.options.Now().UnixNano())
		if c.syncError.Swap(nil) != nil {
			j.log.Warn("the journal reaches the disk again")
		}
		return
	}
	c.syncErrors.Add(1)
	text := err.Error()
	if c.syncError.Swap(&text) == nil {
		j.log.Error("the journal does not reach the disk: a power cut may lose what was appended since; check the disk (dmesg, smartctl)", "error", err)
	}
}
