package duckdb

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// TestMain lets the test binary be the process that is killed, or the one that
// holds the file.
func TestMain(m *testing.M) {
	switch path := os.Getenv("ANALYTICS_CHILD_FILE"); os.Getenv("ANALYTICS_CHILD") {
	case "append":
		os.Exit(childAppend(path))
	case "hold":
		os.Exit(childHold(path))
	}
	os.Exit(m.Run())
}

// childAppend appends until it is killed. The position of its source is the
// number of rows stored; each is printed once Append has returned.
func childAppend(path string) int {
	e, err := Open(Options{Path: path, groupRows: 5000})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	ctx := context.Background()
	position, err := e.Position(ctx, "1/0")
	for n := uint64(0); err == nil; {
		stored, _ := strconv.Atoi(position)
		rows := make([]Row, 1+rand.IntN(4000))
		for i := range rows {
			n++
			rows[i] = crashRow(n)
		}
		next := strconv.Itoa(stored + len(rows))
		err = e.Append(ctx, analytics.Batch{Source: "1/0", From: position, To: next, Rows: rows})
		fmt.Println(next)
		position = next
	}
	fmt.Println(err)
	return 1
}

func crashRow(n uint64) (r Row) {
	r.ID = affiliate.NewClickID(time.Now().UnixMilli(), 1, n)
	r.Link, r.Slug, r.Outcome = int64(n%500)+1, fmt.Sprint("link-", n%500), affiliate.Redirected
	r.Agent, r.URL = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0)", "https://shop.example/?sub="+r.ID.String()
	return r
}

// childHold keeps the file open until its standard input ends.
func childHold(path string) int {
	e, err := Open(Options{Path: path})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("open")
	_, _ = bufio.NewReader(os.Stdin).ReadByte()
	_ = e.Close()
	return 0
}

func child(t *testing.T, what, path string) (*exec.Cmd, *bufio.Scanner, func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ANALYTICS_CHILD="+what, "ANALYTICS_CHILD_FILE="+path)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out), func() { _ = in.Close() }
}

func TestKillLosesNothingAndCountsNothingTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clicks.duckdb")
	acknowledged := 0
	for round := range 6 {
		cmd, lines, _ := child(t, "append", path)
		for range 1 + rand.IntN(25) {
			if !lines.Scan() {
				t.Fatal("the child ended by itself")
			}
			n, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Fatalf("the child says %q", lines.Text())
			}
			acknowledged = n
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // "signal: killed"

		e := mustOpen(t, Options{Path: path})
		position, err := e.Position(context.Background(), "1/0")
		if err != nil {
			t.Fatal(err)
		}
		r, err := e.Report(context.Background(), analytics.Query{All: true})
		if err != nil {
			t.Fatal(err)
		}
		names, err := e.Report(context.Background(), analytics.Query{By: []analytics.Dimension{analytics.ByLink}, Filter: analytics.Filter{
			Is: map[analytics.Dimension][]string{analytics.ByLink: {"link-1"}}}})
		if err != nil {
			t.Fatal(err)
		}
		if len(names.Rows) != 1 {
			t.Errorf("round %d: the link is known as %v", round, names.Rows)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		stored := r.Totals[analytics.Total]
		if position != strconv.FormatInt(stored, 10) {
			t.Fatalf("round %d: %d rows are stored and the position is %s", round, stored, position)
		}
		if stored < int64(acknowledged) {
			t.Fatalf("round %d: %d rows are stored, %d were acknowledged", round, stored, acknowledged)
		}
	}
}
