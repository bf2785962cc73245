package routing

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"strconv"
)

// changeLog is the list of changes since the base was written. Each line is the
// CRC-32C of a JSON document in eight hex digits, a space and the document: first
// {"after":N}, the change that the log continues from, then one array of changes
// for each batch that was applied together. A torn last line is normal after a
// crash and is cut off, whole: a program is never replayed without the links that
// were recompiled for it. The catalog still has the changes.
//
// A log without holes is its only worth: a change that could not be written makes
// it refuse all that come after, until a new base contains them.
type changeLog struct {
	path   string
	f      *os.File
	size   int64 // of the whole lines
	seq    int64 // last change in the file, or the one it continues from
	broken error // why the log refuses changes
}

// logHead is the first line of a log.
type logHead struct {
	After int64 `json:"after"`
}

var errOtherBase = errors.New("it continues a routing table that is not there")

// openChangeLog opens the log and applies what it holds on top of the base.
func openChangeLog(path string, base int64, apply func([]Change) error, logger *slog.Logger) (*changeLog, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the log of link changes cannot be opened: %w", err)
	}
	l := &changeLog{path: path, f: f, seq: base}
	if err := l.replay(base, apply); err != nil {
		aside, keepErr := l.keepTail()
		logger.Error("the log of link changes is damaged; what follows is read from the catalog again",
			"file", path, "offset", l.size, "reason", err, "kept", aside, "not_kept", keepErr)
	} else if torn := l.tornBytes(); torn > 0 {
		logger.Warn("the last change of links was cut off by a crash; it is read from the catalog again",
			"file", path, "offset", l.size, "bytes", torn)
	}
	if err := l.cut(base); err != nil {
		return nil, errors.Join(fmt.Errorf("the log of link changes cannot be written: %w", err), l.f.Close())
	}
	return l, nil
}

// cut removes what follows the last whole line, and gives an empty log its head.
func (l *changeLog) cut(base int64) error {
	if l.size == 0 {
		return l.restart(base)
	}
	if err := l.f.Truncate(l.size); err != nil {
		return err
	}
	_, err := l.f.Seek(l.size, io.SeekStart)
	return err
}

// replay applies every whole line. An error means that what follows is more than a
// torn last line.
func (l *changeLog) replay(base int64, apply func([]Change) error) error {
	r := bufio.NewReaderSize(l.f, 1<<16)
	head, after, err := readHead(r)
	if err != nil || head == 0 {
		return err
	}
	if after > base {
		return fmt.Errorf("%w: it begins after change %d, the table ends at %d", errOtherBase, after, base)
	}
	l.size = head
	p := replay{log: l, apply: apply}
	err = eachBatch(r, p.add)
	return firstError(p.flush(), err)
}

// replay applies many batches at once: a table made for each would take longer than
// reading them.
type replay struct {
	log     *changeLog
	apply   func([]Change) error
	changes []Change
	ends    []int   // of the batches in changes
	sizes   []int64 // of the batches in the file
}

const replayedTogether = 4096

func (p *replay) add(changes []Change, size int64) error {
	p.changes = append(p.changes, changes...)
	p.ends, p.sizes = append(p.ends, len(p.changes)), append(p.sizes, size)
	if len(p.changes) < replayedTogether {
		return nil
	}
	return p.flush()
}

// flush applies what was gathered; when it cannot be served as a whole, one batch
// after the other, up to the one that cannot.
func (p *replay) flush() error {
	err := p.apply(p.changes)
	for i, from := 0, 0; i < len(p.ends); i++ {
		batch := p.changes[from:p.ends[i]]
		from = p.ends[i]
		if err != nil {
			if err := p.apply(batch); err != nil {
				return err
			}
		}
		p.log.seq = max(p.log.seq, lastSeq(batch))
		p.log.size += p.sizes[i]
	}
	p.changes, p.ends, p.sizes = nil, nil, nil
	return nil
}

// readHead reads the first line; size is 0 when there is no whole one.
func readHead(r *bufio.Reader) (size, after int64, err error) {
	line, err := r.ReadBytes('\n')
	if errors.Is(err, io.EOF) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	var head logHead
	err = parseLine(line, &head)
	return int64(len(line)), head.After, err
}

// eachBatch calls fn with every batch and its size in the file, up to a torn line.
func eachBatch(r *bufio.Reader, fn func(changes []Change, bytes int64) error) error {
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var changes []Change
		if err := parseLine(line, &changes); err != nil {
			return err
		}
		if err := fn(changes, int64(len(line))); err != nil {
			return err
		}
	}
}

func parseLine(line []byte, into any) error {
	sum, doc, found := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if !found || err != nil || crc32.Checksum(doc, castagnoli) != uint32(want) {
		return errors.New("a line's checksum does not hold")
	}
	return json.Unmarshal(doc, into)
}

func writeLine(w io.Writer, content any) (int, error) {
	doc, err := json.Marshal(content)
	if err != nil {
		return 0, err
	}
	return fmt.Fprintf(w, "%08x %s\n", crc32.Checksum(doc, castagnoli), doc)
}

func lastSeq(changes []Change) (seq int64) {
	for i := range changes {
		seq = max(seq, changes[i].Seq)
	}
	return seq
}

func (l *changeLog) tornBytes() int64 {
	info, err := l.f.Stat()
	if err != nil {
		return 0
	}
	return info.Size() - l.size
}

// keepTail copies what cannot be read to a file of its own.
func (l *changeLog) keepTail() (path string, err error) {
	if _, err := l.f.Seek(l.size, io.SeekStart); err != nil {
		return "", err
	}
	path = asideName(l.path)
	aside, err := os.Create(path)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(aside, l.f)
	return path, errors.Join(err, aside.Close())
}

// asideName is the first free name for what is set aside.
func asideName(path string) string {
	for i := 1; ; i++ {
		aside := path + ".damaged"
		if i > 1 {
			aside += "-" + strconv.Itoa(i)
		}
		if _, err := os.Lstat(aside); err != nil {
			return aside
		}
	}
}

// append writes a batch and makes it durable. After an error the log holds what it
// held before and refuses further changes.
func (l *changeLog) append(changes []Change) error {
	if l.broken != nil {
		return l.broken
	}
	n, err := writeLine(l.f, changes)
	if err == nil {
		err = l.f.Sync()
	}
	if err != nil {
		l.broken = err
		if l.cut(l.seq) != nil {
			_ = l.f.Close() // nothing may follow half a line
		}
		return err
	}
	l.size += int64(n)
	l.seq = max(l.seq, lastSeq(changes))
	return nil
}

func (l *changeLog) close() error {
	if l.broken != nil {
		_ = l.f.Close()
		return nil
	}
	return l.f.Close()
}
