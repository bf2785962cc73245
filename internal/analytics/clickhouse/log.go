package clickhouse

import (
	"context"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// The kinds of entries in the log of batches.
const (
	announced = 1 // rows may be stored from now on
	finished  = 2 // they are, and the source stands behind them
	withdrawn = 3 // they are not, and never will be
)

// source is what an engine remembers of a source.
type source struct {
	mu       sync.Mutex // held by Append
	known    bool       // what follows is so, unless another writer came
	position string
	top      uint64 // the highest number that was announced
	// outlasted is the highest number of which, and below, nothing can come any more.
	outlasted uint64
}

func (e *Engine) source(name string) *source {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.sources[name]
	if s == nil {
		s = &source{}
		e.sources[name] = s
	}
	return s
}

// entry is a batch in the log. Numbers of a source only grow: who announces takes one
// above all others, and the highest one alone may store. The tag tells two apart
// who take the same at the same moment.
type entry struct {
	source, from, to string
	number, tag      uint64
	runs             []run
	ran              int // statements
}

// run is a time in which a batch has clicks, in milliseconds, both ends included.
type run struct{ first, last uint64 }

// runsOf finds the times of a batch. A batch that was just made has one; clicks from
// elsewhere may be of many. Where there are more than runsMax, the smallest gaps are
// taken for part of a run.
func runsOf(times []uint64, gap uint64, runsMax int) []run {
	if len(times) == 0 {
		return nil
	}
	slices.Sort(times)
	for {
		runs := []run{{times[0], times[0]}}
		for _, t := range times[1:] {
			if last := &runs[len(runs)-1]; t-last.last <= gap {
				last.last = t
			} else {
				runs = append(runs, run{t, t})
			}
		}
		if len(runs) <= runsMax {
			return runs
		}
		gap *= 2
	}
}

func overlap(a, b []run) bool {
	return slices.ContainsFunc(a, func(x run) bool {
		return slices.ContainsFunc(b, func(y run) bool { return x.first <= y.last && y.first <= x.last })
	})
}

// within is the condition that chooses the minutes of some runs.
func within(runs []run) string {
	var any []string
	for _, r := range runs {
		any = append(any, fmt.Sprintf("(minute >= %d AND minute <= %d)", r.first/msMinute, r.last/msMinute))
	}
	return "(" + strings.Join(any, " OR ") + ")"
}

// literal writes a text into a statement so that nothing in it means anything.
func literal(s string) string {
	return "unhex('" + strings.ToUpper(hex.EncodeToString([]byte(s))) + "')"
}

func numbers(list []uint64) string {
	if len(list) == 0 {
		return "emptyArrayUInt64()"
	}
	return "arrayMap(x -> toUInt64(x), [" + strings.Trim(strings.Join(strings.Fields(fmt.Sprint(list)), ", "), "[]") + "])"
}

// batch is the number under which the entry's rows are kept: what is left of the
// source, for two may have the same number, and the number.
func (n *entry) batch() uint64 { return batchOf(n.source, n.number) }

func batchOf(source string, number uint64) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(source)) // it does not fail
	return h.Sum64()&(1<<(batchBits-numberBits)-1)<<numberBits | number&(1<<numberBits-1)
}

// statements is how the ids of the statements begin that store the entry's rows and
// finish it.
func (n *entry) statements() string { return fmt.Sprintf("sluice-%016x", n.tag) }

// named has a statement run under such an id. Each has its own: the server still has
// one on its list when it has answered.
func (n *entry) named(ctx context.Context) context.Context {
	n.ran++
	return clickhouse.Context(ctx, clickhouse.WithQueryID(fmt.Sprintf("%s-%d", n.statements(), n.ran)))
}

// numberBits hold the batches of a source: at a thousand a second for 30 years.
const numberBits = 40

// write adds the entry with a kind. What must not be said by whom was overtaken is
// fenced: the server looks for a higher number itself.
func (e *Engine) write(ctx context.Context, n *entry, kind int, fenced bool) error {
	var firsts, lasts []uint64
	for _, r := range n.runs {
		firsts, lasts = append(firsts, r.first), append(lasts, r.last)
	}
	if kind != announced { // it is known from the announcement
		firsts, lasts = nil, nil
	}
	condition := "1"
	if fenced {
		condition = e.fence(n)
	}
	return e.execInTurn(ctx, n, fmt.Sprintf(`INSERT INTO %s (source, number, tag, kind, position_from, position_to, firsts, lasts)
		SELECT %s, toUInt64(%d), toUInt64(%d), toUInt8(%d), %s, %s, %s, %s FROM system.one WHERE %s`,
		e.tables.name(appendsTable), literal(n.source), n.number, n.tag, kind, literal(n.from), literal(n.to), numbers(firsts), numbers(lasts), condition))
}

// execInTurn runs a statement that writes to the log, or to what is on all servers like
// it, when no other has a quorum to wait for. Writing an entry twice says the same. n is
// whose statement it is, if anybody's.
func (e *Engine) execInTurn(ctx context.Context, n *entry, statement string, along ...*ext.Table) error {
	if e.quorums.log > 1 {
		e.logTurn.Lock()
		defer e.logTurn.Unlock()
	}
	for try := 1; ; try++ {
		named := ctx
		if n != nil {
			named = n.named(ctx)
		}
		err := e.execWith(named, e.logging(), statement, along...)
		if codeOf(err) != codeQuorumBusy || try == busyTries {
			return err
		}
		if err := sleep(ctx, rand.N(busyPause)); err != nil {
			return err
		}
	}
}

