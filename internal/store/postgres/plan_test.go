package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/storetest"
	"github.com/sluicehq/sluice/internal/testkit"
)

// TestStatementsFindByIndex asks PostgreSQL how it would run every statement that the store uses, on tables of some size: none may
// read a whole table, nor sort what an index has in order.
func TestStatementsFindByIndex(t *testing.T) {
	s, err := Open(t.Context(), Options{URL: testkit.Engine(t, "POSTGRES"), Schema: fmt.Sprintf("test_plans_%d", time.Now().UnixNano())})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_, err := s.writer.Exec(context.Background(), "DROP SCHEMA "+s.schema+" CASCADE")
		if err := errors.Join(err, s.Close()); err != nil {
			t.Error(err)
		}
	}()
	if err := s.Update(t.Context(), fillBooks); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"documents", "links", "changes", "reports", "conversions", "accounts", "postings", "entries", "rejections", "outbox"} {
		if _, err := s.writer.Exec(t.Context(), "ANALYZE "+table); err != nil {
			t.Fatal(err)
		}
	}
	err = s.Update(t.Context(), func(w store.Writer) error {
		tx := w.(writer).t
		return errors.Join(readAll(w.Books(), w.Documents(), w.Links(), w.Changes()), writeAll(w), checkPlans(t, tx, 55))
	})
	if err != nil {
		t.Error(err)
	}
	err = s.View(t.Context(), func(r store.Reader) error {
		tx := r.(reader).t
		return errors.Join(readAll(r.Books(), r.Documents(), r.Links(), r.Changes()), checkPlans(t, tx, 40))
	})
	if err != nil {
		t.Error(err)
	}
}

// checkPlans explains the statements that the transaction's session has prepared, for whatever arguments.
func checkPlans(t *testing.T, tx *transaction, least int) error {
	t.Helper()
	if _, err := tx.exec("SET LOCAL plan_cache_mode = force_generic_plan"); err != nil {
		return err
	}
	type prepared struct {
		name, statement string
		arguments       int
	}
	var all []prepared
	err := tx.each("SELECT name, statement, cardinality(parameter_types) FROM pg_prepared_statements WHERE statement ~ '^(SELECT|INSERT|UPDATE|DELETE|WITH)'", nil, func(rows pgx.Rows) error {
		var p prepared
		err := rows.Scan(&p.name, &p.statement, &p.arguments)
		all = append(all, p)
		return err
	})
	if err != nil {
		return err
	}
	if len(all) < least {
		t.Errorf("only %d statements were met", len(all))
	}
	for _, p := range all {
		execute := "EXPLAIN (COSTS OFF) EXECUTE " + p.name
		if p.arguments > 0 {
			execute += "(" + strings.TrimSuffix(strings.Repeat("NULL,", p.arguments), ",") + ")"
		}
		rows, err := tx.conn.Query(tx.ctx, execute, pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			return err
		}
		plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return fmt.Errorf("%s: %w", p.statement, err)
		}
		if fault(p.statement, strings.Join(plan, "\n")) {
			t.Errorf("%s\n\t%s", p.statement, strings.Join(plan, "\n\t"))
		}
	}
	return nil
}

// fault says that a plan reads more than was asked for.
func fault(statement, plan string) bool {
	for _, small := range []string{"Seq Scan on counters", "Seq Scan on schema", "Seq Scan on pg_", "Function Scan on"} {
		plan = strings.ReplaceAll(plan, small, "")
	}
	whole := strings.Contains(statement, "FROM pg_") || strings.Contains(statement, "words LIKE") || strings.HasPrefix(statement, "SELECT count(*) FROM links") || strings.Contains(statement, "WHERE status")
	trial := strings.Contains(statement, "GROUP BY currency") // all accounts
	// Of one subject, one transaction, one page of postings and one prefix are few, or all of them are wanted: sorting them is cheap.
	few := strings.Contains(statement, "p.subject = $1 GROUP BY") || strings.Contains(statement, "tx = $2 ORDER BY") || strings.Contains(statement, "p.seq = ANY") || strings.Contains(statement, "WHERE a.name")
	return strings.Contains(plan, "Seq Scan") && !whole && !trial || strings.Contains(plan, "Sort Key") && !few && !trial && !whole
}

