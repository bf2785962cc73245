package storetest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
)

func posting(id string, at time.Time, subject string, entries []ledger.Entry) ledger.Posting {
	return ledger.Posting{ID: id, At: at, Why: ledger.Accrued, Subject: subject, Entries: entries}
}

// move takes an amount from one account to another.
func move(from, to ledger.Account, minor int64) []ledger.Entry {
	return []ledger.Entry{{Account: from, Amount: eur(-minor)}, {Account: to, Amount: eur(minor)}}
}

func wantPostings(t *testing.T, r store.Reader, what string, q store.PostingQuery, want ...string) []ledger.Posting {
	t.Helper()
	got, err := r.Books().Postings(q)
	if err != nil {
		t.Fatal(what, err)
	}
	ids := make([]string, 0, len(got))
	for _, p := range got {
		ids = append(ids, p.ID)
	}
	wantSame(t, what, ids, want)
	return got
}

func testPostings(t *testing.T, s *suite) {
	full := ledger.Posting{ID: "p1", At: day, Why: ledger.Manual, Subject: "order-1", Author: "ada", Note: "make good", Reason: affiliate.ReasonOther,
		Entries: append(move("program/shop/cost", "partner/shop/ada/pending", 50), ledger.Entry{Account: "partner/shop/ada/pending", Amount: affiliate.Money{Minor: 7, Currency: "JPY"}},
			ledger.Entry{Account: "program/shop/cost", Amount: affiliate.Money{Minor: -7, Currency: "JPY"}})}
	s.update(func(w store.Writer) error {
		added, err := w.Books().Post([]ledger.Posting{full, posting("p2", day.Add(time.Hour), "order-2", move("a", "b", 1)), posting("p1", day, "again", move("a", "b", 1))})
		if added != 2 {
			t.Errorf("added %d, want 2", added)
		}
		return err
	})
	s.update(func(w store.Writer) error {
		added, err := w.Books().Post([]ledger.Posting{full,
			posting("p3", day, "order-1", move("b", "c", 1)), // before p2: raised
			posting("p4", day.Add(2*time.Hour), "order-2", move("c", "c", 5)),
			posting("p5", day.Add(time.Minute), "order-2", move("c", "a", 5))}) // before p4: raised
		if added != 3 {
			t.Errorf("added %d, want 3", added)
		}
		return err
	})
	s.view(func(r store.Reader) error {
		all := wantPostings(t, r, "all", store.PostingQuery{Limit: 9}, "p5", "p4", "p3", "p2", "p1")
		if !reflect.DeepEqual(all[4], full) {
			t.Errorf("got %+v, want %+v", all[4], full)
		}
		for i, want := range []time.Duration{2 * time.Hour, 2 * time.Hour, time.Hour, time.Hour, 0} {
			if !all[i].At.Equal(day.Add(want)) {
				t.Errorf("%s is dated %v, want %v", all[i].ID, all[i].At, day.Add(want))
			}
		}
		wantPostings(t, r, "limit", store.PostingQuery{Limit: 2}, "p5", "p4")
		wantPostings(t, r, "before", store.PostingQuery{Before: "p3", Limit: 9}, "p2", "p1")
		wantPostings(t, r, "subject", store.PostingQuery{Subject: "order-2", Limit: 9}, "p5", "p4", "p2")
		wantPostings(t, r, "subject, before", store.PostingQuery{Subject: "order-2", Before: "p5", Limit: 1}, "p4")
		wantPostings(t, r, "account", store.PostingQuery{Account: "c", Limit: 9}, "p5", "p4", "p3")
		wantPostings(t, r, "account, before", store.PostingQuery{Account: "c", Before: "p5", Limit: 1}, "p4")
		wantPostings(t, r, "account in two currencies", store.PostingQuery{Account: "program/shop/cost", Limit: 9}, "p1")
		wantPostings(t, r, "subject and account", store.PostingQuery{Subject: "order-1", Account: "c", Limit: 9}, "p3")
		wantPostings(t, r, "no such account", store.PostingQuery{Account: "program/shop", Limit: 9})
		_, err := r.Books().Postings(store.PostingQuery{Before: "nowhere", Limit: 1})
		wantCode(t, err, affiliate.NotFound)

		got, err := r.Books().SubjectBalances("order-2")
		want := map[ledger.Account]affiliate.Money{"a": eur(4), "b": eur(1), "c": eur(-5)}
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("posted for a subject: %v, want %v, %v", got, want, err)
		}
		if none, err := r.Books().SubjectBalances("order-3"); err != nil || len(none) != 0 {
			t.Errorf("posted for nothing: %v, %v", none, err)
		}
		_, err = r.Books().SubjectBalances("order-1")
		wantCode(t, err, affiliate.Conflict)
		trial, err := r.Books().Trial()
		wantSame(t, "trial", trial, []affiliate.Money{eur(0), {Currency: "JPY"}})
		return err
	})
}

