package duckdb

import (
	"crypto/sha256"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// TestReadOnly reads what a killed process has left, its log included, and changes none of it.
func TestReadOnly(t *testing.T) {
	there := filepath.Join(t.TempDir(), "clicks.duckdb")
	e, err := Open(Options{Path: there, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	rows := make([]analytics.Row, 3)
	for i := range rows {
		rows[i].ID = affiliate.NewClickID(1_790_000_000_000, 1, uint64(i))
	}
	if err := e.Append(t.Context(), analytics.Batch{Source: "1/0", To: "here", Rows: rows}); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "clicks.duckdb")
	sums := map[string][32]byte{}
	for _, end := range []string{"", ".wal"} {
		b, err := os.ReadFile(there + end)
		if err != nil {
			t.Fatal(err)
		}
		sums[end] = sha256.Sum256(b)
		if err := os.WriteFile(copied+end, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	left, err := Open(Options{Path: copied, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := left.Dump(t.Context(), time.UnixMilli(0), time.UnixMilli(1<<45), func(rows []Row) error { n += len(rows); return nil }); err != nil || n != 3 {
		t.Errorf("%d rows, %v", n, err)
	}
	if err := left.Append(t.Context(), analytics.Batch{Source: "1/0", From: "here", To: "there"}); affiliate.CodeOf(err) != affiliate.Forbidden {
		t.Errorf("it takes clicks: %v", err)
	}
	if err := left.Close(); err != nil {
		t.Fatal(err)
	}
	for end, sum := range sums {
		b, err := os.ReadFile(copied + end)
		if err != nil || sha256.Sum256(b) != sum {
			t.Errorf("%s was changed: %v", "clicks.duckdb"+end, err)
		}
	}
	if _, err := Open(Options{Path: filepath.Join(t.TempDir(), "none.duckdb"), ReadOnly: true}); err == nil {
		t.Error("a file that is not there opens for reading")
	}
}
