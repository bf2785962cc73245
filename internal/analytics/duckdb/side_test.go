package duckdb

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

func agentRow(agent string) *Row { return &Row{Click: affiliate.Click{Agent: agent}} }

// agentNumbers is a numbering of the side table agents, without a database.
func agentNumbers(t *testing.T) *numbering {
	for _, s := range sides {
		if s.table == "agents" {
			n := newNumbering(s, new(arena))
			t.Cleanup(n.chunk.close)
			return n
		}
	}
	t.Fatal("there is no table of agents")
	return nil
}

func (n *numbering) of(agent string) int64 {
	r := agentRow(agent)
	if known := n.recent.find(n.sum(r)); known != 0 {
		return known
	}
	return n.number(n.sum(r), r)
}

func TestNumbersForgetWhatWasNotStored(t *testing.T) {
	n := agentNumbers(t)
	if a, b, again := n.of("a"), n.of("b"), n.of("a"); a != 1 || b != 2 || again != 1 || len(n.fresh) != 2 {
		t.Errorf("numbers %d, %d, %d and %d fresh rows, want 1, 2, 1 and 2", a, b, again, len(n.fresh))
	}
	n.keep()
	n.of("c")
	n.undo()
	if a, d, fresh := n.of("a"), n.of("d"), len(n.fresh); a != 1 || d != 3 || fresh != 1 {
		t.Errorf("after undoing c, a is %d, d is %d, %d fresh, want 1, 3, 1", a, d, fresh)
	}
	n.undo()
	if c := n.of("c"); c != 3 || len(n.fresh) != 1 {
		t.Errorf("c is %d and %d fresh, want 3 and 1: it has never been stored", c, len(n.fresh))
	}
}

// TestNumbersAreBounded meets far more values than are remembered: what is used
// all the time keeps its number, and no two values share one.
func TestNumbersAreBounded(t *testing.T) {
	n := agentNumbers(t)
	usual := n.of("usual")
	seen := map[int64]bool{usual: true}
	for i := range 3 * rememberedMax {
		number := n.of(fmt.Sprint("stranger ", i))
		if seen[number] {
			t.Fatalf("stranger %d has the number %d of another", i, number)
		}
		seen[number] = true
		if i%1000 == 0 {
			if got := n.of("usual"); got != usual {
				t.Fatalf("after %d strangers the usual one has the number %d, want %d", i, got, usual)
			}
			n.keep()
		}
	}
	if places := len(n.recent.places) + len(n.older.places); places > 4*rememberedMax {
		t.Errorf("%d places in memory, want %d at most", places, 4*rememberedMax)
	}
}

// TestSidesGrowByWhatIsNew counts the rows that the suite cannot see, over a restart.
func TestSidesGrowByWhatIsNew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clicks.duckdb")
	e := mustOpen(t, Options{Path: path})
	position := ""
	add := func(rows ...Row) {
		t.Helper()
		if err := e.Append(context.Background(), analytics.Batch{Source: "a", From: position, To: position + "+", Rows: rows}); err != nil {
			t.Fatal(err)
		}
		position += "+"
	}
	want := func(when string, counts map[string]int) {
		t.Helper()
		for table, want := range counts {
			var got int
			if err := e.db.QueryRow("SELECT count(*) FROM " + table).Scan(&got); err != nil || got != want {
				t.Errorf("%s: %d rows in %s (%v), want %d", when, got, table, err, want)
			}
		}
	}
	add(crashRow(1), crashRow(501), crashRow(1001)) // one link, and its id in each URL
	want("one link", map[string]int{"routes": 1, "targets": 1, "agents": 1, "requests": 1, "addresses": 1})
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = mustOpen(t, Options{Path: path})
	defer func() { _ = e.Close() }()
	other := crashRow(2)
	other.Device = affiliate.Tablet
	add(crashRow(1501), other)
	want("after a restart", map[string]int{"routes": 2, "targets": 1, "agents": 2, "requests": 1, "clicks": 5})
}
