package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
)

// booksTests are the part of the suite about the books.
var booksTests = []test{
	{"reports", testReports},
	{"conversions", testConversions},
	{"due conversions", testDue},
	{"find conversions", testFindConversions},
	{"pages of conversions", testConversionPages},
	{"customers and volumes", testSums},
	{"sums of conversions", testSumConversions},
	{"sums of conversions that are refused", testBadSums},
	{"rejections", testRejections},
	{"rejections are bounded", testRejectionsMax},
	{"outbox", testOutbox},
	{"postings", testPostings},
	{"balances at a moment", testBalances},
	{"postings that are refused", testBadPostings},
	{"random postings", testRandomPostings},
	{"two who post", testTwoPosting},
	{"books after an error", testBooksRollback},
	{"books stay", testBooksReopen},
}

var day = time.Date(2026, 3, 1, 12, 0, 0, 5e6, time.UTC)

func eur(minor int64) affiliate.Money { return affiliate.Money{Minor: minor, Currency: "EUR"} }

func report(program, tx, id, digest string) store.Report {
	amount := eur(1234)
	return store.Report{Digest: digest, Report: affiliate.Report{ID: id, Program: program, Tx: tx, Status: affiliate.ReportPending,
		Amount: &amount, Touches: []string{"a", "b"}, At: day, Taken: day.Add(time.Second), Source: affiliate.ByPostback}}
}

func testReports(t *testing.T, s *suite) {
	first := report("shop", "tx-1", "id-2", "digest-a")
	s.update(func(w store.Writer) error {
		known, err := w.Books().AddReports([]store.Report{first, report("shop", "tx-1", "id-1", "digest-b"), report("shop", "tx-2", "id-3", "digest-c")})
		wantSame(t, "known in an empty store", known, nil)
		return err
	})
	s.update(func(w store.Writer) error {
		known, err := w.Books().AddReports([]store.Report{
			report("shop", "tx-1", "id-4", "digest-a"),  // there already
			report("other", "tx-1", "id-5", "digest-a"), // of another program
			report("shop", "tx-3", "id-8", "digest-a"),  // of another transaction
			report("shop", "tx-1", "id-6", "digest-d"),
			report("shop", "tx-1", "id-7", "digest-d"), // earlier in the batch
			first, // the very same again
		})
		wantSame(t, "places of known reports", known, []int{0, 4, 5})
		return err
	})
	s.view(func(r store.Reader) error {
		got, err := r.Books().Reports("shop", "tx-1")
		var ids []string
		for _, report := range got {
			ids = append(ids, report.ID)
		}
		wantSame(t, "reports of a transaction", ids, []string{"id-1", "id-2", "id-6"})
		if len(got) == 3 && !reflect.DeepEqual(got[1], first.Report) {
			t.Errorf("got %+v, want %+v", got[1], first.Report)
		}
		if none, err := r.Books().Reports("shop", "tx"); err != nil || len(none) != 0 {
			t.Errorf("reports of a transaction that is not there: %v, %v", none, err)
		}
		return err
	})
	wantCode(t, s.Store.Update(t.Context(), func(w store.Writer) error {
		_, err := w.Books().AddReports([]store.Report{report("shop", "tx-1", "id-9", "")})
		return err
	}), affiliate.Invalid)
}

// conversion is one with every field set.
func conversion(id string) store.Conversion {
	return store.Conversion{ID: id, Program: "shop", Tx: "tx-" + id, Event: "sale", Ordinal: 2, State: affiliate.Pending,
		At: day, Updated: day.Add(time.Hour), Due: day.AddDate(0, 0, 30), Order: eur(9900), Whole: 12000, Shares: json.RawMessage(`[{"p":"ada"}]`), Partner: "ada",
		ClickID: "click-" + id, ClickAt: day.Add(-time.Hour), Visitor: "visitor", Coupon: "SAVE", Customer: "customer", Link: 7, Page: "/best",
		Variant: "b", Sub1: "sub", Revision: 3, Flagged: true, Path: json.RawMessage(`[1]`), Rulings: json.RawMessage(`[2]`), Evidence: json.RawMessage(`[3]`)}
}

func put(t *testing.T, w store.Writer, conversions ...store.Conversion) {
	t.Helper()
	for _, c := range conversions {
		if err := w.Books().PutConversion(c); err != nil {
			t.Fatal(err)
		}
	}
}

