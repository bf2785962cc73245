package sqlite

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/storetest"
)

// TestBooksAreFoundByIndex asks SQLite how it would run every statement that the books
// use: none may read a whole table, nor sort what an index has in order.
func TestBooksAreFoundByIndex(t *testing.T) {
	s, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "store.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	err = s.Update(t.Context(), func(w store.Writer) error {
		if err := useBooks(w.Books()); err != nil {
			return err
		}
		tx := w.(writer).t
		statements := make([]string, 0, len(tx.prepared))
		for query := range tx.prepared {
			statements = append(statements, query)
		}
		if len(statements) < 60 {
			t.Errorf("only %d statements were met", len(statements))
		}
		for _, query := range statements {
			plan, err := explain(tx, query)
			if err != nil {
				return err
			}
			for _, step := range plan {
				if fault(query, step) {
					t.Errorf("%s\n\t%s", query, strings.Join(plan, "\n\t"))
					break
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// fault says that a step reads more than was asked for.
func fault(query, step string) bool {
	newest := !strings.Contains(query, "WHERE") && strings.Contains(query, "LIMIT") // the last rows of all
	trial := strings.Contains(query, "GROUP BY currency")                           // all accounts
	// Of one subject or one transaction are few, and sorting them is cheap.
	few := strings.Contains(query, "p.subject = ? GROUP BY") || strings.Contains(query, "tx = ? ORDER BY")
	dead := strings.HasSuffix(step, "USING INDEX outbox_dead") // which holds nothing else
	return strings.HasPrefix(step, "SCAN") && !newest && !trial && !dead || strings.Contains(step, "TEMP B-TREE") && !few && !trial
}

func explain(t *transaction, query string) (plan []string, err error) {
	rows, err := t.sql.Query("EXPLAIN QUERY PLAN "+query, make([]any, strings.Count(query, "?"))...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close(), rows.Err()) }()
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			return nil, err
		}
		plan = append(plan, step)
	}
	return plan, nil
}

// useBooks calls every method, with every combination of a query's fields.
func useBooks(b store.Books) error {
	now := time.Unix(1e9, 0)
	eur := func(n int64) affiliate.Money { return affiliate.Money{Minor: n, Currency: "EUR"} }
	_, err1 := b.AddReports([]store.Report{{Digest: "d"}, {Digest: "d"}})
	_, err2 := b.Post([]ledger.Posting{{ID: "x", At: now, Subject: "x", Entries: []ledger.Entry{{Account: "a", Amount: eur(1)}, {Account: "b", Amount: eur(-1)}}}})
	err := errors.Join(err1, err2, b.PutConversion(store.Conversion{ID: "x"}), b.Refuse(store.Rejection{ID: "x"}), b.Enqueue([]store.Message{{ID: "x"}}),
		b.Retry("x", now, ""), b.Dead("x", ""), storetest.ReadBooksEveryWay(b))
	_, err3 := b.DeadMessages("", 1)
	_, err4 := b.DeadMessages("x", 1)
	_, err5 := b.SweepRejections(now)
	return errors.Join(err, err3, err4, err5, b.Replay("x"), b.Done("x"))
}
