package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// lookInterval is how often the journal makes sure that its folder is still there.
const lookInterval = 250 * time.Millisecond

// lookAfterFolder makes the folder again when somebody has deleted or moved it, and
// moves to a new segment there. Nothing that is still mapped is lost: the current segment stays in use until
// the next one is prepared, and its records are then written to the new folder from memory. While the
// folder can not be made, records are refused, since they would end with the process. It is called
// with syncMu held.
func (j *Journal) lookAfterFolder() {
	c := &j.counters
	if j.folderThere() {
		c.folderGone.Store(nil)
		j.replaceDeleted()
		return
	}
	if err := j.remakeFolder(); err != nil {
		j.mu.Lock()
		if j.current != nil {
			j.abandon()
		}
		j.mu.Unlock()
		j.dropReady()
		text := err.Error()
		if c.folderGone.Swap(&text) == nil {
			j.log.Error("the journal's folder was deleted and can not be made again; records are refused until it can", "error", err)
		}
		return
	}
	c.folderGone.Store(nil)
	deleted := j.countDeleted()
	j.log.Error("the journal's folder was deleted and has been made again; recording goes on", "records_deleted", deleted)
	j.dropReady()
	j.askForSegment()
}

// folderThere reports whether the lock that this journal holds is the one in its folder.
func (j *Journal) folderThere() bool {
	there, err := os.Stat(filepath.Join(j.dir, lockFile))
	if err != nil {
		// If it can not be told, it is there.
		return !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ENOTDIR)
	}
	ours, err := j.lock.Stat()
	return err != nil || os.SameFile(there, ours)
}

func (j *Journal) remakeFolder() error {
	if err := os.MkdirAll(j.dir, 0o750); err != nil {
		return err
	}
	lock, _, err := lockFolder(j.dir)
	if err != nil {
		return err
	}
	_ = j.lock.Close() // of a folder that is gone
	j.lock = lock
	numbers, err := listSegments(j.dir) // somebody may have put another folder in its place
	j.listMu.Lock()
	defer j.listMu.Unlock()
	for _, n := range numbers {
		j.highest = max(j.highest, n)
	}
	return err
}

// replaceDeleted moves on from a current segment whose file has no name any more, as soon as there
// is one to move to.
func (j *Journal) replaceDeleted() {
	j.mu.Lock()
	s := j.current
	j.mu.Unlock()
	if s == nil || !s.unlinked() {
		return
	}
	j.rollMu.Lock()
	defer j.rollMu.Unlock()
	select {
	case next := <-j.ready:
		j.mu.Lock()
		defer j.mu.Unlock()
		if j.closed {
			next.discard(next.path)
			j.delist(next.number)
			return
		}
		j.roll(next)
	default:
		j.askForSegment()
	}
}

// dropReady gives up the prepared segment, whose file went with the folder.
func (j *Journal) dropReady() {
	select {
	case s := <-j.ready:
		if s.unlinked() {
			_ = s.release()
		} else {
			s.discard(s.path)
		}
		j.delist(s.number)
	default:
	}
}

// countDeleted takes the segments that are gone off the list, except those that are still mapped,
// and counts the records in them that had not been released.
func (j *Journal) countDeleted() (deleted uint64) {
	j.mu.Lock()
	next := j.sequence
	mapped := map[uint64]bool{}
	if j.current != nil {
		mapped[j.current.number] = true
	}
	j.mu.Unlock()
	released := unpack(j.released.Load())
	j.listMu.Lock()
	defer j.listMu.Unlock()
	for _, s := range j.full {
		mapped[s.number] = true
	}
	kept := j.segments[:0:0]
	for i := len(j.segments) - 1; i >= 0; i-- {
		s := j.segments[i]
		_, err := os.Lstat(filepath.Join(j.dir, segmentName(s.number)))
		gone := errors.Is(err, os.ErrNotExist) && s.first > 0 && !mapped[s.number]
		if !gone {
			kept = append(kept, s)
		} else if s.number >= released.Segment {
			deleted += next - s.first
		}
		if s.first > 0 {
			next = s.first
		}
	}
	j.segments = j.segments[:0]
	for i := len(kept) - 1; i >= 0; i-- {
		j.segments = append(j.segments, kept[i])
	}
	if deleted > 0 {
		j.counters.deleted.Add(deleted)
		j.counters.lastLost.Store(j.options.Now().UnixNano())
	}
	return deleted
}

// salvageAll salvages those of the full segments that need it. Those that can not be wait for the folder;
// the others are returned.
func (j *Journal) salvageAll(full []*segment) (there []*segment, failed error) {
	for _, s := range full {
		if s.unlinked() && !j.isReleased(s.number) {
			if err := j.salvage(s); err != nil {
				failed = errors.Join(failed, err)
				j.listMu.Lock()
				j.full = append(j.full, s)
				j.listMu.Unlock()
				continue
			}
		}
		there = append(there, s)
	}
	return there, failed
}

// salvage writes a full segment whose file was deleted to the folder again, from memory. Readers
// that have the deleted file open read on in it and find the same.
func (j *Journal) salvage(s *segment) error {
	if !j.folderThere() {
		return fmt.Errorf("%s was deleted while records were appended to it; those in it are lost if this process ends before the folder is back", s.path)
	}
	aside := s.path + preparingSuffix
	f, err := os.OpenFile(aside, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	if _, err = f.Write(s.bytes[:s.used]); err == nil {
		err = f.Sync()
	}
	if err != nil {
		return errors.Join(err, f.Close(), os.Remove(aside))
	}
	if err := os.Rename(aside, s.path); err != nil {
		return errors.Join(err, f.Close())
	}
	j.resize(s.number, s.used)
	_ = s.file.Close()
	s.file, s.synced, s.named = f, s.used, false
	return nil
}

// loseFull gives up the segments that could not be put on the disk to the end, and counts
// those whose files are gone.
func (j *Journal) loseFull() {
	j.listMu.Lock()
	full := j.full
	j.full = nil
	j.listMu.Unlock()
	for _, s := range full {
		if s.unlinked() {
			j.counters.deleted.Add(s.records)
		}
		_ = s.release()
	}
}
