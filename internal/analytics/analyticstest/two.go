package analyticstest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/analytics"
)

// second opens the engine's data once more.
func second(t *testing.T, h Harness, e analytics.Engine) analytics.Engine {
	t.Helper()
	if h.Second == nil {
		t.Skip("what the engine keeps belongs to one process")
	}
	return open(t, Harness{Open: func(t *testing.T) analytics.Engine { return h.Second(t, e) }})
}

// twoCollectors hands a source from one to the other and back.
func twoCollectors(t *testing.T, h Harness) {
	one := open(t, h)
	two := second(t, h, one)
	ctx := context.Background()
	batch := func(from, to string, n uint64) analytics.Batch {
		return analytics.Batch{Source: "a", From: from, To: to, Rows: []analytics.Row{click(noon, n)}}
	}
	for _, step := range []struct {
		by    analytics.Engine
		batch analytics.Batch
		want  error
	}{
		{one, batch("", "1", 1), nil},
		{two, batch("", "1", 1), analytics.ErrPosition},
		{two, batch("1", "2", 2), nil},
		{one, batch("1", "2", 2), analytics.ErrPosition},
		{one, batch("2", "3", 3), nil},
		{two, batch("2", "3", 3), analytics.ErrPosition},
		{two, batch("3", "4", 4), nil},
	} {
		if err := step.by.Append(ctx, step.batch); !errors.Is(err, step.want) {
			t.Fatalf("from %q to %q: %v, want %v", step.batch.From, step.batch.To, err, step.want)
		}
	}
	for _, e := range []analytics.Engine{one, two} {
		if p, n := position(t, e, "a"), total(t, e); p != "4" || n != 4 {
			t.Errorf("position %q and %d rows, want 4 and 4", p, n)
		}
	}
}

// twoAtOnce has two collectors who both believe that a source is theirs store it,
// cut in different places.
func twoAtOnce(t *testing.T, h Harness) {
	random, _ := seeded(t)
	one := open(t, h)
	two := second(t, h, one)
	var rows []analytics.Row
	for n := range uint64(5000) {
		rows = append(rows, click(noon.Add(time.Duration(n)*time.Millisecond), n+1))
	}
	var both sync.WaitGroup
	for _, e := range []analytics.Engine{one, two} {
		pace := rand.New(rand.NewPCG(random.Uint64(), 2))
		both.Go(func() { storeAll(t, e, rows, pace) })
	}
	both.Wait()
	if n := total(t, one); n != int64(len(rows)) {
		t.Errorf("%d rows are stored, want %d", n, len(rows))
	}
	known, err := two.Known(context.Background(), idsOf(rows...))
	if err != nil || len(slices.Compact(known)) != len(rows) {
		t.Errorf("%d rows are known, want %d: %v", len(known), len(rows), err)
	}
}

// storeAll stores the rows behind the source's position, some at a time, until all
// are stored by whomever.
func storeAll(t *testing.T, e analytics.Engine, rows []analytics.Row, pace *rand.Rand) {
	ctx := context.Background()
	for {
		at := 0
		p, err := e.Position(ctx, "a")
		if err == nil && p != "" {
			_, err = fmt.Sscan(p, &at)
		}
		if err != nil {
			t.Error(err)
			return
		}
		if at == len(rows) {
			return
		}
		to := min(len(rows), at+1+pace.IntN(len(rows)/8))
		err = e.Append(ctx, analytics.Batch{Source: "a", From: p, To: fmt.Sprint(to), Rows: rows[at:to]})
		if errors.Is(err, analytics.ErrPosition) {
			time.Sleep(time.Duration(pace.IntN(20)) * time.Millisecond) // or both would give way for ever
		} else if err != nil {
			t.Error(err)
			return
		}
	}
}

func readWhileAppending(t *testing.T, h Harness) {
	e := open(t, h)
	const batches, each = 40, 500
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for last := int64(0); ; {
				r, err := e.Report(context.Background(), analytics.Query{By: []analytics.Dimension{analytics.ByLink}, All: true})
				if err != nil {
					t.Error(err)
					return
				}
				n := r.Totals[analytics.Total]
				if !h.InParts && (n%each != 0 || n < last) || n > batches*each {
					t.Errorf("a reader saw %d rows after %d: not whole batches of %d, %d of them", n, last, each, batches)
				}
				last = n
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	var writers sync.WaitGroup
	for w := range 2 { // two sources at once
		writers.Go(func() {
			source := fmt.Sprint("node/", w)
			for b := range batches / 2 {
				batch := analytics.Batch{Source: source, From: fmt.Sprint(b), To: fmt.Sprint(b + 1)}
				if b == 0 {
					batch.From = ""
				}
				for i := range each {
					n := uint64(w)<<32 | uint64(b*each+i)
					batch.Rows = append(batch.Rows, click(noon, n, func(r *analytics.Row) {
						r.Link = int64(n%50) + 1
						r.Slug = fmt.Sprint("link-", r.Link)
					}))
				}
				if err := e.Append(context.Background(), batch); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	if n := total(t, e); n != batches*each {
		t.Errorf("%d rows at the end, want %d", n, batches*each)
	}
}
