package migration_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/migration"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/postgres"
	"github.com/sluicehq/sluice/internal/testkit"
)

// items are all of a dump, written down.
func items(t testing.TB, s store.Dumper, from store.Mark) (all []string) {
	t.Helper()
	err := s.Dump(context.Background(), from, func(item *store.Item) error {
		all = append(all, item.Of().Name+" "+item.String()+" "+string(item.AppendTo(nil)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func mustMove(t testing.TB, o migration.StoreOptions) *migration.Report {
	t.Helper()
	o.Place = "the test's folder"
	report, err := migration.Store(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !report.Same() {
		t.Fatalf("after moving, these differ: %v", report.Differences)
	}
	return report
}

// TestEverythingSurvives compares what a migration makes, item by item and through the contract's own words.
func TestEverythingSurvives(t *testing.T) {
	random := seeded(t)
	for _, n := range []int{0, 1, 900} {
		from, _, txs := newSource(t, random, max(n, 1))
		name := schema(t)
		to := openPostgres(t, name, true)
		report := mustMove(t, migration.StoreOptions{From: from, To: to, BatchItems: 1 + random.IntN(500)})
		want := items(t, from, store.Mark{})
		if diff := cmp.Diff(want, items(t, to, store.Mark{})); diff != "" {
			t.Fatalf("%.2000s", diff)
		}
		if int(report.Moved) != len(want) || int(report.Items()) != len(want) || report.Before != 0 {
			t.Errorf("of %d items, %d were moved, %d compared and %d there before", len(want), report.Moved, report.Items(), report.Before)
		}
		server := openPostgres(t, name, false) // finished
		if diff := cmp.Diff(holdingOf(t, from, txs), holdingOf(t, server, txs)); diff != "" {
			t.Fatalf("-SQLite +PostgreSQL:\n%.3000s", diff)
		}
		if again := mustMove(t, migration.StoreOptions{From: from, To: server}); again.Moved != 0 || int(again.Before) != len(want) {
			t.Errorf("the second time %d items were moved, and %d were there", again.Moved, again.Before)
		}
		goesOn(t, server)
		_, err := migration.Store(t.Context(), migration.StoreOptions{From: from, To: server})
		if affiliate.CodeOf(err) != affiliate.Conflict {
			t.Errorf("a store that a server has written to since is moved into: %v", err)
		}
		after, err := migration.Store(t.Context(), migration.StoreOptions{From: from, To: server, CheckOnly: true})
		if err != nil || after.Same() {
			t.Errorf("what was written since is not found: %v, %v", after, err)
		}
	}
}

// goesOn writes into a store that was moved: its numbers must go on where they were.
func goesOn(t *testing.T, s store.Store) {
	t.Helper()
	before := holdingOf(t, s, nil)
	v := &invented{random: seeded(t)}
	v.n = 1_000_000 // other ids
	err := s.Update(t.Context(), func(w store.Writer) error {
		first, err := w.Links().Reserve(1)
		if err != nil {
			return err
		}
		for _, l := range before.Links {
			if l.ID >= first {
				t.Errorf("the link %d was given again, as %d", l.ID, first)
			}
		}
		changes := []store.Change{{At: time.UnixMilli(1), Kind: "k"}}
		if err := w.Changes().Append(changes); err != nil {
			return err
		}
		if changes[0].Seq != before.Last+1 {
			t.Errorf("the change behind %d is %d", before.Last, changes[0].Seq)
		}
		return errors.Join(v.postings(w, 5), v.mail(w, 5))
	})
	if err != nil {
		t.Fatal(err)
	}
	after := holdingOf(t, s, nil)
	if n := len(after.Rejections) - len(before.Rejections); n != 5 || !sameAll(after.Rejections[n:], before.Rejections) {
		t.Errorf("%d rejections came before those that were moved", n)
	}
	if n := len(after.Dead) - len(before.Dead); n != 1 || !sameAll(after.Dead[n:], before.Dead) {
		t.Errorf("%d dead messages came before those that were moved", n)
	}
	if n := len(after.Postings) - len(before.Postings); n != 5 {
		t.Errorf("%d postings were added", n)
	}
}

func sameAll[T any](a, b []T) bool { return len(a) == 0 && len(b) == 0 || cmp.Equal(a, b) }

// TestDumpGoesOn begins a dump behind every one of its items, on both engines.
func TestDumpGoesOn(t *testing.T) {
	from, _, _ := newSource(t, seeded(t), 12)
	to := openPostgres(t, schema(t), true)
	mustMove(t, migration.StoreOptions{From: from, To: to})
	for name, s := range map[string]store.Dumper{"SQLite": from, "PostgreSQL": to} {
		all := items(t, s, store.Mark{})
		var marks []store.Mark
		err := s.Dump(t.Context(), store.Mark{}, func(item *store.Item) error {
			kept := item.Clone()
			marks = append(marks, store.Mark{Group: kept.Of().Name, Key: kept.Key()})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, mark := range marks {
			if diff := cmp.Diff(all[i+1:], items(t, s, mark)); diff != "" && len(all[i+1:]) > 0 {
				t.Fatalf("%s behind %+v:\n%.1000s", name, mark, diff)
			}
		}
		for _, mark := range []store.Mark{{Group: "nothing"}, {Group: "links"}} {
			if err := s.Dump(t.Context(), mark, nil); affiliate.CodeOf(err) != affiliate.Invalid {
				t.Errorf("%s behind %+v: %v", name, mark, err)
			}
		}
	}
}

// TestInterrupted breaks a migration off at random moments and goes on, each time with a new connection.
func TestInterrupted(t *testing.T) {
	random := seeded(t)
	from, _, _ := newSource(t, random, 400)
	name := schema(t)
	all := len(items(t, from, store.Mark{}))
	var before int64
	for round := 0; ; round++ {
		ctx, cancel := context.WithCancelCause(t.Context())
		enough := errors.New("enough for now")
		steps := 0
		last := 1 + random.IntN(10)
		to := openPostgres(t, name, true)
		report, err := migration.Store(ctx, migration.StoreOptions{From: from, To: to, Place: "the test's folder", BatchItems: 37, Progress: func(migration.Step) {
			if steps++; steps == last {
				cancel(enough)
			}
		}})
		cancel(nil)
		if report != nil && report.Before < before {
			t.Fatalf("round %d went on behind %d items, and %d were there", round, report.Before, before)
		}
		if report != nil {
			before = report.Before
		}
		if err := to.Close(); err != nil {
			t.Fatal(err)
		}
		if err == nil {
			t.Logf("done in %d rounds", round+1)
			if round < 5 || int(report.Before+report.Moved) != all {
				t.Errorf("%d were there and %d moved by the last round, of %d", report.Before, report.Moved, all)
			}
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if round%5 == 0 {
			wantUnfinished(t, name)
		}
	}
	if diff := cmp.Diff(items(t, from, store.Mark{}), items(t, openPostgres(t, name, false), store.Mark{})); diff != "" {
		t.Errorf("%.2000s", diff)
	}
}

// wantUnfinished says that a server does not take the schema, and why.
func wantUnfinished(t *testing.T, schema string) {
	t.Helper()
	s, err := postgres.Open(t.Context(), postgres.Options{URL: testkit.Engine(t, "POSTGRES"), Schema: schema})
	if err == nil {
		_ = s.Close()
	}
	var f *store.Failure
	if !errors.As(err, &f) || !errors.Is(err, store.ErrUnfinished) || !strings.Contains(err.Error(), "the test's folder") || !strings.Contains(err.Error(), "sluice migrate") {
		t.Fatalf("a schema that is filled by half opens with %v", err)
	}
	examined := openPostgres(t, schema, true)
	found, err := examined.Examine(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, finding := range found {
		if strings.Contains(finding.Problem, store.ErrUnfinished.Error()) && finding.Harmful && finding.Mend != "" {
			_ = examined.Close()
			return
		}
	}
	t.Errorf("Examine does not name the unfinished migration: %+v", found)
}

// TestMeddling changes a row of the target by hand; a check must name it.
func TestMeddling(t *testing.T) {
	from, _, _ := newSource(t, seeded(t), 60)
	const letting = "ALTER TABLE entries DISABLE TRIGGER entries_kept; ALTER TABLE postings DISABLE TRIGGER postings_kept; "
	for _, c := range []struct{ group, statement, want string }{
		{"links", "UPDATE links SET body = body || ' ' WHERE id = 9", "id 9 differs in body"},
		{"documents", "DELETE FROM documents WHERE kind = 'setting' AND key = 'installation'", `kind "setting" key "installation" is missing in the target`},
		{"documents", "INSERT INTO documents VALUES ('a', 'b', 'c')", `kind "a" key "b" is in the target and not in the source`},
		{"changes", "UPDATE changes SET at = at + 1 WHERE seq = 5", "seq 5 differs in at"},
		{"conversions", "UPDATE conversions SET flagged = NOT flagged WHERE id = (SELECT id FROM conversions ORDER BY id LIMIT 1)", "differs in flagged"},
		{"counters", "UPDATE counters SET last = last - 1 WHERE name = 'link'", `name "link" differs in last`},
		{"messages", "UPDATE outbox SET dead = NOT dead WHERE seq = (SELECT min(seq) FROM outbox)", "differs in dead"},
		{"entries", letting + "UPDATE entries SET amount = amount + 1 WHERE posting = 3 AND line = 0", "posting 3 line 0 differs in amount"},
		{"balances", letting + "UPDATE entries SET amount = amount + 1 WHERE posting = 3 AND line = 0", "whose entries sum to"},
		{"trial balance", letting + "UPDATE entries SET balance = balance + 1 WHERE posting = (SELECT max(posting) FROM entries) AND line = 0", "must sum to zero"},
		{"rejections", "UPDATE rejections SET seq = seq + 1000 WHERE seq = 2", "seq 2 is missing in the target"},
	} {
		t.Run(c.group, func(t *testing.T) {
			name := schema(t)
			to := openPostgres(t, name, true)
			mustMove(t, migration.StoreOptions{From: from, To: to})
			check := migration.StoreOptions{From: from, To: to, CheckOnly: true}
			if report, err := migration.Store(t.Context(), check); err != nil || !report.Same() || report.Moved != 0 {
				t.Fatal("nothing was changed, and a check says", report, err)
			}
			sql(t, name, c.statement)
			report, err := migration.Store(t.Context(), check)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range report.Differences {
				if d.Group == c.group && strings.Contains(d.First, c.want) {
					return
				}
			}
			t.Errorf("%s: a check finds %v, want %s: %s", c.statement, report.Differences, c.group, c.want)
		})
	}
}

// TestDifferenceStaysUnfinished changes what was moved while the rest is.
func TestDifferenceStaysUnfinished(t *testing.T) {
	from, _, _ := newSource(t, seeded(t), 60)
	name := schema(t)
	to := openPostgres(t, name, true)
	meddled := false
	report, err := migration.Store(t.Context(), migration.StoreOptions{From: from, To: to, Place: "the test's folder", BatchItems: 20, Progress: func(s migration.Step) {
		if !meddled && s.Done > 100 {
			meddled = true
			sql(t, name, "UPDATE documents SET expires = expires + 1 WHERE kind = 'setting' AND key = 'installation'")
		}
	}})
	if err != nil || report.Same() || report.Differences[0].Group != "documents" {
		t.Fatalf("%+v, %v", report, err)
	}
	wantUnfinished(t, name)
	sql(t, name, "UPDATE documents SET expires = expires - 1 WHERE kind = 'setting' AND key = 'installation'")
	if report := mustMove(t, migration.StoreOptions{From: from, To: to}); report.Moved != 0 {
		t.Errorf("%d items were moved once more", report.Moved)
	}
	openPostgres(t, name, false)
}

// TestRefusedTargets are not touched.
func TestRefusedTargets(t *testing.T) {
	random := seeded(t)
	from, path, _ := newSource(t, random, 40)
	other, _, _ := newSource(t, random, 40)
	refused := func(what string, schema, place string, source migration.Dumping, code affiliate.Code, words string) {
		t.Helper()
		to := openPostgres(t, schema, true)
		before := items(t, to, store.Mark{})
		_, err := migration.Store(t.Context(), migration.StoreOptions{From: source, To: to, Place: place})
		if affiliate.CodeOf(err) != code || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v, want %s with %q", what, err, code, words)
		}
		if !cmp.Equal(before, items(t, to, store.Mark{})) {
			t.Errorf("%s: the target was changed", what)
		}
		_ = to.Close()
	}
	used := schema(t)
	err := openPostgres(t, used, false).Update(t.Context(), func(w store.Writer) error {
		return w.Documents().Put(store.Setting, store.Document{Key: "k", Body: []byte("1")})
	})
	if err != nil {
		t.Fatal(err)
	}
	refused("a server's schema", used, "here", from, affiliate.Conflict, "holds documents already")

	half := schema(t)
	ctx, cancel := context.WithCancel(t.Context())
	to := openPostgres(t, half, true)
	if _, err := migration.Store(ctx, migration.StoreOptions{From: from, To: to, Place: "here", BatchItems: 20, Progress: func(s migration.Step) {
		if s.Done > 50 {
			cancel()
		}
	}}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	_ = to.Close()
	refused("another's half", half, "there", other, affiliate.Conflict, "holds a part of here")
	_ = from.Close()
	changing := openSQLite(t, path, false)
	(&invented{random: random}).fill(t, changing, 2)
	_ = changing.Close()
	refused("a source that was changed", half, "here", openSQLite(t, path, true), affiliate.Stale, "was changed since")
}

// TestOneMigrationAtATime lets a second one wait and be refused.
func TestOneMigrationAtATime(t *testing.T) {
	from, _, _ := newSource(t, seeded(t), 20)
	name := schema(t)
	to := openPostgres(t, name, true)
	load, err := to.BeginLoad(t.Context(), store.Source{Place: "a", State: "b"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = load.Close() }()
	second, err := postgres.Open(t.Context(), postgres.Options{URL: testkit.Engine(t, "POSTGRES"), Schema: name, Unfinished: true, LockTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = second.Close() }()
	if _, err := migration.Store(t.Context(), migration.StoreOptions{From: from, To: second}); affiliate.CodeOf(err) != affiliate.Unavailable {
		t.Errorf("a second one got %v", err)
	}
	if err := second.Update(t.Context(), func(store.Writer) error { return nil }); affiliate.CodeOf(err) != affiliate.Unavailable {
		t.Errorf("a writer got %v", err)
	}
}
