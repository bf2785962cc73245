package clickhouse

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/analytics/analyticstest"
	"github.com/sluicehq/sluice/internal/testkit"
)

func TestEngine(t *testing.T) {
	t.Parallel()
	analyticstest.Run(t, harnessOf(options))
}

func harnessOf(options func(testing.TB) Options) analyticstest.Harness {
	return analyticstest.Harness{
		Together: true,
		Open:     func(t *testing.T) analytics.Engine { return mustOpen(t, options(t)) },
		Reopen: func(t *testing.T, e analytics.Engine) analytics.Engine {
			o := e.(*Engine).options
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			return mustOpen(t, o)
		},
		Second: func(t *testing.T, e analytics.Engine) analytics.Engine { return mustOpen(t, e.(*Engine).options) },
	}
}

// options are those of a database that goes with the test.
func options(t testing.TB) Options {
	t.Helper()
	return optionsOn(t, testkit.Engine(t, "CLICKHOUSE"), "")
}

func optionsOn(t testing.TB, url, all string) Options {
	t.Helper()
	o := Options{URL: url, Logger: slog.New(slog.DiscardHandler), Database: fmt.Sprintf("sluice_test_%x", rand.Uint64())}
	t.Cleanup(func() {
		other := o
		other.Database = "default"
		e, err := connect(context.Background(), other)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = e.Close() }()
		// A table that could not be made leaves a folder behind, which 18.16 stumbles over.
		if err := e.exec(context.Background(), "DROP DATABASE IF EXISTS "+o.Database+all); err != nil && !strings.Contains(err.Error(), "Directory not empty") {
			t.Error(err)
		}
	})
	return o
}

func mustOpen(t testing.TB, o Options) *Engine {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	e, err := Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
