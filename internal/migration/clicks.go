package migration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluicehq/sluice/internal/analytics"
)

// Clicking is an engine of reports that tells all that it keeps.
type Clicking interface {
	analytics.Engine
	analytics.Dumper
}

// ClicksOptions of Clicks. From and To must be set.
type ClicksOptions struct {
	From, To Clicking
	// CheckOnly compares and moves nothing.
	CheckOnly bool
	// BatchRows is how many clicks are stored at a time; 98,304 when zero: engines like large batches.
	BatchRows int
	Progress  func(Step)
}

const batchRows = 3 * analytics.DumpRows

// clicksSource is whose batches a migration's are, for the target.
const clicksSource = "migration"

// Clicks moves clicks day by day, compares each day and then hands over where the sources of clicks
// stand. Days that are equal are left alone; of others what is missing is added. A day of
// which the target has clicks that the source does not have, or has otherwise, is a difference in the
// report; nothing is added to it then.
func Clicks(ctx context.Context, o ClicksOptions) (*Report, error) {
	o.BatchRows = cmp.Or(o.BatchRows, batchRows)
	for again := againMax; ; again-- {
		report, err := moveClicks(ctx, o)
		// What a process that was broken off had sent may come through after we have looked.
		if again == 0 || !errors.Is(err, analytics.ErrPosition) {
			return report, err
		}
	}
}

// againMax is how often a run begins again that somebody else's batch has come before. Each is a
// look at what is there; what is there is not stored again.
const againMax = 3

