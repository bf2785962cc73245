package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Adopt opens what a writer has left behind, to be read to its end and released, without becoming
// a writer: Append returns ErrClosed, and a reader's Wait does at the end. It returns ErrLocked
// while the writer lives. When Drained, nothing is left but a header of 64 bytes,
// which keeps the numbers and sequences going if the folder is ever written to again.
func Adopt(dir string, o Options) (*Journal, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, errors.Join(fmt.Errorf("journal: there is no folder %s to adopt", dir), err)
	}
	j, clean, err := newJournal(dir, o)
	if err != nil {
		return nil, err
	}
	j.closed, j.adopted = true, true
	close(j.stop)
	if err := j.takeOver(clean); err != nil {
		return nil, errors.Join(fmt.Errorf("journal: adopt %s: %w", dir, err), j.lock.Close())
	}
	j.startKeeping()
	return j, nil
}

// takeOver finds the end of what is there and closes it with a marker.
func (j *Journal) takeOver(clean bool) error {
	unused, err := j.findEnd(clean)
	if err != nil {
		return err
	}
	j.startAt(Position{Segment: j.highest + 1 + j.skip, Offset: headerBytes})
	if len(j.segments) == 1 && len(unused) == 1 {
		j.startAt(j.lastPlace()) // it is a marker already
		j.marked = true
	} else if err := j.mark(); err != nil && !isSpace(err) {
		return err
	}
	if j.marked {
		for _, n := range unused {
			if n == j.highest {
				continue
			}
			if err := os.Remove(filepath.Join(j.dir, segmentName(n))); err != nil {
				return err
			}
			j.delist(n)
		}
	}
	j.tellRecovery()
	return nil
}

// mark makes a segment of nothing but a header behind everything else.
func (j *Journal) mark() error {
	end := j.End()
	previous := uint64(0)
	if n := len(j.segments); n > 0 {
		previous = j.segments[n-1].number
	}
	h := header{
		version: FormatVersion, number: end.Segment, previous: previous, first: j.sequence,
		created: j.options.Now(), capacity: headerBytes,
	}
	if err := writeAside(filepath.Join(j.dir, segmentName(h.number)), h.encode()); err != nil {
		return err
	}
	j.enlist(segmentInfo{number: h.number, bytes: headerBytes, first: j.sequence})
	j.marked = true
	return nil
}

// Drained reports whether an adopted journal holds no record any more: it can be closed and forgotten.
func (j *Journal) Drained() bool {
	j.listMu.Lock()
	defer j.listMu.Unlock()
	return j.adopted && j.marked && len(j.segments) == 1
}

// writeAside writes a small file whole: aside, synced, renamed.
func writeAside(path string, b []byte) error {
	f, err := os.OpenFile(path+preparingSuffix, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path+preparingSuffix))
	}
	if err := os.Rename(path+preparingSuffix, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}
