package migration

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// Dumping is a store that tells all that it holds.
type Dumping interface {
	store.Store
	store.Dumper
}

// Filling is a store that is filled with another's items, and compared with it.
type Filling interface {
	Dumping
	store.Loader
}

// StoreOptions of Store. From and To must be set.
type StoreOptions struct {
	From  Dumping
	To    Filling
	Place string // where From is, for messages
	// CheckOnly compares and moves nothing.
	CheckOnly bool
	// BatchItems is how many are stored in one transaction; 10,000 when zero, and fewer where they are large.
	BatchItems int
	Progress   func(Step)
}

// A batch is large, because each waits for the disk once, and bounded in memory.
const (
	batchItems = 10_000
	batchBytes = 8 << 20
)

// Store moves a store and compares both sides. Differences are in the report, and no error; the
// target stays unfinished then. The error is that something could not be done, such as a
// Conflict for a target that holds something else.
func Store(ctx context.Context, o StoreOptions) (*Report, error) {
	o.BatchItems = cmp.Or(o.BatchItems, batchItems)
	counts, err := o.From.Counts(ctx)
	if err != nil {
		return nil, err
	}
	m := &mover{StoreOptions: o}
	for _, n := range counts {
		m.total += n
	}
	if o.CheckOnly {
		return &m.report, m.compare(ctx)
	}
	state, err := stateOf(ctx, o.From, counts)
	if err != nil {
		return nil, err
	}
	load, err := o.To.BeginLoad(ctx, store.Source{Place: o.Place, State: state})
	if affiliate.CodeOf(err) == affiliate.Conflict && m.isDone(ctx, counts) {
		return &m.report, nil
	}
	if err != nil {
		return nil, err
	}
	if err = m.move(ctx, load); err == nil {
		err = m.compare(ctx)
	}
	if err == nil && m.report.Same() {
		err = load.Finish(ctx)
	}
	return &m.report, errors.Join(err, load.Close())
}

// isDone says whether a target that holds something holds just what it should: an earlier run has finished it.
func (m *mover) isDone(ctx context.Context, counts []int64) bool {
	there, err := m.To.Counts(ctx)
	if err != nil || !slices.Equal(there, counts) || m.total == 0 {
		return false
	}
	m.report.Before = m.total
	return m.compare(ctx) == nil && m.report.Same()
}

// errEnough ends a dump early.
var errEnough = errors.New("enough")

// stateOf is a fingerprint of a store: how many items each group has, and its counters, which every
// new link and every change of the catalog moves. What it misses, comparing finds.
func stateOf(ctx context.Context, s Dumping, counts []int64) (string, error) {
	sum := sha256.New()
	var b []byte
	for i, n := range counts {
		b = binary.BigEndian.AppendUint64(append(b, store.Groups[i].Name...), uint64(n))
	}
	counters := store.GroupNamed("counters")
	err := s.Dump(ctx, store.Mark{}, func(item *store.Item) error {
		if item.Group != counters {
			return errEnough
		}
		b = item.AppendTo(b)
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return "", err
	}
	_, _ = sum.Write(b) // never fails
	return hexOf(sum.Sum(nil)), nil
}

// mover is one run of Store.
type mover struct {
	StoreOptions
	total  int64
	report Report
}

func (m *mover) tell(what string, done int64) {
	if m.Progress != nil {
		m.Progress(Step{What: what, Done: done, Total: m.total})
	}
}

// move adds what is not there yet, batch after batch.
func (m *mover) move(ctx context.Context, load store.Load) error {
	m.report.Before = load.Mark().Items
	var batch []store.Item
	var size int
	add := func() error {
		if err := load.Add(ctx, batch); err != nil {
			return err
		}
		m.report.Moved += int64(len(batch))
		m.tell("moving the store", load.Mark().Items)
		clear(batch)
		batch, size = batch[:0], 0
		return nil
	}
	m.tell("moving the store", m.report.Before)
	err := m.From.Dump(ctx, load.Mark(), func(item *store.Item) error {
		batch = append(batch, item.Clone())
		for _, v := range item.Values {
			size += len(v.Text)
		}
		if len(batch) < m.BatchItems && size < batchBytes {
			return nil
		}
		return add()
	})
	if err != nil {
		return err
	}
	return add()
}
