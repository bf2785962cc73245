package routing

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
)

// changeLog is the list of changes since the base was written. Each line is what
// was applied together: the CRC-32C of the document in eight hex digits, a space,
// and a JSON array of changes. A torn last line is normal after a crash and is cut
// off, whole: a program is never replayed without the links that were recompiled
// for it. The catalog still has the changes.
type changeLog struct {
	path string
	f    *os.File
	seq  int64 // last change in the file
}

func openChangeLog(path string, apply func([]Change) error, logger *slog.Logger) (*changeLog, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the log of link changes cannot be opened: %w", err)
	}
	l := &changeLog{path: path, f: f}
	good, err := l.replay(apply)
	if err != nil {
		logger.Error("the log of link changes is damaged; what follows is read from the catalog again",
			"file", path, "offset", good, "reason", err)
		if err := l.keepTail(good); err != nil {
			logger.Error("the damaged part could not be kept", "file", path, "reason", err)
		}
	}
	if err := f.Truncate(good); err != nil {
		return nil, errors.Join(fmt.Errorf("the log of link changes cannot be written: %w", err), f.Close())
	}
	_, err = f.Seek(good, io.SeekStart)
	return l, err
}

// replay applies every whole line and returns where the last one ends. An error
// means that what follows is more than a torn last line.
func (l *changeLog) replay(apply func([]Change) error) (good int64, err error) {
	r := bufio.NewReaderSize(l.f, 1<<16)
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return good, nil
		}
		if err != nil {
			return good, err
		}
		changes, err := parseChanges(line)
		if err != nil {
			return good, err
		}
		if err := apply(changes); err != nil {
			return good, err
		}
		l.seq = max(l.seq, lastSeq(changes))
		good += int64(len(line))
	}
}

func parseChanges(line []byte) (changes []Change, err error) {
	sum, doc, found := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if !found || err != nil || crc32.Checksum(doc, castagnoli) != uint32(want) {
		return nil, errors.New("a line's checksum does not hold")
	}
	return changes, json.Unmarshal(doc, &changes)
}

func lastSeq(changes []Change) int64 {
	if len(changes) == 0 {
		return 0
	}
	return changes[len(changes)-1].Seq
}

// keepTail copies what cannot be read to a file of its own.
func (l *changeLog) keepTail(from int64) error {
	if _, err := l.f.Seek(from, io.SeekStart); err != nil {
		return err
	}
	aside, err := os.Create(l.path + ".damaged")
	if err != nil {
		return err
	}
	_, err = io.Copy(aside, l.f)
	return errors.Join(err, aside.Close())
}

func (l *changeLog) append(changes []Change) error {
	doc, err := json.Marshal(changes)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(l.f, "%08x %s\n", crc32.Checksum(doc, castagnoli), doc); err != nil {
		return err
	}
	if err := l.f.Sync(); err != nil {
		return err
	}
	l.seq = max(l.seq, lastSeq(changes))
	return nil
}

// dropUpTo removes the changes that a new base contains.
func (l *changeLog) dropUpTo(seq int64) error {
	if _, err := l.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	next, err := os.CreateTemp(filepath.Dir(l.path), filepath.Base(l.path)+".new-*")
	if err != nil {
		return err
	}
	if err := copyChangesAfter(next, l.f, seq); err != nil {
		return errors.Join(err, os.Remove(next.Name()), next.Close())
	}
	if err := os.Rename(next.Name(), l.path); err != nil {
		return errors.Join(err, os.Remove(next.Name()), next.Close())
	}
	old := l.f
	l.f = next
	return old.Close()
}

func copyChangesAfter(to io.Writer, from io.Reader, seq int64) error {
	r := bufio.NewReaderSize(from, 1<<16)
	w := bufio.NewWriter(to)
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return w.Flush()
		}
		if err != nil {
			return err
		}
		if changes, err := parseChanges(line); err == nil && lastSeq(changes) > seq {
			if _, err := w.Write(line); err != nil {
				return err
			}
		}
	}
}

func (l *changeLog) close() error {
	if err := l.f.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return err
	}
	return nil
}
