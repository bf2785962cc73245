// Package accesslog reads the access logs of web servers: every line is handed on once,
// however the file is rotated, compressed or cut off, and whenever we are killed.
//
// More exactly: a line is handed on again only when we were killed, or the last second is read
// again for its numbers (see Options.Second), before it was known to be done with; whoever
// takes lines tells those by the ids of their clicks. Which log a file is follows from its
// device and inode, and from the SHA-256 of its first KiB; so it is known again under another
// name, copied, or compressed. What was written between the copy of a log and its truncation
// (copytruncate) is in no file, and nobody can read it.
//
// It neither knows what a line means nor where it goes.
package accesslog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// Limits.
const (
	// ChunkBytesMax is the longest chunk.
	ChunkBytesMax = 4 << 20
	// LineBytesMax is the longest line; longer ones are refused.
	LineBytesMax = 64 << 10
)

// Options of a Reader. Files and State must be set.
type Options struct {
	// Files are names or globs. A file's rotated fellows (NAME.1, NAME-20260101.gz) are read
	// as well as far as they are needed to miss nothing: those that have been read before, newer
	// ones, and those written since the state file was begun.
	Files []string
	// State is the file that keeps the position.
	State string
	// Follow waits for more lines at the end, and for the files themselves.
	Follow bool
	// Poll is how often is looked for more; 250 ms when zero.
	Poll time.Duration
	// Settle is how long a rotated file must be unchanged until a last line without its
	// newline counts as whole, or a compressed one as cut off; ten seconds when zero.
	Settle time.Duration
	// Second returns the Unix second of a line. If it is set, a line that is equal to n others
	// before it in its second gets "#n " in front, and after a start some last seconds are read
	// again, so that the numbers are the same however often we are killed.
	Second func(line []byte) (second int64, ok bool)
	Now    func() time.Time
	Logger *slog.Logger
}

// Reader reads logs. It belongs to one goroutine.
type Reader struct {
	options  Options
	state    *state
	families map[string]*family
	heads    map[fileID]cachedHead
	pass     []*log // to read now, oldest first
	again    bool   // a file changed under us; look again at once
	looked   bool
	found    bool // something in this pass
}

// log is one log, whatever its file is called now.
type log struct {
	entry
	at      position // behind what was handed on; entry.Done is behind what is done with
	family  *family
	source  *source
	marks   []mark
	modTime time.Time
	size    int64
	final   bool // nothing will be added
}

// Open takes the state file for itself and reads it. An error says what cannot be read.
func Open(o Options) (*Reader, error) {
	o.Poll, o.Settle = cmp.Or(o.Poll, 250*time.Millisecond), cmp.Or(o.Settle, 10*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if len(o.Files) == 0 {
		return nil, errors.New("no access log is named")
	}
	for i, name := range o.Files {
		if _, err := filepath.Match(name, ""); err != nil {
			return nil, fmt.Errorf("%q is no pattern of file names: %w", name, err)
		}
		full, err := filepath.Abs(name)
		if err != nil {
			return nil, err
		}
		o.Files[i] = full
	}
	s, err := openState(o.State, o.Now())
	if err != nil {
		return nil, err
	}
	r := &Reader{options: o, state: s, families: map[string]*family{}, heads: map[fileID]cachedHead{}}
	for _, l := range s.logs {
		l.family = r.family(familyOf(l.Path))
		l.at = l.Done
		if o.Second != nil {
			l.at = l.Again
		}
	}
	if !o.Follow {
		for _, name := range o.Files {
			found, err := expand(name)
			if err == nil && len(found) == 0 { // it may have been rotated just now
				found, err = expand(escapeGlob(name) + ".*")
			}
			if err != nil || len(found) == 0 {
				return nil, errors.Join(fmt.Errorf("there is no file %s", name), err, s.close())
			}
		}
	}
	return r, nil
}

// Close gives the state file back. What was handed on and not told Done is read again.
func (r *Reader) Close() error {
	for _, l := range r.state.logs {
		l.closeSource()
	}
	return r.state.close()
}

// Next returns the lines that follow, or io.EOF when there are no more; with Follow it waits
// for more until ctx ends. A chunk need not be Done before the next one is asked for.
func (r *Reader) Next(ctx context.Context) (*Chunk, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for len(r.pass) > 0 {
			c, err := r.read(r.pass[0])
			if c != nil || err != nil {
				r.found = true
				return c, err
			}
			r.pass = r.pass[1:]
		}
		switch {
		case r.looked && r.again, !r.looked:
		case !r.options.Follow:
			return nil, io.EOF
		case !r.found:
			if err := wait(ctx, r.options.Poll); err != nil {
				return nil, err
			}
		}
		if r.again { // whoever rotates needs a moment
			if err := wait(ctx, 10*time.Millisecond); err != nil {
				return nil, err
			}
		}
		r.looked, r.again, r.found = true, false, false
		pass, err := r.discover()
		if err != nil {
			return nil, err
		}
		r.pass = pass
	}
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Done says that the chunk's lines are where they should be: they will not be handed on again.
// It is on disk when Done returns. Chunks are done with in the order in which they came.
func (r *Reader) Done(c *Chunk) error {
	l := c.log
	l.Done, l.Whole, l.Seen = c.after, l.Whole || c.whole, c.seen
	for _, again := range c.again {
		again.log.Again = again.at
	}
	return r.state.save()
}

// read returns the next lines of a log, nil when there are none for now.
func (r *Reader) read(l *log) (*Chunk, error) {
	if l.source == nil && l.Packed && !l.pending() {
		return nil, nil
	}
	if l.source == nil {
		s, err := openSource(l)
		switch {
		case errors.Is(err, os.ErrNotExist), errors.Is(err, errOther):
			r.again = true
			return nil, nil
		case err != nil:
			return nil, fmt.Errorf("cannot read the access log: %w", err)
		}
		l.source = s
	}
	block, ended, err := l.source.block(l)
	if errors.Is(err, errOther) {
		l.closeSource()
		r.again = true
		return nil, nil
	}
	cut := err != nil
	if cut && !l.source.packed() {
		l.closeSource()
		return nil, fmt.Errorf("cannot read the access log: %w", err)
	}
	settled := r.options.Now().Sub(l.modTime) >= r.options.Settle
	c := r.fill(l, block, ended && !cut && (l.source.packed() || l.final && settled))
	if c == nil && ended {
		l.closeSource()
		if cut && settled {
			return r.cutOff(l, block, err), nil
		}
		if !cut && l.Packed && !l.Whole {
			return r.whole(l), nil
		}
	}
	return c, nil
}

// whole says that a compressed file was read to its end, so that it need not be unpacked again.
func (r *Reader) whole(l *log) *Chunk {
	l.Whole = true
	return r.chunk(l)
}

// cutOff gives up a compressed file that ends before its end. What was read of it stands.
func (r *Reader) cutOff(l *log, rest []byte, err error) *Chunk {
	r.options.Logger.Warn("the compressed access log is cut off; what comes before was read", "file", l.Path, "line", l.at.Lines+1, "reason", err)
	l.Whole = true
	c := r.chunk(l)
	c.Refused = append(c.Refused, Refusal{Line: l.at.Lines + 1, Why: fmt.Sprintf("the file is cut off here: %s", err), Text: clip(rest)})
	return c
}

func (l *log) closeSource() {
	if l.source != nil {
		l.source.close()
		l.source = nil
	}
}
