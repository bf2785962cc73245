package postgres_test

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/postgres"
)

// TestDumpLeavesNothingOut compares the columns of the schema with those that are dumped and loaded. Whoever adds one adds it to
// store.Groups, or says here why another store can do without.
func TestDumpLeavesNothingOut(t *testing.T) {
	options := postgres.Options{Schema: schema(t)}
	open(t, options)
	var dumped []string
	for _, g := range store.Groups {
		table := g.Name
		if table == "messages" {
			table = "outbox"
		}
		for _, f := range g.Fields {
			dumped = append(dumped, table+"."+f.Name)
		}
	}
	rows, err := connect(t).Query(t.Context(), `SELECT c.relname || '.' || a.attname FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relname <> 'schema' AND a.attnum > 0 AND NOT a.attisdropped`, options.Schema)
	if err != nil {
		t.Fatal(err)
	}
	columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(columns) != len(dumped) {
		t.Errorf("the schema has %d columns and a dump %d, %v", len(columns), len(dumped), err)
	}
	for _, column := range columns {
		if !slices.Contains(dumped, column) {
			t.Errorf("the column %s is not dumped: a migration would lose it", column)
		}
	}
}

// TestUnfinishedIsNoPart lets a newer program migrate a schema while it is filled by half: what is only there meanwhile
// must not be missed afterwards.
func TestUnfinishedIsNoPart(t *testing.T) {
	options := postgres.Options{URL: address(t), Schema: schema(t), Unfinished: true}
	s := open(t, options)
	source := store.Source{Place: "here", State: "x"}
	load, err := s.BeginLoad(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	if err := load.Close(); err != nil {
		t.Fatal(err)
	}
	newer, err := postgres.OpenWith(t.Context(), options, postgres.Migration{Name: "colours", Statement: "CREATE TABLE colours (name text)", CompatibleFrom: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = newer.Close() }()
	options.Unfinished = false
	_, err = postgres.Open(t.Context(), options)
	wantFailure(t, err, store.ErrUnfinished, "from here", "sluice migrate")
	if load, err = newer.BeginLoad(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	if err := load.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := load.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, options)
}
