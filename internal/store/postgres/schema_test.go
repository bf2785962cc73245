package postgres_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/postgres"
)

// wantFailure says that err names the reason, the place and what to do.
func wantFailure(t *testing.T, err, reason error, words ...string) {
	t.Helper()
	var f *store.Failure
	if !errors.As(err, &f) || reason != nil && !errors.Is(err, reason) || f.Place == "" || f.Hint == "" {
		t.Fatalf("got the error %v, want a failure because %v, with place and hint", err, reason)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error %q does not say %q", err, w)
		}
	}
}

func put(s store.Store, t testing.TB, key string) error {
	return s.Update(t.Context(), func(w store.Writer) error {
		return w.Documents().Put(store.Setting, store.Document{Key: key, Body: json.RawMessage(`1`)})
	})
}

func keys(t testing.TB, s store.Store) (found []string) {
	t.Helper()
	err := s.View(t.Context(), func(r store.Reader) error {
		docs, err := r.Documents().List(store.Setting, "")
		for _, d := range docs {
			found = append(found, d.Key)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestManyOpenAFreshDatabase lets several nodes start at the same moment, three of them a version ahead.
func TestManyOpenAFreshDatabase(t *testing.T) {
	options := postgres.Options{URL: address(t), Schema: schema(t)}
	second := postgres.Migration{Name: "colours", Statement: "CREATE TABLE colours (name text PRIMARY KEY); INSERT INTO colours VALUES ('red')", CompatibleFrom: 1}
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			var more []postgres.Migration
			if i%2 == 0 {
				more = append(more, second)
			}
			s, err := postgres.OpenWith(t.Context(), options, more...)
			if err != nil {
				t.Error(i, err)
				return
			}
			if err := put(s, t, fmt.Sprint(i)); err != nil {
				t.Error(i, err)
			}
			if err := s.Close(); err != nil {
				t.Error(i, err)
			}
		})
	}
	all.Wait()
	if got := keys(t, open(t, options)); len(got) != 6 {
		t.Errorf("of six nodes these have written: %v", got)
	}
}

// TestOldBesideNew runs a version beside a newer one that has added to the schema, and beside one that has changed it.
func TestOldBesideNew(t *testing.T) {
	options := postgres.Options{URL: address(t), Schema: schema(t)}
	old := open(t, options)
	added := postgres.Migration{Name: "colours", Statement: "ALTER TABLE conversions ADD COLUMN colour bytea NOT NULL DEFAULT ''", CompatibleFrom: 1}
	openNew := func(more ...postgres.Migration) store.Store {
		t.Helper()
		s, err := postgres.OpenWith(t.Context(), options, more...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	conversion := func(s store.Store, id string) error {
		return s.Update(t.Context(), func(w store.Writer) error { return w.Books().PutConversion(store.Conversion{ID: id}) })
	}
	if err := conversion(old, "before"); err != nil {
		t.Fatal(err)
	}
	newer := openNew(added)
	again := open(t, options)
	for id, s := range map[string]store.Store{"old": old, "old, opened again": again, "new": newer} {
		if err := conversion(s, id); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	found, err := old.Examine(t.Context(), time.Now())
	wantFinding(t, found, err, false, "a newer Sluice has migrated it to version 2 (colours), this one has 1")

	changed := postgres.Migration{Name: "paint", Statement: "ALTER TABLE conversions DROP COLUMN sub1; ALTER TABLE conversions ADD COLUMN paint bytea NOT NULL DEFAULT ''", CompatibleFrom: 3}
	openNew(added, changed)
	_, err = postgres.Open(t.Context(), options)
	wantFailure(t, err, store.ErrNewer, "versions from 3 on", "this program has 1", "run the newer Sluice")
	wantFailure(t, conversion(old, "too old"), store.ErrNewer, "versions from 3 on")
	found, err = old.Examine(t.Context(), time.Now())
	wantFinding(t, found, err, true, "versions from 3 on")
}

// TestFailedMigration leaves the schema as it was.
func TestFailedMigration(t *testing.T) {
	options := postgres.Options{URL: address(t), Schema: schema(t)}
	_, err := postgres.OpenWith(t.Context(), options, postgres.Migration{Name: "colours", Statement: "CREATE TABLE colours (name text); SELECT 1/0", CompatibleFrom: 1})
	wantFailure(t, err, nil, "from schema version 1 to 2 (colours)", "division by zero", "nothing was changed")
	s, err := postgres.OpenWith(t.Context(), options, postgres.Migration{Name: "colours", Statement: "CREATE TABLE colours (name text)", CompatibleFrom: 1})
	if err != nil {
		t.Fatalf("after it was mended: %v", err)
	}
	_ = s.Close()
}

// TestMeddledSchema names what somebody has done to the schema.
func TestMeddledSchema(t *testing.T) {
	for _, c := range []struct {
		name, statement, want string
	}{
		{"a changed migration", "UPDATE schema SET checksum = 'x'", "the migration to version 1 (everything) was made by other statements"},
		{"a missing migration", "INSERT INTO schema VALUES (3, 'later', 'x', 1, now(), '{}')", "the migration to version 2 is missing, while that to 3 (later) is there"},
		{"a missing table", "DROP TABLE outbox", "version 1 (everything) is there by half"},
		{"a missing column", "ALTER TABLE links DROP COLUMN words", "the column links.words is missing"},
		{"a missing index", "DROP INDEX links_slug", "the index links_slug is missing"},
		{"a disabled trigger", "ALTER TABLE entries DISABLE TRIGGER entries_kept", "the trigger entries_kept is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			options := postgres.Options{URL: address(t), Schema: schema(t)}
			s := open(t, options)
			for statement := range strings.SplitSeq(c.statement, "; ") {
				run(t, "SET search_path = "+options.Schema+"; "+statement)
			}
			found, err := s.Examine(t.Context(), time.Now())
			wantFinding(t, found, err, true, c.want)
			_, err = postgres.Open(t.Context(), options)
			wantFailure(t, err, store.ErrCorrupt, c.want, options.Schema, "backup")
		})
	}
}

// TestDroppedSchema is noticed by whoever is still running.
func TestDroppedSchema(t *testing.T) {
	options := postgres.Options{URL: address(t), Schema: schema(t)}
	s := open(t, options)
	run(t, "DROP SCHEMA "+options.Schema+" CASCADE")
	wantFailure(t, put(s, t, "k"), store.ErrCorrupt, options.Schema)
	found, err := s.Examine(t.Context(), time.Now())
	wantFinding(t, found, err, true, "is not there any more")
}

// TestSchemasAreApart keeps two installations in one database.
func TestSchemasAreApart(t *testing.T) {
	a, b := open(t, postgres.Options{Schema: schema(t)}), open(t, postgres.Options{Schema: schema(t)})
	err := a.Update(t.Context(), func(store.Writer) error { return put(b, t, "of b") }) // would wait for a common lock
	if err != nil || len(keys(t, a)) != 0 || len(keys(t, b)) != 1 {
		t.Errorf("a holds %v, b %v, %v", keys(t, a), keys(t, b), err)
	}
	for _, name := range []string{"Sluice", "a b", `x"; DROP TABLE y`, "1st", strings.Repeat("x", 41)} {
		if _, err := postgres.Open(t.Context(), postgres.Options{URL: address(t), Schema: name}); affiliate.CodeOf(err) != affiliate.Invalid {
			t.Errorf("the schema %q: got the error %v", name, err)
		}
	}
}

func wantFinding(t *testing.T, found []affiliate.Finding, err error, harmful bool, words string) {
	t.Helper()
	for _, f := range found {
		if strings.Contains(f.Problem, words) && f.Harmful == harmful && f.Mend != "" {
			return
		}
	}
	t.Errorf("found %+v, %v, want something harmful (%v) about %q", found, err, harmful, words)
}