func testBalances(t *testing.T, s *suite) {
	holds := func(account ledger.Account, m affiliate.Money) store.Balance {
		return store.Balance{Account: account, Money: m}
	}
	jpy := func(n int64) affiliate.Money { return affiliate.Money{Minor: n, Currency: "JPY"} }
	s.update(func(w store.Writer) error {
		_, err := w.Books().Post([]ledger.Posting{
			posting("p1", day, "s", move("x/a", "x/b", 10)),
			posting("p2", day, "s", move("x/a", "x/b", 5)), // at the same moment
			posting("p3", day.Add(time.Hour), "s", move("x/b", "y", 15)),
			posting("p4", day.Add(2*time.Hour), "s", []ledger.Entry{{Account: "x/b", Amount: jpy(3)}, {Account: "x/b", Amount: jpy(4)}, {Account: "x/a", Amount: jpy(-7)}}),
		})
		return err
	})
	s.view(func(r store.Reader) error {
		for _, c := range []struct {
			name string
			at   time.Time
			want []affiliate.Money
		}{
			{"before all", day.Add(-time.Millisecond), nil},
			{"at the first moment", day, []affiliate.Money{eur(15)}},
			{"between", day.Add(time.Hour - time.Millisecond), []affiliate.Money{eur(15)}},
			{"at the second moment", day.Add(time.Hour), []affiliate.Money{eur(0)}},
			{"at the last moment", day.Add(2 * time.Hour), []affiliate.Money{eur(0), jpy(7)}},
			{"later", day.AddDate(1, 0, 0), []affiliate.Money{eur(0), jpy(7)}},
			{"at the end", time.Time{}, []affiliate.Money{eur(0), jpy(7)}},
		} {
			got, err := r.Books().Balance("x/b", c.at)
			if err != nil {
				return err
			}
			wantSame(t, c.name, got, c.want)
		}
		if none, err := r.Books().Balance("x/", time.Time{}); err != nil || len(none) != 0 {
			t.Errorf("an account that is not there holds %v, %v", none, err)
		}
		for _, c := range []struct {
			prefix string
			at     time.Time
			want   []store.Balance
		}{
			{"x/", time.Time{}, []store.Balance{holds("x/a", eur(-15)), holds("x/a", jpy(-7)), holds("x/b", eur(0)), holds("x/b", jpy(7))}},
			{"", day, []store.Balance{holds("x/a", eur(-15)), holds("x/b", eur(15))}},
			{"y", day.Add(time.Hour), []store.Balance{holds("y", eur(15))}},
			{"z", time.Time{}, nil},
		} {
			got, err := r.Books().Balances(c.prefix, c.at)
			if err != nil {
				return err
			}
			wantSame(t, "balances of "+c.prefix, got, c.want)
		}
		return nil
	})
}

func testBadPostings(t *testing.T, s *suite) {
	most := int64(999_999_999_999_999)
	many := func(n int) (entries []ledger.Entry) {
		for range n / 2 {
			entries = append(entries, move("a", "b", most)...)
		}
		return entries
	}
	for _, c := range []struct {
		name string
		bad  ledger.Posting
	}{
		{"no id", posting("", day, "s", move("a", "b", 1))},
		{"no entries", posting("p", day, "s", nil)},
		{"too many entries", posting("p", day, "s", many(ledger.EntriesMax+2))},
		{"not zero", posting("p", day, "s", move("a", "b", 1)[:1])},
		{"zero only across currencies", posting("p", day, "s", []ledger.Entry{{Account: "a", Amount: eur(1)}, {Account: "b", Amount: affiliate.Money{Minor: -1, Currency: "USD"}}})},
		{"no account", posting("p", day, "s", move("a", "", 1))},
		{"no currency", posting("p", day, "s", []ledger.Entry{{Account: "a"}})},
		{"too large", posting("p", day, "s", move("a", "b", most+1))},
		{"too small", posting("p", day, "s", move("a", "b", -most-1))},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.update(func(w store.Writer) error {
				_, err := w.Books().Post([]ledger.Posting{posting("good", day, "s", move("a", "b", 1)), c.bad})
				wantCode(t, err, affiliate.Invalid)
				wantPostings(t, reader{w}, "after it", store.PostingQuery{Limit: 9})
				return nil
			})
		})
	}
	s.update(func(w store.Writer) error {
		for i := range 18 {
			if _, err := w.Books().Post([]ledger.Posting{posting(fmt.Sprint(i), day, "s", many(ledger.EntriesMax))}); err != nil {
				return err
			}
		}
		held, err := w.Books().Balance("b", time.Time{})
		wantSame(t, "a large balance", held, []affiliate.Money{eur(18 * ledger.EntriesMax / 2 * most)})
		if err != nil {
			return err
		}
		_, err = w.Books().Post([]ledger.Posting{posting("fits", day, "s", move("c", "d", 1)), posting("beyond", day, "s", many(ledger.EntriesMax))})
		wantCode(t, err, affiliate.Invalid)
		wantPostings(t, reader{w}, "after one beyond 64 bits", store.PostingQuery{Limit: 1}, "17")
		if _, err := w.Books().Post([]ledger.Posting{posting("back", day, "s", move("b", "a", most))}); err != nil {
			t.Errorf("back from the edge: %v", err)
		}
		return nil
	})
}

