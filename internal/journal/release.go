package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Release says that records before a position are not needed any more. Segments wholly
// before it are deleted, or kept if the options say so; the segment that holds the position stays,
// unless the journal is adopted and that is its end. A segment with damage is moved
// to the folder set-aside instead, with the reason in a text file beside it, and one of another
// format version stays where it is. To know, Release reads each segment that no reader has read whole.
func (j *Journal) Release(before Position) error {
	if end := j.End(); end.Before(before) {
		return fmt.Errorf("%w: release up to %s, the end is %s", ErrAhead, before, end)
	}
	j.released.Store(max(j.released.Load(), before.pack())) // one consumer releases
	var failed []error
	releasable := j.releasable(before)
	if j.adopted && !j.marked && len(releasable) > 0 {
		if err := j.mark(); err != nil { // the numbers must not end with the last segment
			return fmt.Errorf("journal: release: %w", err)
		}
	}
	for _, info := range releasable {
		if err := j.releaseSegment(info); err != nil {
			failed = append(failed, err)
		}
	}
	j.askForSegment()
	if err := errors.Join(failed...); err != nil {
		return fmt.Errorf("journal: release: %w", err)
	}
	return nil
}

func (j *Journal) releasable(before Position) []segmentInfo {
	j.listMu.Lock()
	defer j.listMu.Unlock()
	var all []segmentInfo
	for _, s := range j.segments {
		read := s.number < before.Segment || j.adopted && s.number == before.Segment && s.end > 0 && before.Offset >= s.end
		if read && !s.foreign {
			all = append(all, s)
		}
	}
	return all
}

func (j *Journal) releaseSegment(info segmentInfo) error {
	path := filepath.Join(j.dir, segmentName(info.number))
	var damages []Damage
	if info.damage != "" || !info.clean {
		s, err := surveySegment(j.dir, info.number)
		switch {
		case errors.Is(err, os.ErrNotExist): // somebody else took it away
			j.delist(info.number)
			return nil
		case err != nil:
			return err
		}
		damages = s.damages
	}
	j.edit(info.number, func(s *segmentInfo) { s.leaving = true })
	var err error
	if info.damage != "" || len(damages) > 0 {
		err = j.setAside(info, damages)
	} else {
		err = j.retain(info, path)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	j.delist(info.number)
	return nil
}

// isReleased reports whether the segment is not needed any more.
func (j *Journal) isReleased(number uint64) bool {
	there := false
	j.edit(number, func(s *segmentInfo) { there = !s.leaving })
	return !there
}

func (j *Journal) delist(number uint64) {
	j.listMu.Lock()
	defer j.listMu.Unlock()
	j.segments = slices.DeleteFunc(j.segments, func(s segmentInfo) bool { return s.number == number })
}

// setAside moves a damaged segment out of the way and writes down why.
func (j *Journal) setAside(info segmentInfo, damages []Damage) error {
	folder := filepath.Join(j.dir, setAsideFolder)
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return err
	}
	name := j.freeName(folder, info.number)
	target := filepath.Join(folder, name)
	if err := os.Rename(filepath.Join(j.dir, segmentName(info.number)), target); err != nil {
		return err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s: journal segment %d was released with damage in it and set aside instead of deleted.\n",
		j.options.Now().UTC().Format("2006-01-02T15:04:05Z"), info.number)
	known := false // what was met when it was in use may not show in the file alone
	for _, d := range damages {
		fmt.Fprintf(&text, "%s\n", d)
		known = known || d.String() == info.damage
	}
	if !known && info.damage != "" {
		fmt.Fprintf(&text, "%s\n", info.damage)
	}
	text.WriteString("Its whole records had been read. Delete both files when you have no more use for them.\n")
	j.counters.setAsideFiles.Add(1)
	j.counters.setAsideBytes.Add(info.bytes)
	j.log.Warn("damaged journal segment set aside", "segment", info.number, "file", target)
	if err := os.WriteFile(target+".reason.txt", []byte(text.String()), 0o640); err != nil {
		return err
	}
	return errors.Join(syncFolder(folder), syncFolder(j.dir))
}

// freeName is the segment's own name, or that with a number if an earlier journal in
// this folder has set one aside under it.
func (j *Journal) freeName(folder string, number uint64) string {
	name := segmentName(number)
	for i := 2; ; i++ {
		if _, err := os.Lstat(filepath.Join(folder, name)); err != nil {
			return name
		}
		name = fmt.Sprintf("%010d-%d%s", number, i, segmentSuffix)
	}
}
