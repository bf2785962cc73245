package postgres_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/postgres"
)

// terminate ends the server's sessions of this schema's writer, as an administrator or a failing machine would.
func terminate(t *testing.T, application string) {
	t.Helper()
	var n int
	if err := connect(t).QueryRow(t.Context(), "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1", application).Scan(&n); err != nil || n == 0 {
		t.Fatalf("%d sessions were ended, %v", n, err)
	}
}

// named is the server's address with a name for the sessions.
func named(t *testing.T, application string) string {
	return address(t) + "&application_name=" + url.QueryEscape(application)
}

func TestSessionLostInTheMiddle(t *testing.T) {
	options := postgres.Options{Schema: schema(t)}
	options.URL = named(t, options.Schema)
	s := open(t, options)
	err := s.Update(t.Context(), func(w store.Writer) error {
		if err := w.Documents().Put(store.Setting, store.Document{Key: "lost", Body: json.RawMessage(`1`)}); err != nil {
			return err
		}
		if _, err := w.Documents().Get(store.Setting, "lost"); err != nil {
			return err
		}
		terminate(t, options.Schema)
		_, err := w.Documents().Get(store.Setting, "lost")
		wantFailure(t, err, store.ErrUnreachable, "nothing was changed")
		return nil // though it was told
	})
	wantFailure(t, err, store.ErrUnreachable, "nothing was changed")
	if err := put(s, t, "later"); err != nil {
		t.Errorf("the next change: %v", err)
	}
	if got := keys(t, s); len(got) != 1 || got[0] != "later" {
		t.Errorf("the store holds %v", got)
	}
	terminate(t, options.Schema)
	if err := put(s, t, "after a pause"); err != nil { // the session was lost before it began
		t.Errorf("a change after the sessions were ended: %v", err)
	}
	terminate(t, options.Schema)
	if got := keys(t, s); len(got) != 2 {
		t.Errorf("the store holds %v", got)
	}
}

// TestCommitLost breaks the connection where COMMIT is answered: before the server has done it, and after.
func TestCommitLost(t *testing.T) {
	options := postgres.Options{Schema: schema(t)}
	proxy := newSwallow(t, strings.SplitN(strings.SplitN(address(t), "@", 2)[1], "/", 2)[0])
	options.URL = proxy.through(address(t))
	s := open(t, options)
	if err := put(s, t, "first"); err != nil {
		t.Fatal(err)
	}
	err := s.Update(t.Context(), func(w store.Writer) error {
		if err := w.Documents().Put(store.Setting, store.Document{Key: "stored", Body: json.RawMessage(`1`)}); err != nil {
			return err
		}
		close(proxy.armed)
		return nil
	})
	wantFailure(t, err, store.ErrUncertain, "the answer to COMMIT was lost", "look whether the change is there")
	direct := open(t, postgres.Options{Schema: options.Schema})
	if got := keys(t, direct); len(got) != 2 {
		t.Errorf("the store holds %v", got)
	}

	// A COMMIT that waits, and is ended before it has stored anything.
	options.URL = named(t, options.Schema)
	run(t, "SET search_path = "+options.Schema+`; CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$;
		CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON documents DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()`)
	waiting := open(t, options)
	done := make(chan error, 1)
	go func() { done <- put(waiting, t, "never") }()
	for asleep := false; !asleep; time.Sleep(10 * time.Millisecond) {
		if err := connect(t).QueryRow(t.Context(), "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE application_name = $1 AND wait_event = 'PgSleep')", options.Schema).Scan(&asleep); err != nil {
			t.Fatal(err)
		}
	}
	terminate(t, options.Schema)
	wantFailure(t, <-done, store.ErrUncertain, "the answer to COMMIT was lost")
	if got := keys(t, direct); len(got) != 2 {
		t.Errorf("the store holds %v", got)
	}
}

