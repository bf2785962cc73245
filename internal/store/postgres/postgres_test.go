package postgres_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/postgres"
	"github.com/sluicehq/sluice/internal/store/storetest"
	"github.com/sluicehq/sluice/internal/testkit"
)

// schema names a schema that is dropped when the test ends.
func schema(t testing.TB) string {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text())
	t.Cleanup(func() { run(t, "DROP SCHEMA IF EXISTS "+name+" CASCADE") })
	return name
}

func address(t testing.TB) string { return testkit.Engine(t, "POSTGRES") }

// connect opens a connection beside the store's, as an administrator would.
func connect(t testing.TB) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), address(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func run(t testing.TB, statement string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), address(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(context.Background(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func open(t testing.TB, options postgres.Options) *postgres.Store {
	t.Helper()
	if options.URL == "" {
		options.URL = address(t)
	}
	s, err := postgres.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestContract(t *testing.T) {
	storetest.Run(t,
		func(t *testing.T) string { return schema(t) },
		func(t *testing.T, place string) store.Store { return open(t, postgres.Options{Schema: place}) })
}

func TestShared(t *testing.T) {
	storetest.RunProcesses(t,
		func(t *testing.T) string { return schema(t) },
		func(t *testing.T, place string) store.Store { return open(t, postgres.Options{Schema: place}) })
}
