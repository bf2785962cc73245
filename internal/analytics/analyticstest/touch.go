package analyticstest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// touchOf is what a row becomes.
func touchOf(r *analytics.Row) analytics.Touch {
	return analytics.Touch{
		ID: r.ID, At: r.Time(), Link: r.Link, Site: r.Site, Program: r.Program, Partner: r.Partner, Slug: r.Slug, Variant: r.Variant,
		Page: r.Page, Sub1: r.Subs[0], Visitor: r.Visitor, Country: r.Country, Verdict: r.Verdict, Valid: r.Valid(),
	}
}

func touchesOf(rows ...analytics.Row) (touches []analytics.Touch) {
	for i := range rows {
		touches = append(touches, touchOf(&rows[i]))
	}
	return touches
}

func newestFirst(a, b analytics.Touch) int { return strings.Compare(string(b.ID[:]), string(a.ID[:])) }

// wantClicks asks for clicks and compares them, in any order.
func wantClicks(t *testing.T, e analytics.Engine, what string, ids []affiliate.ClickID, want ...analytics.Row) {
	t.Helper()
	got, err := e.Clicks(context.Background(), ids)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	wanted := touchesOf(want...)
	slices.SortFunc(got, newestFirst)
	slices.SortFunc(wanted, newestFirst)
	compareTouches(t, what, got, wanted)
}

// wantTouches asks for touches and compares them, in their order.
func wantTouches(t *testing.T, e analytics.Engine, what, program string, visitors []affiliate.VisitorID, since, until time.Time, want ...analytics.Row) {
	t.Helper()
	got, err := e.Touches(context.Background(), program, visitors, since, until)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	compareTouches(t, what, got, touchesOf(want...))
}

func compareTouches(t *testing.T, what string, got, want []analytics.Touch) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d found, want %d", what, len(got), len(want))
		return
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("%s: number %d is\n%+v, want\n%+v", what, i, got[i], want[i])
			return
		}
	}
}

func idsOf(rows ...analytics.Row) (ids []affiliate.ClickID) {
	for i := range rows {
		ids = append(ids, rows[i].ID)
	}
	return ids
}

// told is a click with all that a touch tells, different for each n.
func told(r *analytics.Row) {
	n := r.ID.String()[20:]
	r.Link, r.Site, r.Slug, r.Program, r.Variant = int64(r.ID[23]), "site-"+n, "slug-"+n, "program-"+n, "variant-"+n
	r.Partner, r.Page, r.Subs[0], r.Subs[1] = "partner-"+n, "/page-"+n+"/", "sub1-"+n, "sub2-"+n
	r.Country, r.Verdict = n[2:], affiliate.VerdictSuspect
}

func findClicks(t *testing.T, h Harness) {
	e := open(t, h)
	plain, full := click(noon, 1), click(noon.Add(-90*24*time.Hour), 2, told)
	bot := click(noon, 3, func(r *analytics.Row) { r.Verdict = affiliate.VerdictBot })
	again := click(noon, 4, func(r *analytics.Row) { r.Duplicate = true })
	nobody := click(noon, 5, func(r *analytics.Row) { r.Visitor = affiliate.VisitorID{} })
	highest := click(time.UnixMilli(1<<48-1), 1<<56-1, func(r *analytics.Row) { copy(r.Visitor[:], "zzzzzzzzzzzzzzzz") })
	first := click(time.UnixMilli(0), 1)
	noID := click(noon, 6, func(r *analytics.Row) { r.ID = affiliate.ClickID{} })
	wantClicks(t, e, "of an empty engine", idsOf(plain))
	appendRows(t, e, plain, full, noID, bot)
	later := click(noon.Add(time.Hour), 7)
	all := idsOf(plain, full, bot, again, nobody, highest, first, later)
	wantClicks(t, e, "before the others come", all, plain, full, bot)
	appendRows(t, e, again, nobody, highest, first, later)
	wantClicks(t, e, "everything", all, plain, full, bot, again, nobody, highest, first, later)
	for _, r := range []analytics.Row{plain, full, bot, again, nobody, highest, first, later} {
		wantClicks(t, e, "alone", idsOf(r), r)
	}
	wantClicks(t, e, "nothing", nil)
	wantClicks(t, e, "the zero id", append(idsOf(noID), affiliate.NewClickID(0, 0, 0)))
	wantClicks(t, e, "twice the same", idsOf(plain, full, plain), plain, full)
	// Ids that differ from one that is there in one part only.
	for _, stranger := range []affiliate.ClickID{
		affiliate.NewClickID(noon.UnixMilli()+1, 0xabcd, 1), affiliate.NewClickID(noon.UnixMilli(), 0xabce, 1),
		affiliate.NewClickID(noon.UnixMilli(), 0xbbcd, 1), affiliate.NewClickID(noon.UnixMilli(), 0xabcd, 1<<50|1),
	} {
		wantClicks(t, e, "a stranger", []affiliate.ClickID{stranger})
		wantClicks(t, e, "a stranger with one who is known", []affiliate.ClickID{stranger, plain.ID}, plain)
	}
	// Bytes that no id has must not be taken for others.
	garbled := plain.ID
	garbled[23] = '!'
	wantClicks(t, e, "a garbled id", []affiliate.ClickID{garbled, affiliate.ClickID([]byte("'); DROP TABLE clicks;--"))})

	if err := e.Append(context.Background(), analytics.Batch{Source: "node/2", To: "1", Rows: []analytics.Row{plain}}); err != nil {
		t.Fatal(err)
	}
	wantClicks(t, e, "one that two sources have", idsOf(plain), plain)
}