// testRandomPostings holds the engine to a sum over a list, at every moment.
func testRandomPostings(t *testing.T, s *suite) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	accounts := []ledger.Account{"p/a", "p/b", "p/c", "q"}
	var model []ledger.Posting
	now := day
	for range 30 {
		var batch []ledger.Posting
		for range random.IntN(6) {
			p := posting(fmt.Sprint(random.IntN(150)), day.Add(time.Duration(random.IntN(100))*time.Minute), fmt.Sprint(random.IntN(5)), nil)
			for range 1 + random.IntN(60) { // more than an engine writes at once
				p.Entries = append(p.Entries, move(accounts[random.IntN(4)], accounts[random.IntN(4)], int64(random.IntN(2000)-1000))...)
			}
			batch = append(batch, p)
		}
		want := 0
		for _, p := range batch {
			if !postedIn(model, p.ID) {
				if p.At.After(now) {
					now = p.At
				}
				p.At = now
				model, want = append(model, p), want+1
			}
		}
		s.update(func(w store.Writer) error {
			half := len(batch) / 2
			first, err := w.Books().Post(batch[:half])
			if err != nil {
				return err
			}
			second, err := w.Books().Post(batch[half:])
			if first+second != want {
				t.Errorf("added %d and %d, want %d", first, second, want)
			}
			return err
		})
	}
	s.view(func(r store.Reader) error {
		got, err := r.Books().Postings(store.PostingQuery{Limit: 1000})
		if err != nil {
			return err
		}
		for i := range got {
			if want := model[len(model)-1-i]; !reflect.DeepEqual(got[i], want) {
				t.Fatalf("got %+v, want %+v", got[i], want)
			}
		}
		for minute := -1; minute <= 101; minute += 3 {
			at := day.Add(time.Duration(minute) * time.Minute)
			for _, account := range accounts {
				held, err := r.Books().Balance(account, at)
				if err != nil {
					return err
				}
				wantSame(t, fmt.Sprintf("%s after %d minutes", account, minute), held, sumUntil(model, account, at))
			}
		}
		trial, err := r.Books().Trial()
		wantSame(t, "trial", trial, []affiliate.Money{eur(0)})
		return err
	})
}

func postedIn(model []ledger.Posting, id string) bool {
	for _, p := range model {
		if p.ID == id {
			return true
		}
	}
	return false
}

func sumUntil(model []ledger.Posting, account ledger.Account, at time.Time) (held []affiliate.Money) {
	for _, p := range model {
		for _, e := range p.Entries {
			if e.Account != account || p.At.After(at) {
				continue
			}
			if held == nil {
				held = []affiliate.Money{eur(0)}
			}
			held[0] = held[0].Add(e.Amount)
		}
	}
	return held
}

// testTwoPosting lets two post the same and their own at once: what both have is there
// once, and no balance is lost.
func testTwoPosting(t *testing.T, s *suite) {
	const rounds = 40
	errs, added := make(chan error, 2), make(chan int, 2*rounds)
	for who := range 2 {
		go func() {
			errs <- func() error {
				for i := range rounds {
					err := s.Store.Update(t.Context(), func(w store.Writer) error {
						n, err := w.Books().Post([]ledger.Posting{
							posting(fmt.Sprintf("both-%d", i), day, "s", move("a", "b", 1)),
							posting(fmt.Sprintf("%d-%d", who, i), day, "s", move("a", "b", 100))})
						added <- n
						return err
					})
					if err != nil {
						return err
					}
				}
				return nil
			}()
		}()
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	close(added)
	sum := 0
	for n := range added {
		sum += n
	}
	s.view(func(r store.Reader) error {
		held, err := r.Books().Balance("b", time.Time{})
		wantSame(t, "the balance", held, []affiliate.Money{eur(rounds + 2*rounds*100)})
		if sum != 3*rounds {
			t.Errorf("%d were added, want %d", sum, 3*rounds)
		}
		return err
	})
}
