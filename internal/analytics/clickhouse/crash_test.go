package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/analytics"
)

// childVariable makes the test binary a collector that is killed.
const childVariable = "CLICKHOUSE_CRASH_DATABASE"

// crashRows is how many clicks the collectors of the crash test have.
const crashRows = 60_000

func TestMain(m *testing.M) {
	if database := os.Getenv(childVariable); database != "" {
		if err := collect(Options{URL: os.Getenv("SLUICE_TEST_CLICKHOUSE"), Database: database, Logger: slog.New(slog.DiscardHandler)}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// collect stores what is left, some hundred clicks at a time, whoever else does so too.
func collect(o Options) error {
	ctx := context.Background()
	e, err := Open(ctx, o)
	if err != nil {
		return err
	}
	defer func() { _ = e.Close() }()
	rows := some(0, crashRows)
	for {
		p, err := e.Position(ctx, "a")
		if err != nil {
			return err
		}
		at := 0
		if p != "" {
			if at, err = strconv.Atoi(p); err != nil {
				return err
			}
		}
		if at == len(rows) {
			return nil
		}
		to := min(len(rows), at+100+rand.IntN(900))
		err = e.Append(ctx, analytics.Batch{Source: "a", From: p, To: fmt.Sprint(to), Rows: rows[at:to]})
		if errors.Is(err, analytics.ErrPosition) {
			time.Sleep(rand.N(30 * time.Millisecond))
		} else if err != nil {
			return err
		}
	}
}

// TestKilledAndStopped has two processes store one source, kills them, stops them and
// has them go on, and counts in the end.
func TestKilledAndStopped(t *testing.T) {
	o := options(t)
	e := quiet(t, o)
	start := func() *exec.Cmd {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), childVariable+"="+o.Database, "SLUICE_TEST_CLICKHOUSE="+o.URL)
		c.Stderr = os.Stderr
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		return c
	}
	signal := func(c *exec.Cmd, s syscall.Signal) {
		if err := c.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
	}
	children := []*exec.Cmd{start(), start()}
	kills := 0
	for range 60 {
		time.Sleep(rand.N(80 * time.Millisecond))
		i := rand.IntN(len(children))
		signal(children[i], syscall.SIGSTOP)
		time.Sleep(rand.N(80 * time.Millisecond))
		if rand.IntN(3) == 0 {
			signal(children[i], syscall.SIGKILL)
			_ = children[i].Wait() // it was killed
			children[i] = start()
			kills++
		} else {
			signal(children[i], syscall.SIGCONT)
		}
		if p, err := e.Position(context.Background(), "a"); err != nil || p == fmt.Sprint(crashRows) {
			t.Logf("all was stored after %d kills, before the test had its fill: %v", kills, err)
			break
		}
	}
	for _, c := range children {
		if err := c.Wait(); err != nil {
			t.Errorf("a collector: %v", err)
		}
	}
	t.Logf("%d collectors were killed", kills)
	if n := counted(t, e, "count()"); n != crashRows {
		t.Errorf("%d rows are stored, want %d and not one twice", n, crashRows)
	}
	wantClicks(t, e, crashRows)
}