func moveClicks(ctx context.Context, o ClicksOptions) (*Report, error) {
	m := &clickMover{ClicksOptions: o, there: map[time.Time]int64{}}
	days, err := o.From.Days(ctx)
	if err != nil {
		return nil, err
	}
	there, err := o.To.Days(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range there {
		m.there[d.Start] = d.Rows
		m.report.Before += d.Rows
	}
	if err := m.checkTarget(ctx, days); err != nil {
		return nil, err
	}
	for _, d := range days {
		m.total += d.Rows
	}
	for _, d := range days {
		if err := m.day(ctx, d); err != nil {
			return &m.report, err
		}
		delete(m.there, d.Start)
	}
	for start, n := range m.there {
		m.differs(n, fmt.Sprintf("the target has %d clicks of %s, a day of which the source has none", n, start.Format(time.DateOnly)))
	}
	if o.CheckOnly || !m.report.Same() {
		return &m.report, nil
	}
	return &m.report, m.positions(ctx)
}

// clickMover is one run of Clicks.
type clickMover struct {
	ClicksOptions
	there       map[time.Time]int64 // days of the target that have clicks
	total, done int64
	report      Report
	position    string // of clicksSource
}

// checkTarget refuses to mix the clicks of two installations.
func (m *clickMover) checkTarget(ctx context.Context, days []analytics.Day) (err error) {
	if m.CheckOnly {
		return nil
	}
	if m.position, err = m.To.Position(ctx, clicksSource); err != nil {
		return err
	}
	if m.report.Before > 0 && m.position == "" {
		return conflict("the target holds %d clicks that no migration has brought; move into an empty database: name another in analytics.database, or drop this one if nobody needs it", m.report.Before)
	}
	ours := map[time.Time]bool{}
	for _, d := range days {
		ours[d.Start] = true
	}
	for start, n := range m.there {
		if !ours[start] {
			return conflict("the target holds %d clicks of %s, a day of which the source has none: they are another installation's, or a server has stored clicks there since; move into an empty database, or name the right one in analytics.database",
				n, start.Format(time.DateOnly))
		}
	}
	return m.claim(ctx)
}

// claim says in an empty target that what comes is a migration's, before any of it is there: a
// process that is killed after its first rows may not have stored with them whose they are.
func (m *clickMover) claim(ctx context.Context) error {
	if m.position != "" {
		return nil
	}
	m.position = "begun"
	return m.To.Append(ctx, analytics.Batch{Source: clicksSource, To: m.position})
}

func (m *clickMover) differs(items int64, how string) {
	m.report.Differences = append(m.report.Differences, Difference{Group: "clicks", Items: items, First: how})
}

func (m *clickMover) tell(what string, rows int) {
	m.done += int64(rows)
	if m.Progress != nil {
		m.Progress(Step{What: what, Done: m.done, Total: m.total})
	}
}

// day moves and compares a day.
func (m *clickMover) day(ctx context.Context, d analytics.Day) error {
	span := span{d.Start, d.Start.Add(24 * time.Hour)}
	var from, to rowsSum
	var err error
	switch began := m.done; {
	case m.CheckOnly:
		from, err = m.sumOf(ctx, m.From, span, true)
	case m.there[d.Start] == 0:
		from, err = m.moveAll(ctx, span)
	default:
		from, err = m.moveMissing(ctx, span)
		m.done = began + d.Rows
	}
	if err == nil {
		to, err = m.sumOf(ctx, m.To, span, false)
	}
	if err != nil {
		return err
	}
	m.report.Copies += from.copies
	m.report.Nameless += from.nameless
	same := from.alike(&to)
	m.report.Compared = append(m.report.Compared, Compared{Group: d.Start.Format(time.DateOnly), Items: from.rows, Checksum: from.String(), Same: same})
	if same {
		return nil
	}
	diff, err := m.difference(ctx, span)
	if err == nil && diff.first != "" {
		m.differs(diff.missing+diff.extra+diff.changed, diff.first)
	} else if err == nil {
		m.differs(0, fmt.Sprintf("the day %s has changed while it was compared; is a server running with the target?", d.Start.Format(time.DateOnly)))
	}
	return err
}

// moveAll stores a day of which the target has nothing, and adds it up on the way.
func (m *clickMover) moveAll(ctx context.Context, s span) (sum rowsSum, err error) {
	batch := m.newBatch(s)
	err = m.From.Dump(ctx, s.since, s.until, func(rows []analytics.Row) error {
		for i := range rows {
			if !sum.add(&rows[i]) {
				continue
			}
			if err := batch.add(ctx, rows[i]); err != nil {
				return err
			}
		}
		m.tell("moving clicks", len(rows))
		return nil
	})
	if err == nil {
		err = batch.flush(ctx)
	}
	return sum, err
}

// moveMissing stores what the target does not have of a day, unless it has something that it should not.
func (m *clickMover) moveMissing(ctx context.Context, s span) (sum rowsSum, err error) {
	found, err := m.difference(ctx, s)
	if err != nil {
		return sum, err
	}
	if found.missing > 0 && found.extra+found.changed == 0 {
		batch := m.newBatch(s)
		err = m.merge(ctx, s, func(from, to *analytics.Row) error {
			if to == nil {
				return batch.add(ctx, *from)
			}
			return nil
		})
		if err == nil {
			err = batch.flush(ctx)
		}
		if err != nil {
			return sum, err
		}
	}
	return m.sumOf(ctx, m.From, s, true)
}

// sumOf adds a day up.
func (m *clickMover) sumOf(ctx context.Context, e analytics.Dumper, s span, told bool) (sum rowsSum, err error) {
	err = e.Dump(ctx, s.since, s.until, func(rows []analytics.Row) error {
		for i := range rows {
			sum.add(&rows[i])
		}
		if told {
			m.tell("comparing clicks", len(rows))
		}
		return nil
	})
	return sum, err
}

// positions hands over how far the sources of clicks were read, so that what is in their journals
// is not read again. A source that the target has heard of is left alone.
func (m *clickMover) positions(ctx context.Context) error {
	positions, err := m.From.Positions(ctx)
	if err != nil {
		return err
	}
	for source, position := range positions {
		there, err := m.To.Position(ctx, source)
		if err == nil && there == "" && position != "" {
			err = m.To.Append(ctx, analytics.Batch{Source: source, To: position})
		}
		if err != nil {
			return fmt.Errorf("where the source %s stands cannot be handed over: %w", source, err)
		}
	}
	return nil
}

// span is a time, [since, until).
type span struct{ since, until time.Time }

// batch gathers rows that are stored together.
type batch struct {
	m    *clickMover
	name string
	n    int
	rows []analytics.Row
}

func (m *clickMover) newBatch(s span) *batch {
	return &batch{m: m, name: s.since.Format(time.DateOnly)}
}

func (b *batch) add(ctx context.Context, r analytics.Row) error {
	if b.rows = append(b.rows, r); len(b.rows) < b.m.BatchRows {
		return nil
	}
	return b.flush(ctx)
}

// flush stores what is there.
func (b *batch) flush(ctx context.Context) error {
	if len(b.rows) == 0 {
		return nil
	}
	b.n++
	last := b.rows[len(b.rows)-1].ID
	to := fmt.Sprintf("%s/%d until %s", b.name, b.n, last)
	if err := b.m.To.Append(ctx, analytics.Batch{Source: clicksSource, From: b.m.position, To: to, Rows: b.rows}); err != nil {
		return err
	}
	b.m.position = to
	b.m.report.Moved += int64(len(b.rows))
	clear(b.rows)
	b.rows = b.rows[:0]
	return nil
}
