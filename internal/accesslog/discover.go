package accesslog

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// candidate is a file that may hold a log.
type candidate struct {
	path          string
	named         bool // by the caller, not found beside it
	rank          int64
	device, inode uint64
	size          int64
	modTime       time.Time
	head          []byte
	log           *log
	young         bool // perhaps a copy that is being made, and so short that it cannot be told
	copy          bool // of a log that another file holds
}

// cachedHead is the head of a compressed file, which need not be unpacked again.
type cachedHead struct {
	size    int64
	modTime time.Time
	head    []byte
}

type fileID struct{ device, inode uint64 }

func (r *Reader) family(dir, base string, _ int64) *family {
	key := filepath.Join(dir, base)
	f := r.families[key]
	if f == nil {
		f = &family{dir: dir, base: base}
		r.families[key] = f
	}
	return f
}

// familyOf takes a file's name apart: access.log.2.gz is of access.log, and older than
// access.log.1. rank is 0 for the log that is written, and greater the newer a file is.
func familyOf(path string) (dir, base string, rank int64) {
	dir, base = filepath.Split(path)
	dir = filepath.Clean(dir)
	name := base
	if packed(name) {
		name = strings.TrimSuffix(name, filepath.Ext(name))
	}
	at := len(name)
	for at > 0 && strings.IndexByte("0123456789-_T", name[at-1]) >= 0 {
		at--
	}
	// "-2026-01-02" begins with its first dash, ".1" with its dot.
	digits := strings.Map(func(c rune) rune {
		if c < '0' || c > '9' {
			return -1
		}
		return c
	}, name[at:])
	number, err := strconv.ParseInt(digits, 10, 64)
	begins := at < len(name) && (name[at] == '-' || at > 0 && name[at-1] == '.')
	if err != nil || !begins || at < 2 || len(digits) > 14 {
		return dir, name, 0
	}
	if len(digits) >= 6 { // a date
		return dir, strings.TrimSuffix(name[:at], "."), number - 1e15
	}
	return dir, strings.TrimSuffix(name[:at], "."), -number - 1
}

// expand lists the files of a name or glob.
func expand(name string) ([]string, error) {
	if strings.ContainsAny(name, `*?[`) {
		return filepath.Glob(name)
	}
	if _, err := os.Stat(name); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	return []string{name}, nil
}

// discover finds out which file holds which log, and lists what is to be read, oldest first.
func (r *Reader) discover() ([]*log, error) {
	families, err := r.candidates()
	if err != nil {
		return nil, err
	}
	var pass []*log
	present := map[*log]bool{}
	for _, f := range families {
		r.recognize(f)
	}
	for _, f := range families {
		r.adopt(f)
		for i, c := range f {
			if c.log == nil || c.copy {
				continue
			}
			present[c.log] = true
			r.update(c.log, c, i < len(f)-1 || c.rank < 0)
			if c.log.pending() {
				pass = append(pass, c.log)
			}
		}
	}
	r.state.forget(present)
	if r.state.changed { // a log is known from when it was seen, should it be rotated while we are away
		if err := r.state.save(); err != nil {
			return nil, err
		}
	}
	return pass, nil
}

// pending says whether there may be something to read.
func (l *log) pending() bool {
	if l.Packed {
		return !l.Whole || l.at.Offset < l.Done.Offset
	}
	return l.size > l.at.Offset
}

// candidates lists the files by family, each from the oldest to the newest.
func (r *Reader) candidates() ([][]*candidate, error) {
	named, beside := map[string]bool{}, map[string]bool{}
	for _, name := range r.options.Files {
		found, err := expand(name)
		if err != nil {
			return nil, fmt.Errorf("cannot look for %s: %w", name, err)
		}
		if len(found) == 0 {
			found = []string{name} // rotated just now, or not there yet; its fellows may be
		}
		for _, path := range found {
			named[path] = true
			dir, base, rank := familyOf(path)
			if rank != 0 {
				continue
			}
			for _, pattern := range [...]string{base + ".*", base + "-*"} {
				fellows, err := filepath.Glob(filepath.Join(escapeGlob(dir), escapeGlob(base)+pattern[len(base):]))
				if err != nil {
					return nil, err
				}
				for _, fellow := range fellows {
					if _, of, _ := familyOf(fellow); of == base {
						beside[fellow] = true
					}
				}
			}
		}
	}
	for path := range named {
		beside[path] = true
	}
	groups := map[string][]*candidate{}
	for path := range beside {
		c, err := r.look(path)
		if err != nil {
			return nil, err
		}
		if c == nil {
			continue
		}
		c.named = named[path]
		dir, base, _ := familyOf(path)
		key := filepath.Join(dir, base)
		groups[key] = append(groups[key], c)
	}
	families := make([][]*candidate, 0, len(groups))
	for _, group := range groups {
		slices.SortFunc(group, func(a, b *candidate) int {
			return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(len(a.path), len(b.path)), cmp.Compare(a.path, b.path))
		})
		families = append(families, group)
	}
	slices.SortFunc(families, func(a, b []*candidate) int { return cmp.Compare(a[0].path, b[0].path) })
	return families, nil
}

func escapeGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}

// look reads how a file begins; nil when there is nothing that tells it from others.
func (r *Reader) look(path string) (*candidate, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the access log: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, nil
	}
	c := &candidate{path: path, size: info.Size(), modTime: info.ModTime()}
	_, _, c.rank = familyOf(path)
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		c.device, c.inode = uint64(sys.Dev), sys.Ino
	}
	file := fileID{c.device, c.inode}
	cached := r.heads[file]
	if packed(path) && cached.head != nil && cached.size == c.size && cached.modTime.Equal(c.modTime) {
		c.head = cached.head
	} else if c.head, err = headOfFile(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, fmt.Errorf("cannot read the access log: %w", err)
	}
	if packed(path) {
		if len(r.heads) > 4*statesMax {
			clear(r.heads)
		}
		r.heads[file] = cachedHead{c.size, c.modTime, c.head}
	}
	// A part of a line may be how many logs begin.
	quiet := r.options.Now().Sub(c.modTime) >= r.options.Settle
	if len(c.head) == 0 || len(c.head) < headBytesMax && bytes.IndexByte(c.head, '\n') < 0 && !quiet {
		return nil, nil
	}
	c.young = !quiet && len(c.head) < headBytesMax && c.rank != 0 && r.options.Follow
	return c, nil
}

// recognize finds the logs that are known: first those that are still in the same file, then
// those that were renamed, copied or compressed.
func (r *Reader) recognize(group []*candidate) {
	for _, c := range group {
		for _, l := range r.state.logs {
			if l.Device == c.device && l.Inode == c.inode && l.Packed == packed(c.path) && l.startsWith(c.head) {
				c.log = l
			}
		}
	}
	for _, c := range group {
		if c.log == nil {
			c.log = r.recognizeContent(group, c)
		}
	}
}

// recognizeContent finds the log that begins as the file does.
func (r *Reader) recognizeContent(group []*candidate, c *candidate) (best *log) {
	dir, base, _ := familyOf(c.path)
	for _, l := range r.state.logs {
		if l.family.base != base || !l.startsWith(c.head) || best != nil && best.HeadBytes >= l.HeadBytes {
			continue
		}
		if l.family.dir != dir && fileHolds(l) {
			continue // two logs that happen to begin alike
		}
		best = l
	}
	for _, other := range group {
		if best != nil && other != c && other.log == best && !other.copy {
			c.copy = true
		}
	}
	return best
}

// fileHolds says whether a log is still where it was seen last.
func fileHolds(l *log) bool {
	head, err := headOfFile(l.Path)
	return err == nil && l.startsWith(head)
}

// fileClockSlack is how far the time of a file may be behind the clock that was read before it
// was written; what is read for nothing counts once.
const fileClockSlack = time.Second

// adopt makes logs of the files that are new: those that were named, and those beside them
// that are newer than one that is known, or were written since these logs were read first: a
// log may be rotated away before it was ever seen under its own name, also while another one
// takes that name.
func (r *Reader) adopt(group []*candidate) {
	begun := r.state.begun.Add(-fileClockSlack)
	f := r.family(familyOf(group[0].path))
	known := false
	for i, c := range group {
		if c.log != nil {
			known = true
			continue
		}
		if newer := known || c.modTime.After(begun); !c.named && !newer || c.young {
			continue
		}
		if twin := r.recognizeContent(group[:i], c); twin != nil && c.copy {
			c.log = twin
			continue
		}
		c.log = &log{family: f}
		c.log.HeadBytes, c.log.Head = len(c.head), hashOf(c.head)
		r.state.logs, r.state.changed = append(r.state.logs, c.log), true
	}
}

// update notes where a log is now.
func (r *Reader) update(l *log, c *candidate, final bool) {
	dir, base, _ := familyOf(c.path)
	if l.Path != c.path || l.Device != c.device || l.Inode != c.inode {
		l.closeSource()
		if l.Packed != packed(c.path) {
			l.Whole = false
		}
		l.Path, l.Device, l.Inode, l.Packed = c.path, c.device, c.inode, packed(c.path)
		l.family = r.family(dir, base, 0)
	}
	if len(c.head) > l.HeadBytes {
		l.HeadBytes, l.Head = len(c.head), hashOf(c.head)
	}
	l.size, l.modTime, l.final = c.size, c.modTime, final
}