// TestRefusedByServer makes the server refuse a statement and a COMMIT, as it does when its disk is full: both are known not to be stored.
func TestRefusedByServer(t *testing.T) {
	options := postgres.Options{Schema: schema(t)}
	s := open(t, options)
	const function = `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$; `
	run(t, "SET search_path = "+options.Schema+"; "+function+"CREATE TRIGGER full_disk BEFORE INSERT ON documents FOR EACH ROW WHEN (NEW.key = 'at once') EXECUTE FUNCTION full_disk(); "+
		"CREATE CONSTRAINT TRIGGER full_late AFTER INSERT ON documents DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.key = 'at the end') EXECUTE FUNCTION full_disk()")
	for _, key := range []string{"at once", "at the end"} {
		wantFailure(t, put(s, t, key), store.ErrFull, "nothing was changed", "make room", "could not extend file")
	}
	err := s.Update(t.Context(), func(w store.Writer) error {
		d := w.Documents()
		if err := d.Put(store.Setting, store.Document{Key: "at once", Body: json.RawMessage(`1`)}); err != nil {
			return err
		}
		if _, err := d.Get(store.Setting, "x"); !errors.Is(err, store.ErrFull) {
			t.Errorf("the question after a write that was refused: %v", err)
		}
		if err := d.Put(store.Setting, store.Document{Key: "more", Body: json.RawMessage(`1`)}); !errors.Is(err, store.ErrFull) {
			t.Errorf("the write after one that was refused: %v", err)
		}
		return nil // an error that is thought nothing of
	})
	wantFailure(t, err, store.ErrFull)
	if err := put(s, t, "with room again"); err != nil {
		t.Error(err)
	}
	if got := keys(t, s); len(got) != 1 {
		t.Errorf("the store holds %v", got)
	}
}

func TestLockHeldForTooLong(t *testing.T) {
	options := postgres.Options{Schema: schema(t)}
	a := open(t, options)
	options.LockTimeout = 50 * time.Millisecond
	b := open(t, options)
	err := a.Update(t.Context(), func(store.Writer) error { return put(b, t, "k") })
	if affiliate.CodeOf(err) != affiliate.Unavailable || !strings.Contains(err.Error(), options.Schema) {
		t.Errorf("got the error %v", err)
	}
	if err := put(b, t, "k"); err != nil {
		t.Errorf("when the lock is free: %v", err)
	}
}

func TestAfterTheTransaction(t *testing.T) {
	s := open(t, postgres.Options{Schema: schema(t)})
	var kept store.Writer
	if err := s.Update(t.Context(), func(w store.Writer) error { kept = w; return nil }); err != nil {
		t.Fatal(err)
	}
	_, err := kept.Documents().Get(store.Setting, "k")
	_, err2 := kept.Links().Reserve(1)
	for _, err := range []error{err, err2, kept.Documents().Put(store.Setting, store.Document{Key: "k"}), kept.Books().PutConversion(store.Conversion{})} {
		if affiliate.CodeOf(err) != affiliate.Unavailable {
			t.Errorf("a transaction that is over answers %v", err)
		}
	}
}

// TestAddresses are those that lead nowhere. No message may hold the password.
func TestAddresses(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	_ = closed.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // hangs up at once
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	go func() {
		for {
			conn, err := silent.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	real := strings.SplitN(strings.SplitN(address(t), "@", 2)[1], "/", 2)[0]
	for _, c := range []struct {
		name, url string
		reason    error
		words     []string
	}{
		{"nobody there", "postgres://ada:hush@" + nobody + "/shop", store.ErrUnreachable, []string{"postgres://ada@" + nobody + "/shop", "connection refused", "start PostgreSQL"}},
		{"somebody else there", "postgres://ada:hush@" + silent.Addr().String() + "/shop?sslmode=disable", store.ErrUnreachable, []string{"postgres://ada@" + silent.Addr().String()}},
		{"no such host", "postgres://ada:hush@nowhere.invalid/shop", store.ErrUnreachable, []string{"postgres://ada@nowhere.invalid:5432/shop"}},
		{"no such database", "postgres://postgres:hush@" + real + "/nowhere?sslmode=disable", store.ErrMissing, []string{"/nowhere", "createdb"}},
		{"no such user", "postgres://eve:hush@" + real + "/postgres?sslmode=disable", nil, []string{"eve@", "pg_hba.conf"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := postgres.Open(t.Context(), postgres.Options{URL: c.url})
			wantFailure(t, err, c.reason, c.words...)
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("the password is in %q", err)
			}
		})
	}
	for _, bad := range []string{"", "shop", "mysql://ada:hush@db/shop", "host=db password=hush", "postgres://ada:hu/sh@db/shop", "postgres://ada:hu?sh@db/shop", "postgres://ada:hu#sh@db/shop",
		"postgres://ada:h@u/sh@db/shop", "postgres://ada:hu%sh@db/shop", "postgres://db/shop?user=ada&password=hush", "postgres://ada:hush@db:port/shop", "postgres://ada:hush@db/shop?sslmode=perhaps"} {
		_, err := postgres.Open(t.Context(), postgres.Options{URL: bad})
		if affiliate.CodeOf(err) != affiliate.Invalid || strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "sh@") || strings.Contains(err.Error(), "hu") {
			t.Errorf("the address %q: got the error %v", bad, err)
		}
	}
}