func testConversions(t *testing.T, s *suite) {
	full, bare := conversion("c1"), store.Conversion{ID: "c2", Program: "shop", Tx: "tx-c1"}
	s.update(func(w store.Writer) error {
		put(t, w, full, bare)
		got, err := w.Books().Conversion("c1")
		if err != nil || !reflect.DeepEqual(got, full) {
			t.Errorf("the transaction does not see its own write: %+v, %v", got, err)
		}
		return nil
	})
	s.view(func(r store.Reader) error {
		for _, want := range []store.Conversion{full, bare} {
			if got, err := r.Books().Conversion(want.ID); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v, %v", got, want, err)
			}
		}
		_, err := r.Books().Conversion("C1")
		wantCode(t, err, affiliate.NotFound)
		got, err := r.Books().ConversionsOf("shop", "tx-c1")
		wantConversions(t, "of a transaction, by ordinal", got, "c2", "c1")
		return err
	})
	changed := bare
	changed.ID, changed.State, changed.Order, changed.Revision = "c1", affiliate.Reversed, eur(-1), 4
	s.update(func(w store.Writer) error { put(t, w, changed); return nil })
	s.view(func(r store.Reader) error {
		if got, err := r.Books().Conversion("c1"); err != nil || !reflect.DeepEqual(got, changed) {
			t.Errorf("after it was replaced: got %+v, want %+v, %v", got, changed, err)
		}
		got, err := r.Books().FindConversions(store.ConversionQuery{Click: "click-c1", Limit: 5})
		wantConversions(t, "by the click it had before", got)
		return err
	})
}

func wantConversions(t *testing.T, what string, got []store.Conversion, want ...string) {
	t.Helper()
	ids := make([]string, 0, len(got))
	for _, c := range got {
		ids = append(ids, c.ID)
	}
	wantSame(t, what, ids, want)
}

func testDue(t *testing.T, s *suite) {
	s.update(func(w store.Writer) error {
		for id, due := range map[string]time.Time{"never": {}, "late": day.Add(time.Millisecond), "now": day, "past": day.Add(-time.Hour), "past-2": day.Add(-time.Hour)} {
			c := conversion(id)
			c.Due = due
			put(t, w, c)
		}
		return nil
	})
	s.view(func(r store.Reader) error {
		due, err := r.Books().DueConversions(day, 10)
		wantConversions(t, "due", due, "past", "past-2", "now")
		if err != nil {
			return err
		}
		due, err = r.Books().DueConversions(day, 1)
		wantConversions(t, "due, one", due, "past")
		return err
	})
	s.update(func(w store.Writer) error {
		c := conversion("past")
		c.Due = time.Time{}
		put(t, w, c)
		due, err := w.Books().DueConversions(day, 10)
		wantConversions(t, "due after one was looked at", due, "past-2", "now")
		return err
	})
}

