package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/jackc/pgx/v5"

	"github.com/sluicehq/sluice/internal/app"
	"github.com/sluicehq/sluice/internal/testkit"
)

// servers is a configuration with a schema and a database of the test's own.
func servers(t *testing.T) (file, name string) {
	t.Helper()
	postgres, clicks := testkit.Engine(t, "POSTGRES"), testkit.Engine(t, "CLICKHOUSE")
	name = "test_" + strings.ToLower(rand.Text())
	text := fmt.Sprintf("store:\n  engine: postgres\n  url: %q\n  schema: %s\nanalytics:\n  engine: clickhouse\n  url: %q\n  database: %s\n", postgres, name, clicks, name)
	file = filepath.Join(t.TempDir(), "sluice.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		onPostgres(t, "DROP SCHEMA IF EXISTS "+name+" CASCADE")
		options, err := clickhouse.ParseDSN(clicks)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := clickhouse.Open(options)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Exec(context.Background(), "DROP DATABASE IF EXISTS "+name); err != nil {
			t.Error(err)
		}
		_ = conn.Close()
	})
	return file, name
}

func onPostgres(t *testing.T, statement string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, testkit.Engine(t, "POSTGRES"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Errorf("%s: %v", statement, err)
	}
}

// TestMigrate takes an installation from its folder to servers, as its operator does.
func TestMigrate(t *testing.T) {
	file, name := servers(t)
	data := t.TempDir()
	contains(t, sluice(t, data, "migrate").must(t, exitFailed).err, "the configuration keeps everything in the data folder", "store.url")
	contains(t, sluice(t, data, "migrate", "--config", file).must(t, exitFailed).err, "there is no store to move", "--data")
	sluice(t, data, "demo", "--days", "3").must(t, exitFine)
	links := sluice(t, data, "link", "list", "--format", "json").must(t, exitFine).out
	s := serve(t, data) // leaves clicks in the journal that are in the reports too, until the folder is opened twice
	for range 7 {
		s.click(t, "rail-pass")
	}
	s.stop()
	var before, after reportAnswer
	report := []string{"report", "--by", "link", "--since", "4d", "--all", "--format", "json"}
	sluice(t, data, report...).must(t, exitFine).json(t, &before)

	with := func(args ...string) outcome { return sluice(t, data, append(args, "--config", file)...) }
	contains(t, with("migrate", "--check").must(t, exitProblems).out, "store: DIFFERS", "is missing in the target")
	out := with("migrate").must(t, exitFine).out
	contains(t, out, "store: ", "items moved", "clicks: ", "both sides are the same", "Start the server with this configuration")
	var m app.Migrated
	with("migrate", "--format", "json").must(t, exitFine).json(t, &m)
	if m.Store.Moved != 0 || m.Clicks.Moved != 0 || m.Store.Before == 0 || m.Clicks.Items() < 1000 || !m.Same() {
		t.Errorf("the second time: %+v, %+v", m.Store, m.Clicks)
	}
	with("migrate", "clicks", "--check").must(t, exitFine)

	with(report...).must(t, exitFine).json(t, &after)
	if fmt.Sprint(after.Totals, after.Rows) != fmt.Sprint(before.Totals, before.Rows) {
		t.Errorf("the reports on the servers: %v, before: %v", after.Totals, before.Totals)
	}
	if got := with("link", "list", "--format", "json").must(t, exitFine).out; got != links {
		t.Errorf("the links on the servers:\n%.1000s\nbefore:\n%.1000s", got, links)
	}

	onPostgres(t, "UPDATE "+name+".links SET body = body || ' ' WHERE id = 3")
	contains(t, with("migrate", "store", "--check").must(t, exitProblems).out, "links: id 3 differs in body")
	contains(t, with("migrate", "store").must(t, exitFailed).err, "holds", "already", "--check")
	sluice(t, data, report...).must(t, exitFine) // the way back
}

// TestMigrateOfAFolderInUse leaves it alone and says what to do.
func TestMigrateOfAFolderInUse(t *testing.T) {
	file, _ := servers(t)
	data := t.TempDir()
	sluice(t, data, "demo", "--days", "1").must(t, exitFine)
	s := serve(t, data)
	contains(t, sluice(t, data, "migrate", "--config", file).must(t, exitFailed).err, "in use", "stop that one first")
	s.stop()
	contains(t, sluice(t, data, "migrate", "nothing", "--config", file).must(t, exitFailed).err, "nothing", "--help")
}