func fillBooks(w store.Writer) error {
	const n = 4000
	start := time.Unix(1e9, 0)
	eur := func(n int64) affiliate.Money { return affiliate.Money{Minor: n, Currency: "EUR"} }
	links, changes := make([]store.Link, n), make([]store.Change, n)
	var postings []ledger.Posting
	var reports []store.Report
	var messages []store.Message
	for i := range n {
		id, program, partner := fmt.Sprintf("%x", uint64(i)*0x9e3779b97f4a7c15), fmt.Sprint("program-", i%20), fmt.Sprint("partner-", i%300)
		at := start.Add(time.Duration(i) * time.Minute)
		c := store.Conversion{ID: id, Program: program, Tx: "tx-" + id, State: []affiliate.State{affiliate.Pending, affiliate.Approved, affiliate.Reversed}[i%3], At: at, Updated: at,
			Due: at.AddDate(0, 1, 0), ClickAt: at, ClickID: "click-" + id, Customer: "customer-" + id, Partner: partner, Order: eur(100)}
		err := errors.Join(w.Books().PutConversion(c), w.Books().Refuse(store.Rejection{ID: id, At: at, Program: program, Reason: fmt.Sprint("reason-", i%7)}),
			w.Documents().Put(store.Session, store.Document{Key: id, Body: json.RawMessage(`1`), Expires: at}))
		if err != nil {
			return err
		}
		l := &affiliate.Link{ID: int64(i + 1), Site: fmt.Sprint("site-", i%3), Slug: id, Program: program, Partner: partner, Status: affiliate.Active}
		links[i] = store.Link{Link: l, Body: json.RawMessage(`{}`)}
		changes[i] = store.Change{At: at, Kind: "link", Key: id}
		reports = append(reports, store.Report{Digest: id, Report: affiliate.Report{ID: id, Program: program, Tx: "tx-" + id}})
		messages = append(messages, store.Message{ID: id, NotBefore: at})
		postings = append(postings, ledger.Posting{ID: id, At: at, Subject: id, Entries: []ledger.Entry{
			{Account: "cost", Amount: eur(-1)}, {Account: ledger.Account("partner/" + id), Amount: eur(1)}}})
	}
	_, err1 := w.Links().Reserve(n)
	_, err2 := w.Links().Insert(links)
	_, err3 := w.Books().Post(postings)
	_, err4 := w.Books().AddReports(reports)
	err := errors.Join(err1, err2, err3, err4, w.Changes().Append(changes), w.Books().Enqueue(messages), w.Books().Enqueue([]store.Message{{ID: "x"}}),
		w.Books().PutConversion(store.Conversion{ID: "x"}), w.Books().Refuse(store.Rejection{ID: "x"}))
	if err == nil {
		_, err = w.Books().Post([]ledger.Posting{{ID: "x", At: start, Subject: "x", Entries: []ledger.Entry{{Account: "a", Amount: eur(1)}, {Account: "b", Amount: eur(-1)}}}})
	}
	return err
}

// readAll calls every method that reads, with every combination of a query's fields.
func readAll(b store.BooksReader, d store.DocumentReader, l store.LinkReader, ch store.ChangeReader) error {
	_, err1 := d.List(store.Session, "a")
	_, err2 := d.List(store.Session, "")
	_, err3 := ch.Find(store.ChangeQuery{Kind: "link", Key: "x", Limit: 1})
	_, err4 := ch.Find(store.ChangeQuery{After: 1, Before: 9, Limit: 1, Newest: true})
	err := errors.Join(storetest.ReadBooksEveryWay(b), err1, err2, err3, err4)
	storetest.EveryWay(5, func(set func(field int, value string) string) {
		query := store.LinkQuery{Site: set(0, "site-1"), Program: set(1, "program-1"), Partner: set(2, "partner-1"), Status: affiliate.Status(set(3, "active")), Text: set(4, "x"), Limit: 1}
		err1 := l.Find(query, func(affiliate.Link) error { return nil })
		_, err2 := l.Count(query)
		err = errors.Join(err, err1, err2)
	})
	return err
}

func writeAll(w store.Writer) error {
	b, now := w.Books(), time.Unix(1e9, 0)
	link := store.Link{Link: &affiliate.Link{ID: 1, Site: "x", Slug: "y"}, Body: json.RawMessage(`{}`)}
	_, err1 := b.DeadMessages("x", 1)
	_, err2 := b.DeadMessages("", 1)
	_, err3 := b.SweepRejections(time.Time{})
	_, err4 := w.Documents().Sweep(now)
	return errors.Join(err1, err2, err3, err4, b.Retry("x", now, ""), b.Dead("x", ""), b.Replay("x"), b.Done("x"), w.Links().Replace(link), w.Links().Delete(1))
}