func testFindConversions(t *testing.T, s *suite) {
	s.update(func(w store.Writer) error {
		for i, row := range []struct {
			program, partner, click string
			state                   affiliate.State
			hours                   int
		}{
			{"shop", "ada", "k1", affiliate.Pending, 1},
			{"shop", "ada", "k1", affiliate.Reversed, 2},
			{"shop", "bob", "k2", affiliate.Pending, 3},
			{"shop", "", "", affiliate.Unmatched, 3}, // at the same moment
			{"other", "ada", "k3", affiliate.Pending, 0},
		} {
			c := conversion(fmt.Sprintf("c%d", i+1))
			c.Program, c.Partner, c.ClickID, c.State, c.At = row.program, row.partner, row.click, row.state, day.Add(time.Duration(row.hours)*time.Hour)
			put(t, w, c)
		}
		return nil
	})
	for _, c := range []struct {
		name  string
		query store.ConversionQuery
		want  []string
	}{
		{"all", store.ConversionQuery{Limit: 9}, []string{"c4", "c3", "c2", "c1", "c5"}},
		{"limit", store.ConversionQuery{Limit: 2}, []string{"c4", "c3"}},
		{"before one at the same moment", store.ConversionQuery{Before: "c4", Limit: 9}, []string{"c3", "c2", "c1", "c5"}},
		{"program", store.ConversionQuery{Program: "shop", Limit: 9}, []string{"c4", "c3", "c2", "c1"}},
		{"program, before", store.ConversionQuery{Program: "shop", Before: "c2", Limit: 9}, []string{"c1"}},
		{"partner", store.ConversionQuery{Program: "shop", Partner: "ada", Limit: 9}, []string{"c2", "c1"}},
		{"partner of another program", store.ConversionQuery{Program: "other", Partner: "bob", Limit: 9}, nil},
		{"state", store.ConversionQuery{State: affiliate.Pending, Limit: 9}, []string{"c3", "c1", "c5"}},
		{"program and state", store.ConversionQuery{Program: "shop", State: affiliate.Pending, Limit: 9}, []string{"c3", "c1"}},
		{"partner and state", store.ConversionQuery{Program: "shop", Partner: "ada", State: affiliate.Reversed, Limit: 9}, []string{"c2"}},
		{"click", store.ConversionQuery{Click: "k1", Limit: 9}, []string{"c2", "c1"}},
		{"click and state", store.ConversionQuery{Click: "k1", State: affiliate.Pending, Limit: 9}, []string{"c1"}},
		{"from", store.ConversionQuery{From: day.Add(2 * time.Hour), Limit: 9}, []string{"c4", "c3", "c2"}},
		{"to", store.ConversionQuery{To: day.Add(2 * time.Hour), Limit: 9}, []string{"c1", "c5"}},
		{"everything at once", store.ConversionQuery{Program: "shop", Partner: "ada", State: affiliate.Pending, Click: "k1",
			From: day.Add(time.Hour), To: day.Add(2 * time.Hour), Before: "c2", Limit: 9}, []string{"c1"}},
	} {
		s.view(func(r store.Reader) error {
			got, err := r.Books().FindConversions(c.query)
			wantConversions(t, c.name, got, c.want...)
			return err
		})
	}
	s.view(func(r store.Reader) error {
		_, err := r.Books().FindConversions(store.ConversionQuery{Before: "nowhere", Limit: 1})
		wantCode(t, err, affiliate.NotFound)
		return nil
	})
}

func testConversionPages(t *testing.T, s *suite) {
	const n = 530
	var want []string
	s.update(func(w store.Writer) error {
		for i := range n {
			c := conversion(fmt.Sprintf("c%04d", i))
			c.At = day.Add(time.Duration(i/7) * time.Minute) // seven at a time
			put(t, w, c)
			want = append([]string{c.ID}, want...)
		}
		return nil
	})
	s.view(func(r store.Reader) error {
		var got []store.Conversion
		before := ""
		for {
			page, err := r.Books().FindConversions(store.ConversionQuery{Program: "shop", Before: before, Limit: 50})
			if err != nil {
				return err
			}
			if len(page) == 0 {
				break
			}
			got, before = append(got, page...), page[len(page)-1].ID
		}
		wantConversions(t, "all pages", got, want...)
		return nil
	})
}

func testSums(t *testing.T, s *suite) {
	s.update(func(w store.Writer) error {
		for i, row := range []struct {
			program, partner, customer string
			state                      affiliate.State
			minor                      int64
		}{
			{"shop", "ada", "x", affiliate.Pending, 100},
			{"shop", "ada", "x", affiliate.Reversed, 1000},
			{"shop", "ada", "y", affiliate.Paid, 20},
			{"shop", "bob", "x", affiliate.Approved, 5000},
			{"other", "ada", "x", affiliate.Pending, 7000},
			{"shop", "", "", affiliate.Unmatched, 9},
			{"shop", "", "", affiliate.Pending, 80},
		} {
			c := conversion(fmt.Sprintf("c%d", i))
			c.Program, c.Partner, c.Customer, c.State, c.Order = row.program, row.partner, row.customer, row.state, eur(row.minor)
			c.At = day.Add(time.Duration(i) * time.Hour)
			put(t, w, c)
		}
		return nil
	})
	s.view(func(r store.Reader) error {
		for _, c := range []struct {
			program, partner string
			from, to         int // hours
			want             int64
		}{
			{"shop", "ada", 0, 24, 120},
			{"shop", "ada", 0, 2, 100},
			{"shop", "ada", 1, 3, 20},
			{"shop", "ada", 2, 2, 0},
			{"shop", "eve", 0, 24, 0},
			{"shop", "", 0, 24, 80},
		} {
			got, err := r.Books().Volume(c.program, c.partner, day.Add(time.Duration(c.from)*time.Hour), day.Add(time.Duration(c.to)*time.Hour))
			if err != nil || got != c.want {
				t.Errorf("%+v: the volume is %d, %v", c, got, err)
			}
		}
		for _, c := range []struct {
			program, customer string
			before            int // hours
			want              int
		}{
			{"shop", "x", 24, 3}, {"shop", "x", 0, 0}, {"shop", "x", 1, 1}, {"other", "x", 24, 1}, {"shop", "z", 24, 0}, {"shop", "", 24, 0},
		} {
			got, err := r.Books().CustomerOrders(c.program, c.customer, day.Add(time.Duration(c.before)*time.Hour))
			if err != nil || got != c.want {
				t.Errorf("%+v: the customer has %d orders, %v", c, got, err)
			}
		}
		return nil
	})
}

