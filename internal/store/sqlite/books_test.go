package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/sqlite"
	"github.com/sluicehq/sluice/internal/store/storetest"
)

func BenchmarkBooks(b *testing.B) { storetest.BenchmarkBooks(b, openEmpty) }
func BenchmarkLinks(b *testing.B) { storetest.BenchmarkLinks(b, openEmpty) }

func openEmpty(b *testing.B) store.Store {
	s, err := sqlite.Open(b.Context(), sqlite.Options{Path: filepath.Join(b.TempDir(), "store.db")})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s
}

var march = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func transfer(id string, minor int64) ledger.Posting {
	return ledger.Posting{ID: id, At: march, Subject: "s", Entries: []ledger.Entry{
		{Account: "a", Amount: affiliate.Money{Minor: -minor, Currency: "EUR"}}, {Account: "b", Amount: affiliate.Money{Minor: minor, Currency: "EUR"}}}}
}

// TestLedgerRefusesChanges tries every way of SQL to change what was posted, as a
// program outside Sluice would.
func TestLedgerRefusesChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	defer func() { _ = s.Close() }()
	err := s.Update(t.Context(), func(w store.Writer) error {
		_, err := w.Books().Post([]ledger.Posting{transfer("p1", 5), transfer("p2", 7)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite3", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, statement := range []string{
		"DELETE FROM entries", "DELETE FROM postings", "DELETE FROM accounts",
		"DELETE FROM entries WHERE posting = 2 AND line = 1",
		"UPDATE entries SET amount = amount + 1", "UPDATE entries SET balance = 0 WHERE posting = 1", "UPDATE postings SET subject = 'x'", "UPDATE accounts SET name = 'c' WHERE name = 'a'",
		"INSERT OR REPLACE INTO entries SELECT posting, line, account, amount + 1, balance FROM entries",
		"REPLACE INTO postings (seq, id, at, why, subject, author, note, reason) SELECT seq, 'x', at, why, subject, author, note, reason FROM postings",
		"REPLACE INTO postings (id, at, why, subject, author, note, reason) SELECT id, 0, why, subject, author, note, reason FROM postings",
		"REPLACE INTO accounts SELECT id, 'x', currency FROM accounts",
		"REPLACE INTO accounts (name, currency) SELECT name, currency FROM accounts",
		"INSERT INTO entries SELECT * FROM entries WHERE true ON CONFLICT DO UPDATE SET amount = 0",
	} {
		if _, err := db.Exec(statement); err == nil || !strings.Contains(err.Error(), "the ledger keeps its") {
			t.Errorf("%s: got the error %v", statement, err)
		}
	}
	err = s.View(t.Context(), func(r store.Reader) error {
		postings, err := r.Books().Postings(store.PostingQuery{Limit: 9})
		if err != nil || len(postings) != 2 || postings[0].ID != "p2" || postings[0].Entries[1].Amount.Minor != 7 {
			t.Errorf("the books were changed: %+v, %v", postings, err)
		}
		held, err := r.Books().Balance("b", time.Time{})
		if err != nil || len(held) != 1 || held[0].Minor != 12 {
			t.Errorf("the balance was changed: %v, %v", held, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestFirstVersion opens a file from before the books.
func TestFirstVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	newest := sqlite.SchemaVersion
	sqlite.SchemaVersion = 1
	func() {
		defer func() { sqlite.SchemaVersion = newest }()
		fill(t, path)
	}()
	s := open(t, path)
	defer func() { _ = s.Close() }()
	err := s.Update(t.Context(), func(w store.Writer) error {
		if doc, err := w.Documents().Get(store.Setting, "1999"); err != nil || len(doc.Body) != 42 {
			t.Errorf("a document of before is %s, %v", doc.Body, err)
		}
		_, err := w.Books().Post([]ledger.Posting{transfer("p1", 5)})
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