// TestLedgerRefusesChanges tries every way of SQL to change what was posted, as a program outside Sluice would.
func TestLedgerRefusesChanges(t *testing.T) {
	options := postgres.Options{Schema: schema(t)}
	s := open(t, options)
	eur := func(n int64) affiliate.Money { return affiliate.Money{Minor: n, Currency: "EUR"} }
	post := func(id string, n int64) {
		t.Helper()
		if err := s.Update(t.Context(), func(w store.Writer) error {
			_, err := w.Books().Post([]ledger.Posting{{ID: id, At: time.Unix(1e9, 0), Subject: "s", Entries: []ledger.Entry{{Account: "a", Amount: eur(-n)}, {Account: "b", Amount: eur(n)}}}})
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	post("p1", 5)
	post("p2", 7)
	db := connect(t)
	if _, err := db.Exec(t.Context(), "SET search_path = "+options.Schema); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		"DELETE FROM entries", "DELETE FROM postings", "DELETE FROM accounts", "TRUNCATE entries", "TRUNCATE postings, accounts, entries",
		"UPDATE entries SET amount = amount + 1", "UPDATE entries SET balance = 0 WHERE posting = 1", "UPDATE postings SET subject = 'x'", "UPDATE accounts SET name = 'c' WHERE name = 'a'",
		"INSERT INTO entries SELECT * FROM entries ON CONFLICT (posting, line) DO UPDATE SET amount = 0",
		"WITH gone AS (DELETE FROM entries RETURNING *) SELECT * FROM gone",
	} {
		if _, err := db.Exec(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "the ledger keeps its") {
			t.Errorf("%s: got the error %v", statement, err)
		}
	}
	if _, err := db.Exec(t.Context(), "INSERT INTO entries SELECT posting, line, account, amount + 1, balance FROM entries"); err == nil {
		t.Error("an entry was added a second time")
	}
	err := s.View(t.Context(), func(r store.Reader) error {
		held, err := r.Books().Balance("b", time.Time{})
		if len(held) != 1 || held[0].Minor != 12 {
			t.Errorf("the balance was changed: %v", held)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestPoolIsEnough nests more views than there are connections to read, while somebody writes: they wait, and nobody is kept out for ever.
func TestPoolIsEnough(t *testing.T) {
	s := open(t, postgres.Options{Schema: schema(t), ConnectionsMax: 3})
	done := make(chan error, 20)
	for i := range 20 {
		go func() {
			if i%2 == 0 {
				done <- put(s, t, fmt.Sprint(i))
				return
			}
			done <- s.View(t.Context(), func(r store.Reader) error {
				_, err := r.Documents().List(store.Setting, "")
				if err == nil {
					err = put(s, t, fmt.Sprint(i)) // an Update within a View has its own connection
				}
				return err
			})
		}()
	}
	for range 20 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := len(keys(t, s)); n != 20 {
		t.Errorf("%d of 20 are there", n)
	}
}

// TestSeveralHosts goes on to the second when the first does not answer, and asks for one that takes changes.
func TestSeveralHosts(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	_ = closed.Close()
	several := strings.Replace(address(t), "@", "@"+nobody+",", 1) + "&target_session_attrs=read-write"
	s := open(t, postgres.Options{URL: several, Schema: schema(t)})
	if err := put(s, t, "k"); err != nil || len(keys(t, s)) != 1 {
		t.Error(err)
	}
	found, err := s.Examine(t.Context(), time.Now().Add(-time.Hour))
	if err != nil || len(found) == 0 || !strings.Contains(found[0].Problem, "@"+nobody+",") {
		t.Errorf("the finding does not name both hosts: %+v, %v", found, err)
	}
}
