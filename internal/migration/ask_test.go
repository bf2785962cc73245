package migration_test

import (
	"context"
	"testing"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/sluicehq/sluice/internal/testkit"
)

// ask runs a statement beside the engine, as somebody who meddles would.
func ask(t testing.TB, statement string) {
	t.Helper()
	options, err := driver.ParseDSN(testkit.Engine(t, "CLICKHOUSE"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := driver.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := conn.Exec(ctx, statement); err != nil {
		t.Errorf("%s: %v", statement, err)
	}
}