// findClicksOfOneMoment looks for clicks of a busy millisecond.
func findClicksOfOneMoment(t *testing.T, h Harness) {
	e := open(t, h)
	var rows []analytics.Row
	for n := uint64(1); n <= 5000; n++ {
		rows = append(rows, click(noon.Add(time.Duration(n%2)*time.Millisecond), n, told))
	}
	appendRows(t, e, rows...)
	wantClicks(t, e, "few", idsOf(rows[0], rows[1], rows[4999]), rows[0], rows[1], rows[4999])
	wantClicks(t, e, "as many as one may", idsOf(rows[1000:1000+analytics.ClicksMax]...), rows[1000:1000+analytics.ClicksMax]...)
}

func findTouches(t *testing.T, h Harness) {
	e := open(t, h)
	anna, bert := affiliate.NewVisitorID(1, 1), affiliate.NewVisitorID(1, 2)
	at := func(ms int, n uint64, visitor affiliate.VisitorID, change ...func(*analytics.Row)) analytics.Row {
		r := click(noon.Add(time.Duration(ms)*time.Millisecond), n, append([]func(*analytics.Row){told}, change...)...)
		r.Visitor, r.Program = visitor, "shop"
		for _, f := range change {
			f(&r)
		}
		return r
	}
	a1, a2, a3 := at(0, 1, anna), at(1000, 2, anna), at(1000, 3, anna)
	b1 := at(500, 4, bert)
	others := []analytics.Row{
		at(10, 5, anna, func(r *analytics.Row) { r.Program = "other" }),
		at(10, 6, anna, func(r *analytics.Row) { r.Verdict = affiliate.VerdictFraud }),
		at(10, 7, anna, func(r *analytics.Row) { r.Duplicate = true }),
		at(10, 8, affiliate.VisitorID{}),
		at(10, 9, affiliate.NewVisitorID(2, 1)), // shares a part with anna
		at(10, 10, affiliate.NewVisitorID(2, 2)),
	}
	appendRows(t, e, append([]analytics.Row{a3, b1, a1, a2}, others...)...)
	both, none := []affiliate.VisitorID{anna, bert, anna}, time.Time{}
	second := noon.Add(time.Second)
	wantTouches(t, e, "without end", "shop", both, none, none, a3, a2, b1, a1)
	wantTouches(t, e, "one visitor", "shop", both[:1], none, none, a3, a2, a1)
	wantTouches(t, e, "both ends count", "shop", both, noon, second, a3, a2, b1, a1)
	wantTouches(t, e, "a moment", "shop", both, second, second, a3, a2)
	wantTouches(t, e, "after the beginning", "shop", both, noon.Add(1), second.Add(-1), b1)
	wantTouches(t, e, "since", "shop", both, noon.Add(1), none, a3, a2, b1)
	wantTouches(t, e, "until", "shop", both, none, second.Add(-1), b1, a1)
	wantTouches(t, e, "another program", "other", both, none, none, others[0])
	wantTouches(t, e, "a program that is not there", "sh'op", both, none, none)
	wantTouches(t, e, "nobody", "shop", nil, none, none)
	wantTouches(t, e, "visitors without a name", "shop", []affiliate.VisitorID{{}, affiliate.NewVisitorID(0, 0)}, none, none)
}

// findNewestTouches has one visitor with very many clicks beside one with few.
func findNewestTouches(t *testing.T, h Harness) {
	e := open(t, h)
	busy, calm := affiliate.NewVisitorID(7, 7), affiliate.NewVisitorID(8, 8)
	shop := func(visitor affiliate.VisitorID, program string) func(*analytics.Row) {
		return func(r *analytics.Row) { r.Visitor, r.Program = visitor, program }
	}
	old := click(noon.Add(-time.Hour), 1, shop(calm, "shop"))
	rows := []analytics.Row{old}
	for n := range uint64(3 * analytics.TouchesMax) {
		rows = append(rows, click(noon.Add(time.Duration(n/2)*time.Second), 100+n, shop(busy, "shop")))
	}
	for n := range uint64(2 * analytics.TouchesMax) {
		rows = append(rows, click(noon.Add(time.Hour), 10_000+n, shop(busy, "other")))
	}
	want := slices.Clone(rows[1+2*analytics.TouchesMax : 1+3*analytics.TouchesMax])
	slices.Reverse(want)
	rand.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	appendRows(t, e, rows...)
	wantTouches(t, e, "the newest of each", "shop", []affiliate.VisitorID{busy, calm}, time.Time{}, time.Time{}, append(want, old)...)
}