// writeBooks writes something of each kind, named after n.
func writeBooks(t *testing.T, w store.Writer, n int) {
	t.Helper()
	id := fmt.Sprint(n)
	b := w.Books()
	put(t, w, conversion(id))
	_, reports := b.AddReports([]store.Report{report("shop", "tx", id, "digest-"+id)})
	_, posted := b.Post([]ledger.Posting{posting(id, day, "subject", move("a", "b", 100))})
	if err := errors.Join(reports, posted, b.Refuse(store.Rejection{ID: id, At: day}), b.Enqueue([]store.Message{{ID: id, Kind: "postback"}})); err != nil {
		t.Fatal(err)
	}
}

// wantBooks says that exactly n rounds of writeBooks are there.
func wantBooks(t *testing.T, r store.Reader, n int) {
	t.Helper()
	b := r.Books()
	reports, err := b.Reports("shop", "tx")
	conversions, err2 := b.FindConversions(store.ConversionQuery{Limit: 100})
	postings, err3 := b.Postings(store.PostingQuery{Limit: 100})
	rejections, err4 := b.Rejections(store.RejectionQuery{Limit: 100})
	messages, err5 := b.DueMessages(day, 100)
	held, err6 := b.Balance("b", time.Time{})
	if err := errors.Join(err, err2, err3, err4, err5, err6); err != nil {
		t.Fatal(err)
	}
	for what, got := range map[string]int{"reports": len(reports), "conversions": len(conversions), "postings": len(postings), "rejections": len(rejections), "messages": len(messages)} {
		if got != n {
			t.Errorf("%d %s, want %d", got, what, n)
		}
	}
	if n == 0 && len(held) != 0 || n > 0 && (len(held) != 1 || held[0] != eur(int64(100*n))) {
		t.Errorf("the balance is %v after %d postings", held, n)
	}
}

func testBooksRollback(t *testing.T, s *suite) {
	for n := range 2 {
		want := errors.New("no, after all")
		err := s.Store.Update(t.Context(), func(w store.Writer) error {
			writeBooks(t, w, 100)
			wantBooks(t, reader{w}, n+1)
			return want
		})
		if !errors.Is(err, want) {
			t.Errorf("got %v", err)
		}
		s.view(func(r store.Reader) error { wantBooks(t, r, n); return nil })
		s.update(func(w store.Writer) error { writeBooks(t, w, n); return nil })
	}
}

// reader lets a Writer be read.
type reader struct{ w store.Writer }

func (r reader) Documents() store.DocumentReader { return r.w.Documents() }
func (r reader) Links() store.LinkReader         { return r.w.Links() }
func (r reader) Changes() store.ChangeReader     { return r.w.Changes() }
func (r reader) Books() store.BooksReader        { return r.w.Books() }

func testBooksReopen(t *testing.T, s *suite) {
	s.update(func(w store.Writer) error { writeBooks(t, w, 0); return nil })
	if err := s.Store.Close(); err != nil {
		t.Fatal(err)
	}
	s.Store = s.open(t, s.place)
	s.view(func(r store.Reader) error { wantBooks(t, r, 1); return nil })
	s.update(func(w store.Writer) error {
		writeBooks(t, w, 1)
		known, err := w.Books().AddReports([]store.Report{report("shop", "tx", "again", "digest-0")})
		wantSame(t, "known after a restart", known, []int{0})
		return err
	})
	s.view(func(r store.Reader) error { wantBooks(t, r, 2); return nil })
}
