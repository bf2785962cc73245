package accesslog

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// position is a place in a log, in what it is without compression.
type position struct {
	Offset int64 `json:"offset"`
	Lines  int64 `json:"lines"`             // before it
	InLong bool  `json:"in_long,omitempty"` // within a line that was refused when it began
}

// entry is what is known of a log.
type entry struct {
	Path   string `json:"path"` // where it was seen last
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
	// Head is the SHA-256 of its first HeadBytes bytes.
	HeadBytes int       `json:"head_bytes"`
	Head      string    `json:"head"`
	Packed    bool      `json:"packed,omitempty"`
	Whole     bool      `json:"whole,omitempty"` // compressed, and read to its end
	Done      position  `json:"done"`
	Again     position  `json:"again"` // where its last seconds begin
	Seen      time.Time `json:"seen"`  // when it had been written, as Done was read
}

// statesMax bounds the logs that are remembered; a log rotated every hour has as many in two
// months.
const statesMax = 1500

// stateVersion is the version of the state file.
const stateVersion = 1

type state struct {
	path string
	lock *os.File
	logs []*log
	// begun is when these logs were read first.
	begun   time.Time
	changed bool // since it was saved
}

type stateFile struct {
	Version int       `json:"version"`
	Begun   time.Time `json:"begun"`
	Logs    []entry   `json:"logs"`
}

// openState reads the state file, and keeps others from it until close.
func openState(path string, now time.Time) (*state, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("the position cannot be kept: %w; name another file with --state", err)
	}
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the position cannot be kept: %w; name another file with --state", err)
	}
	s := &state{path: path, lock: lock, begun: now, changed: true}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another process reads these logs with the state %s; end it, or name another file with --state", path), lock.Close())
	}
	if err := s.load(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

func (s *state) load() error {
	text, err := os.ReadFile(s.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the position cannot be read: %w", err)
	}
	var f stateFile
	if err := json.Unmarshal(text, &f); err != nil {
		return fmt.Errorf("the position in %s cannot be read: %w; move the file away to read the logs from their beginning, what was taken counts once", s.path, err)
	}
	if f.Version != stateVersion {
		return fmt.Errorf("the position in %s is of version %d, and this program knows %d; use the program that wrote it", s.path, f.Version, stateVersion)
	}
	s.begun = f.Begun
	for _, e := range f.Logs {
		s.logs = append(s.logs, &log{entry: e})
	}
	return nil
}

// save writes the state beside the old one, syncs it and puts it in its place.
func (s *state) save() error {
	f := stateFile{Version: stateVersion, Begun: s.begun, Logs: []entry{}}
	for _, l := range s.logs {
		f.Logs = append(f.Logs, l.entry)
	}
	text, err := json.MarshalIndent(f, "", " ")
	if err == nil {
		err = replaceFile(s.path, text)
	}
	if err != nil {
		return fmt.Errorf("the position cannot be kept: %w", err)
	}
	s.changed = false
	return nil
}

// forget drops logs that have not been there for longest, beyond statesMax.
func (s *state) forget(present map[*log]bool) {
	excess := len(s.logs) - statesMax
	if excess <= 0 {
		return
	}
	gone := slices.DeleteFunc(slices.Clone(s.logs), func(l *log) bool { return present[l] })
	slices.SortFunc(gone, func(a, b *log) int { return cmp.Compare(a.Seen.UnixNano(), b.Seen.UnixNano()) })
	for _, l := range gone[:min(excess, len(gone))] {
		l.closeSource()
		s.logs = slices.DeleteFunc(s.logs, func(one *log) bool { return one == l })
	}
}

func replaceFile(path string, text []byte) (err error) {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// close lets others use the state file.
func (s *state) close() error { return s.lock.Close() }
