package duckdb

import (
	"path/filepath"
	"testing"

	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/analytics/analyticstest"
)

func TestEngine(t *testing.T) {
	analyticstest.Run(t, analyticstest.Harness{
		Open: func(t *testing.T) analytics.Engine {
			return mustOpen(t, Options{Path: filepath.Join(t.TempDir(), "clicks.duckdb")})
		},
		Reopen: func(t *testing.T, e analytics.Engine) analytics.Engine {
			path := e.(*Engine).path
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			return mustOpen(t, Options{Path: path})
		},
	})
}

func mustOpen(t testing.TB, o Options) *Engine {
	t.Helper()
	e, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