func lookUpsAreBounded(t *testing.T, h Harness) {
	e := open(t, h)
	ctx := context.Background()
	appendRows(t, e, click(noon, 1))
	if _, err := e.Clicks(ctx, make([]affiliate.ClickID, analytics.ClicksMax+1)); affiliate.CodeOf(err) != affiliate.TooLarge || !strings.Contains(err.Error(), fmt.Sprint(analytics.ClicksMax)) {
		t.Errorf("too many ids: %v", err)
	}
	if _, err := e.Touches(ctx, "shop", make([]affiliate.VisitorID, analytics.VisitorsMax+1), noon, noon); affiliate.CodeOf(err) != affiliate.TooLarge || !strings.Contains(err.Error(), fmt.Sprint(analytics.VisitorsMax)) {
		t.Errorf("too many visitors: %v", err)
	}
	visitor := []affiliate.VisitorID{affiliate.NewVisitorID(1, 1)}
	if _, err := e.Touches(ctx, "shop", visitor, noon, noon.Add(-1)); affiliate.CodeOf(err) != affiliate.Invalid {
		t.Errorf("a time that ends before it begins: %v", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := e.Clicks(ctx, idsOf(click(noon, 1))); !errors.Is(err, context.Canceled) {
		t.Errorf("clicks for a context that has ended: %v, want that it was canceled", err)
	}
	if _, err := e.Touches(ctx, "shop", visitor, noon, noon); !errors.Is(err, context.Canceled) {
		t.Errorf("touches for a context that has ended: %v, want that it was canceled", err)
	}
	wantClicks(t, e, "after all that", idsOf(click(noon, 1)), click(noon, 1))
}

// lookUpsAgreeWithModel looks for random clicks and visitors among random rows,
// some late, and finds them by hand.
func lookUpsAgreeWithModel(t *testing.T, h Harness) {
	random, _ := seeded(t)
	e := open(t, h)
	var rows []analytics.Row
	for range 3 {
		var batch []analytics.Row
		for range random.IntN(3000) {
			r := randomClick(random, uint64(1+len(rows)+len(batch)))
			r.Visitor = affiliate.NewVisitorID(uint16(random.IntN(3)), 1+random.Uint64N(40))
			r.Program = []string{"shop", "other", ""}[random.IntN(3)]
			r.Page, r.Variant, r.Subs[0] = fmt.Sprint("/", random.IntN(900)), "b", fmt.Sprint(random.IntN(2000))
			batch = append(batch, r)
		}
		rows = append(rows, batch...)
		appendRows(t, e, batch...)
	}
	for range h.rounds(20) {
		var ids []affiliate.ClickID
		var want []analytics.Row
		for _, i := range random.Perm(len(rows))[:random.IntN(min(len(rows), analytics.ClicksMax/2)+1)] {
			ids, want = append(ids, rows[i].ID, affiliate.NewClickID(rows[i].Time().UnixMilli(), 1, random.Uint64())), append(want, rows[i])
		}
		wantClicks(t, e, "random ids", ids, want...)

		var visitors []affiliate.VisitorID
		for range 1 + random.IntN(20) {
			visitors = append(visitors, affiliate.NewVisitorID(uint16(random.IntN(3)), 1+random.Uint64N(40)))
		}
		since := time.Date(2026, time.Month(1+random.IntN(6)), 1, 0, 0, 0, 0, time.UTC)
		until := since.AddDate(0, 0, random.IntN(180))
		program := []string{"shop", "other", ""}[random.IntN(3)]
		wantTouches(t, e, "random visitors", program, visitors, since, until, touchesModel(rows, program, visitors, since, until)...)
	}
}

func touchesModel(rows []analytics.Row, program string, visitors []affiliate.VisitorID, since, until time.Time) (want []analytics.Row) {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b analytics.Row) int { return newestFirst(touchOf(&a), touchOf(&b)) })
	each := map[affiliate.VisitorID]int{}
	for _, r := range rows {
		if r.Valid() && r.Program == program && slices.Contains(visitors, r.Visitor) && !r.Visitor.IsZero() &&
			!r.Time().Before(since) && !r.Time().After(until) && each[r.Visitor] < analytics.TouchesMax {
			each[r.Visitor]++
			want = append(want, r)
		}
	}
	return want
}
