package migration_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/postgres"
	"github.com/sluicehq/sluice/internal/store/sqlite"
	"github.com/sluicehq/sluice/internal/testkit"
)

// seeded returns random numbers and their seed; MIGRATION_SEED repeats a run.
func seeded(t testing.TB) *mathrand.Rand {
	t.Helper()
	seed := mathrand.Uint64()
	if s := os.Getenv("MIGRATION_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("MIGRATION_SEED=%d", seed)
	return mathrand.New(mathrand.NewPCG(seed, 0))
}

// schema names a schema that is dropped when the test ends.
func schema(t testing.TB) string {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text())
	t.Cleanup(func() { sql(t, "", "DROP SCHEMA IF EXISTS "+name+" CASCADE") })
	return name
}

// sql runs a statement beside the store, as somebody who meddles would.
func sql(t testing.TB, schema, statement string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, testkit.Engine(t, "POSTGRES"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if schema != "" {
		statement = "SET search_path = " + schema + "; " + statement
	}
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func openSQLite(t testing.TB, path string, readOnly bool) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(context.Background(), sqlite.Options{Path: path, ReadOnly: readOnly})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func openPostgres(t testing.TB, schema string, unfinished bool) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(context.Background(), postgres.Options{URL: testkit.Engine(t, "POSTGRES"), Schema: schema, Unfinished: unfinished})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// invented fills a store with random things of every kind.
type invented struct {
	random *mathrand.Rand
	n      int
	txs    []string // that were reported
}

// text may be anything that a stranger sends.
func (v *invented) text() string {
	v.n++
	odd := []string{"", "a", "größe", "with space", "tab\there", "nul\x00byte", "\xff\xfe no UTF-8", "'; DROP TABLE x", "🦆", strings.Repeat("long ", 200)}
	return odd[v.random.IntN(len(odd))]
}

func (v *invented) id(prefix string) string {
	v.n++
	return fmt.Sprintf("%s-%d-%x", prefix, v.n, v.random.Uint32())
}

func (v *invented) at() time.Time {
	if v.random.IntN(4) == 0 {
		return time.Time{}
	}
	return time.UnixMilli(1_700_000_000_000 + v.random.Int64N(100_000_000_000)).UTC()
}

func (v *invented) json() json.RawMessage {
	if v.random.IntN(3) == 0 {
		return nil
	}
	b, _ := json.Marshal(map[string]any{"text": strings.ToValidUTF8(v.text(), "?"), "n": v.random.Int64()})
	return b
}

func (v *invented) money() affiliate.Money {
	return affiliate.Money{Minor: v.random.Int64N(1_000_000) - 500_000, Currency: []affiliate.Currency{"EUR", "USD", "JPY"}[v.random.IntN(3)]}
}

var kinds = []store.Kind{store.Site, store.Program, store.Partner, store.User, store.Token, store.Session, store.Code, store.Setting, store.Request, store.Payout, store.Rate, store.PayoutNews, store.Endpoint}

// fill adds about n of everything, in some transactions.
func (v *invented) fill(t testing.TB, s store.Store, n int) {
	t.Helper()
	for _, write := range []func(w store.Writer) error{
		func(w store.Writer) error { return v.documents(w, n) },
		func(w store.Writer) error { return v.portfolio(w, n) },
		func(w store.Writer) error { return v.orders(w, n) },
		func(w store.Writer) error { return v.postings(w, n) },
		func(w store.Writer) error { return v.mail(w, n) },
	} {
		if err := s.Update(context.Background(), write); err != nil {
			t.Fatal(err)
		}
	}
}

func (v *invented) documents(w store.Writer, n int) error {
	for i := range n {
		body := append(v.json(), ' ') // bodies are kept byte by byte
		if err := w.Documents().Put(kinds[i%len(kinds)], store.Document{Key: v.id(v.text()), Body: body, Expires: v.at()}); err != nil {
			return err
		}
	}
	installation := store.Document{Key: "installation", Body: json.RawMessage(`{"installation":"ABC","epoch":1}`)}
	return w.Documents().Put(store.Setting, installation)
}

func (v *invented) portfolio(w store.Writer, n int) error {
	first, err := w.Links().Reserve(n + 7)
	if err != nil {
		return err
	}
	var batch []store.Link
	for i := range n {
		l := affiliate.Link{ID: first + int64(i), Site: []string{"blog", "shop"}[v.random.IntN(2)], Slug: fmt.Sprintf("slug-%d", first+int64(i)), Status: affiliate.Active,
			Note: strings.ToValidUTF8(strings.ReplaceAll(v.text(), "\x00", ""), "?"), Tags: []string{"tag", strconv.Itoa(v.random.IntN(5))}}
		if v.random.IntN(2) == 0 {
			l.Program, l.Partner = "prog", "anna"
		}
		l.Destinations = []affiliate.Destination{{URL: "https://shop.example/" + strconv.Itoa(i)}}
		body, err := json.Marshal(l)
		if err != nil {
			return err
		}
		batch = append(batch, store.Link{Link: &l, Body: body})
	}
	taken, err := w.Links().Insert(batch)
	if err != nil || len(taken) > 0 {
		return fmt.Errorf("%d names are taken: %w", len(taken), err)
	}
	if err := w.Links().Delete(first + int64(n/2)); err != nil {
		return err
	}
	var changes []store.Change
	for range n {
		changes = append(changes, store.Change{At: v.at().Add(time.Millisecond), Actor: v.text(), Kind: v.text(), Action: v.text(), Key: v.text(), Before: v.json(), After: v.json()})
	}
	return w.Changes().Append(changes)
}

func (v *invented) orders(w store.Writer, n int) error {
	for range n {
		report := store.Report{Report: affiliate.Report{ID: v.id("r"), Program: "prog", Tx: v.id("tx"), Event: "sale", At: v.at(), Taken: v.at(), Subs: []string{"x"}}, Digest: v.id(v.text())}
		v.txs = append(v.txs, report.Tx)
		if _, err := w.Books().AddReports([]store.Report{report}); err != nil {
			return err
		}
		c := store.Conversion{ID: v.id("c"), Program: v.text(), Tx: v.text(), Event: v.text(), Ordinal: v.random.IntN(5), State: affiliate.States[v.random.IntN(len(affiliate.States))],
			At: v.at(), Updated: v.at(), Due: v.at(), Order: v.money(), Whole: v.random.Int64(), Shares: v.json(), Partner: v.text(), ClickID: v.text(), ClickAt: v.at(), Visitor: v.text(),
			Coupon: v.text(), Customer: v.text(), Link: v.random.Int64(), Page: v.text(), Variant: v.text(), Sub1: v.text(), Revision: v.random.Int64(), Flagged: v.random.IntN(2) == 0,
			Path: v.json(), Rulings: v.json(), Evidence: v.json()}
		if err := w.Books().PutConversion(c); err != nil {
			return err
		}
	}
	return nil
}

func (v *invented) postings(w store.Writer, n int) error {
	var batch []ledger.Posting
	for range n {
		m := v.money()
		p := ledger.Posting{ID: v.id("p"), At: v.at(), Why: ledger.Accrued, Subject: v.id("s"), Author: v.text(), Note: v.text(), Reason: affiliate.ReasonFraud}
		from, to := ledger.Cost(fmt.Sprint("prog", v.random.IntN(9))), ledger.Pending("prog", fmt.Sprint("anna", v.random.IntN(50)))
		p.Entries = []ledger.Entry{{Account: from, Amount: affiliate.Money{Minor: -m.Minor, Currency: m.Currency}}, {Account: to, Amount: m}}
		batch = append(batch, p)
	}
	_, err := w.Books().Post(batch)
	return err
}

func (v *invented) mail(w store.Writer, n int) error {
	b := w.Books()
	for i := range n {
		if err := b.Refuse(store.Rejection{ID: v.id("j"), At: v.at(), Program: v.text(), Source: affiliate.ByAPI, Reason: v.text(), Message: v.text(), Raw: v.text(), Remote: v.text()}); err != nil {
			return err
		}
		m := store.Message{ID: v.id("m"), Kind: v.text(), Target: v.text(), Body: v.json(), NotBefore: v.at(), Attempts: v.random.IntN(9), LastError: v.text()}
		if err := b.Enqueue([]store.Message{m}); err != nil {
			return err
		}
		var err error
		switch i % 4 {
		case 1:
			err = b.Retry(m.ID, v.at(), v.text())
		case 2:
			err = b.Dead(m.ID, v.text())
		case 3:
			err = b.Done(m.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// holding is all that the contract lets one read of a store, by its own words.
type holding struct {
	Documents   map[store.Kind][]store.Document
	Links       []affiliate.Link
	Changes     []store.Change
	Last        int64
	Reports     map[string][]affiliate.Report
	Conversions []store.Conversion
	Postings    []ledger.Posting
	Balances    []store.Balance
	Rejections  []store.Rejection
	Waiting     []store.Message
	Dead        []store.Message
}

func holdingOf(t testing.TB, s store.Store, txs []string) (h holding) {
	t.Helper()
	const all = 1 << 30
	err := s.View(context.Background(), func(r store.Reader) (err error) {
		must := func(next error) {
			if err == nil {
				err = next
			}
		}
		var e error
		h.Documents, h.Reports = map[store.Kind][]store.Document{}, map[string][]affiliate.Report{}
		for _, kind := range kinds {
			h.Documents[kind], e = r.Documents().List(kind, "")
			must(e)
		}
		must(r.Links().Find(store.LinkQuery{Ascending: true}, func(l affiliate.Link) error { h.Links = append(h.Links, l); return nil }))
		h.Changes, e = r.Changes().Find(store.ChangeQuery{Limit: all})
		must(e)
		h.Last, e = r.Changes().Last()
		must(e)
		for _, tx := range txs {
			h.Reports[tx], e = r.Books().Reports("prog", tx)
			must(e)
		}
		h.Conversions, e = r.Books().FindConversions(store.ConversionQuery{Limit: all})
		must(e)
		h.Postings, e = r.Books().Postings(store.PostingQuery{Limit: all})
		must(e)
		h.Balances, e = r.Books().Balances("", time.Time{})
		must(e)
		h.Rejections, e = r.Books().Rejections(store.RejectionQuery{Limit: all})
		must(e)
		h.Waiting, e = r.Books().DueMessages(time.UnixMilli(1<<50), all)
		must(e)
		h.Dead, e = r.Books().DeadMessages("", all)
		must(e)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// newSource is a SQLite store with about n of everything, closed and opened again for reading.
func newSource(t testing.TB, random *mathrand.Rand, n int) (s *sqlite.Store, path string, txs []string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "store.db")
	writing := openSQLite(t, path, false)
	v := &invented{random: random}
	v.fill(t, writing, n)
	if err := writing.Close(); err != nil {
		t.Fatal(err)
	}
	return openSQLite(t, path, true), path, v.txs
}