// fence is the condition that nobody has announced a higher number. It is evaluated
// when the server has all that the statement brings along. Where our own is hidden for a
// moment (see stand) it holds: else the rows might be left out and the position stored.
func (e *Engine) fence(n *entry) string {
	return fmt.Sprintf("(SELECT max(number) FROM %s WHERE source = %s AND number >= %d) <= %d",
		e.tables.name(appendsTable), literal(n.source), n.number, n.number)
}

// standing is what the log says about a source.
type standing struct {
	position string
	top      uint64 // the highest number
	loose    uint64 // earlier announcements that were neither finished nor withdrawn
	twins    uint64 // who announced the entry's number
	finished bool   // the entry is
}

// overtakes says that the entry's batch must not be stored.
func (s *standing) overtakes(n *entry) bool {
	return s.position != n.from || s.top > n.number || s.twins > 1
}

// window is how many numbers back the log is read for a batch. What an announcement
// that was given up may have stored is read again by the next batches.
const window = 1000

// stand reads the log for a source that is known, at least as far as to the entry's own
// announcement.
//
// A quorum is read up to the block that had it last. When two processes write at once,
// that may be the one with the lower number, and hides the other's until somebody writes
// again.
func (e *Engine) stand(ctx context.Context, n *entry) (s standing, err error) {
	for try := 1; ; try++ {
		s, err = e.standNow(ctx, n)
		if err != nil || s.twins > 0 || s.top > n.number || try == busyTries {
			return s, err
		}
		if err := sleep(ctx, rand.N(busyPause)); err != nil {
			return s, err
		}
	}
}

func (e *Engine) standNow(ctx context.Context, n *entry) (s standing, err error) {
	var done, loose, mine uint64
	var position string
	err = e.scanWith(ctx, e.logging(), fmt.Sprintf(`SELECT max(number), maxIf(number, kind = %[1]d), argMaxIf(position_to, number, kind = %[1]d),
		toUInt64(uniqExactIf(number, tag, number < %[2]d) - uniqExactIf(number, tag, kind > %[3]d AND number < %[2]d)), uniqExactIf(tag, number = %[2]d), countIf(number = %[2]d AND tag = %[4]d AND kind = %[1]d)
		FROM %[5]s WHERE source = %[6]s AND number >= %[7]d`,
		finished, n.number, announced, n.tag, e.tables.name(appendsTable), literal(n.source), n.number-min(n.number, window)),
		&s.top, &done, &position, &loose, &s.twins, &mine)
	s.position, s.loose, s.finished = position, loose, mine > 0
	if err == nil && done == 0 && n.number > window { // nothing but failures for a thousand numbers
		s.position, _, err = e.position(ctx, n.source)
	}
	return s, err
}

// position reads the whole log of a source, of the last hour if it has any entry there.
func (e *Engine) position(ctx context.Context, source string) (position string, top uint64, err error) {
	for _, recent := range []string{" AND at >= now() - 3600", ""} {
		var ended uint64
		err = e.scanWith(ctx, e.logging(), fmt.Sprintf("SELECT max(number), argMaxIf(position_to, number, kind = %[1]d), countIf(kind = %[1]d) FROM %[2]s WHERE source = %[3]s%[4]s",
			finished, e.tables.name(appendsTable), literal(source), recent), &top, &position, &ended)
		if err != nil || ended > 0 {
			break
		}
	}
	return position, top, err
}

// Position returns where the source stands.
func (e *Engine) Position(ctx context.Context, source string) (string, error) {
	position, _, err := e.position(ctx, source)
	return position, e.explain(ctx, err)
}

// looseBefore lists the announcements that may have left rows behind.
func (e *Engine) looseBefore(ctx context.Context, n *entry) ([]entry, error) {
	return e.entries(ctx, fmt.Sprintf("source = %s AND number >= %d AND number < %d", literal(n.source), n.number-min(n.number, window), n.number))
}

// entries lists announcements that are neither finished nor withdrawn.
func (e *Engine) entries(ctx context.Context, condition string) (found []entry, err error) {
	query := fmt.Sprintf("SELECT source, number, tag, any(firsts), any(lasts) FROM %s WHERE %s GROUP BY source, number, tag HAVING max(kind) = %d ORDER BY source, number LIMIT %d",
		e.tables.name(appendsTable), condition, announced, looseMax)
	err = e.eachWith(ctx, e.logging(), query, func(rows driver.Rows) error {
		var n entry
		var firsts, lasts []uint64
		if err := rows.Scan(&n.source, &n.number, &n.tag, &firsts, &lasts); err != nil {
			return err
		}
		for i := range min(len(firsts), len(lasts)) {
			n.runs = append(n.runs, run{firsts[i], lasts[i]})
		}
		found = append(found, n)
		return nil
	})
	return found, err
}

// looseMax bounds how many announcements are looked at together.
const looseMax = 1000

func newTag() uint64 { return rand.Uint64() | 1 }
