package journal

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// model is a journal as a slice: what must be read back.
type model struct {
	dir      string
	options  Options
	journal  *Journal
	payloads [][]byte   // all that were ever kept; record i has sequence i+1
	ends     []Position // behind each
	released int        // records that need not be there any more
}

// TestJournalIsASlice does things at random, with segments so small that everything happens at
// their edges, and compares with a slice. rapid prints the seed and shrinks what fails.
func TestJournalIsASlice(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{dir: t.TempDir(), options: Options{SegmentBytes: smallSegment, readyWait: patience}}
		m.open(rt)
		defer func() { _ = m.journal.Close() }()
		rt.Repeat(map[string]func(*rapid.T){
			"append":  m.append,
			"sync":    m.sync,
			"reopen":  m.reopen,
			"release": m.release,
			"read":    m.read,
			"":        m.check,
		})
		m.readFrom(rt, 0)
	})
}

func (m *model) open(t *rapid.T) {
	j, err := Open(m.dir, m.options)
	if err != nil {
		t.Fatal(err)
	}
	m.journal = j
	if r := j.Recovery(); r.LastSequence != uint64(len(m.payloads)) || len(r.Damages) > 0 {
		t.Fatalf("recovered %+v, want sequence %d and no damage", r, len(m.payloads))
	}
}

func (m *model) append(t *rapid.T) {
	lengths := rapid.OneOf(rapid.IntRange(0, 100), rapid.IntRange(0, smallSegment))
	for range rapid.IntRange(1, 30).Draw(t, "records") {
		n := lengths.Draw(t, "length")
		b := bytes.Repeat([]byte{byte(len(m.payloads))}, n)
		p, err := m.journal.Append(b)
		if n > m.options.payloadBytesMax() {
			if err != ErrTooLarge {
				t.Fatalf("%d bytes: got %v, want ErrTooLarge", n, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		m.payloads, m.ends = append(m.payloads, b), append(m.ends, p)
	}
}

func (m *model) sync(t *rapid.T) {
	if err := m.journal.Sync(); err != nil {
		t.Fatal(err)
	}
}

func (m *model) reopen(t *rapid.T) {
	if err := m.journal.Close(); err != nil {
		t.Fatal(err)
	}
	m.open(t)
}

func (m *model) release(t *rapid.T) {
	i := rapid.IntRange(0, len(m.ends)).Draw(t, "records to release")
	if err := m.journal.Release(m.after(i)); err != nil {
		t.Fatal(err)
	}
	m.released = max(m.released, i)
}

// after is the position behind the first i records.
func (m *model) after(i int) Position {
	if i == 0 {
		return Position{}
	}
	return m.ends[i-1]
}

func (m *model) read(t *rapid.T) {
	m.readFrom(t, rapid.IntRange(m.released, len(m.payloads)).Draw(t, "from"))
}

// readFrom reads what comes behind the first i records, live and from outside.
func (m *model) readFrom(t *rapid.T, i int) {
	i = max(i, m.released)
	live, err := m.journal.Reader(m.after(i))
	if err != nil {
		t.Fatal(err)
	}
	d, err := OpenDir(m.dir)
	if err != nil {
		t.Fatal(err)
	}
	outside, err := d.Reader(m.after(i))
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*Reader{"live": live, "outside": outside} {
		if err := m.compare(r, i); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

func (m *model) compare(r *Reader, from int) (err error) {
	defer func() { _ = r.Close() }()
	r.OnDamage = func(d Damage) { err = fmt.Errorf("unexpected damage: %s", d) }
	for i := from; i < len(m.payloads); i++ {
		record, readErr := r.Next()
		switch {
		case readErr != nil:
			return fmt.Errorf("record %d: %w", i+1, readErr)
		case record.Sequence != uint64(i+1) || record.Position != m.ends[i] || !bytes.Equal(record.Payload, m.payloads[i]):
			return fmt.Errorf("record %d: got sequence %d at %s with %d bytes", i+1, record.Sequence, record.Position, len(record.Payload))
		}
	}
	if record, readErr := r.Next(); readErr == nil {
		return fmt.Errorf("sequence %d behind the end", record.Sequence)
	}
	return err
}

func (m *model) check(t *rapid.T) {
	if s := m.journal.Stats(); s.LastSequence != uint64(len(m.payloads)) {
		t.Fatalf("the last sequence is %d, want %d", s.LastSequence, len(m.payloads))
	}
}
