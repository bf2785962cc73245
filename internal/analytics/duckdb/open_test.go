package duckdb

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

func TestOpenSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good.duckdb")
	if err := mustOpen(t, Options{Path: good}).Close(); err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(dir, "newer.duckdb")
	e := mustOpen(t, Options{Path: newer})
	if _, err := e.db.Exec("UPDATE meta SET value = 99 WHERE key = 'schema'"); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other.duckdb")
	if err := os.WriteFile(other, []byte(strings.Repeat("something else ", 5000)), 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(dir, "damaged.duckdb")
	bytes, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	bytes[100] ^= 1
	if err := os.WriteFile(damaged, bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, path, says string }{
		{"newer schema", newer, "start the newer release"},
		{"damaged", damaged, "restore a backup"},
		{"no database", other, "restore a backup"},
		{"no folder", filepath.Join(dir, "no", "such", "clicks.duckdb"), "create the folder"},
		{"a folder", dir, "cannot open"},
		{"a path with a question mark", filepath.Join(dir, "what?.duckdb"), "choose another"},
	} {
		e, err := Open(Options{Path: test.path})
		if err == nil {
			t.Errorf("%s: it opened", test.name)
			_ = e.Close()
			continue
		}
		if !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), test.path) {
			t.Errorf("%s: %q says neither %q nor the path", test.name, err, test.says)
		}
	}
	for said, hint := range map[string]string{
		`Serialization Error: Trying to read a database file with version number 99, but we can only read versions between 64 and 67.`: "newer release of DuckDB",
		`IO Error: Cannot open file "/data/clicks.duckdb": Read-only file system`:                                                      "may not write",
		`IO Error: Cannot open file "/data/clicks.duckdb": Permission denied`:                                                          "may not write",
		`IO Error: Could not write file "/data/clicks.duckdb": No space left on it`:                                                    "make room",
	} {
		if err := explainOpen("/data/clicks.duckdb", errors.New(said)); !strings.Contains(err.Error(), hint) {
			t.Errorf("%s is explained as %q", said, err)
		}
	}
}

func TestFileInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clicks.duckdb")
	cmd, lines, release := child(t, "hold", path)
	if !lines.Scan() || lines.Text() != "open" {
		t.Fatalf("the child says %q", lines.Text())
	}
	if e, err := Open(Options{Path: path}); err == nil {
		t.Error("two processes have the file open")
		_ = e.Close()
	} else if !strings.Contains(err.Error(), "another process") {
		t.Errorf("the error is %q", err)
	}
	release()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := mustOpen(t, Options{Path: path}).Close(); err != nil {
		t.Error(err)
	}
}

func TestTemporaryFileIsRemoved(t *testing.T) {
	dir := t.TempDir()
	e := mustOpen(t, Options{TempDir: dir})
	if _, err := os.Stat(e.path); err != nil {
		t.Error(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := e.Append(context.Background(), analytics.Batch{Source: "a", To: "1"}); err == nil {
		t.Error("a closed engine stored a batch")
	}
	if _, err := e.Position(context.Background(), "a"); err == nil {
		t.Error("a closed engine knows a position")
	}
	if err := e.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

// TestReportIsInterrupted cancels a report that would take very long.
func TestReportIsInterrupted(t *testing.T) {
	e := mustOpen(t, Options{})
	defer func() { _ = e.Close() }()
	ctx, cancel := context.WithCancel(context.Background())
	slow := "SELECT count(*) FROM range(100000000) a, range(100000000) b WHERE a.range * b.range % 7 = 1"
	started := time.AfterFunc(50*time.Millisecond, cancel)
	defer started.Stop()
	var n int64
	err := e.db.QueryRowContext(ctx, slow).Scan(&n)
	if err = e.explain(ctx, err); !errors.Is(err, context.Canceled) {
		t.Errorf("the query ended with %v, want that it was canceled", err)
	}
	if _, err := e.Report(context.Background(), analytics.Query{}); err != nil {
		t.Errorf("the engine after an interruption: %v", err)
	}
}

// TestCheckpointsWaitForReaders holds a reader and watches when the engine packs.
func TestCheckpointsWaitForReaders(t *testing.T) {
	e := mustOpen(t, Options{groupRows: 100})
	defer func() { _ = e.Close() }()
	position := ""
	add := func() {
		rows := make([]Row, 100)
		for i := range rows {
			rows[i] = crashRow(uint64(i))
		}
		if err := e.Append(context.Background(), analytics.Batch{Source: "a", From: position, To: position + "+", Rows: rows}); err != nil {
			t.Error(err)
		}
		position += "+"
	}
	add()
	if e.packed != 1 {
		t.Errorf("%d groups are packed with nobody reading, want 1", e.packed)
	}
	reading, release, read := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		read <- e.read(context.Background(), func(tx *sql.Tx) error {
			var n int
			err := tx.QueryRow("SELECT count(*) FROM clicks").Scan(&n)
			close(reading)
			<-release
			return err
		})
	}()
	<-reading
	for range groupsBehind - 1 {
		add()
	}
	if e.packed != 1 {
		t.Errorf("%d groups are packed under a reader, want the 1 from before", e.packed)
	}
	appended := make(chan struct{})
	go func() {
		add()
		close(appended)
	}()
	for e.reading.TryRLock() { // until the append waits for the reader
		e.reading.RUnlock()
		runtime.Gosched()
	}
	close(release)
	<-appended
	if err := <-read; err != nil {
		t.Error(err)
	}
	if e.packed != 1+groupsBehind {
		t.Errorf("%d groups are packed after the reader, want %d", e.packed, 1+groupsBehind)
	}
}

// TestLinksGrowByWhatIsNew looks at the table that the suite cannot see.
func TestLinksGrowByWhatIsNew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clicks.duckdb")
	e := mustOpen(t, Options{Path: path})
	position := ""
	add := func(slugs ...string) {
		t.Helper()
		var rows []Row
		for _, slug := range slugs {
			r := crashRow(1)
			r.Link, r.Slug = int64(slug[0]), slug
			rows = append(rows, r)
		}
		if err := e.Append(context.Background(), analytics.Batch{Source: "a", From: position, To: position + "+", Rows: rows}); err != nil {
			t.Fatal(err)
		}
		position += "+"
	}
	links := func(want int) {
		t.Helper()
		var got int
		if err := e.db.QueryRow("SELECT count(*) FROM links").Scan(&got); err != nil || got != want {
			t.Errorf("%d links, %v, want %d", got, err, want)
		}
	}
	add("a", "b", "a", "a")
	links(2)
	add("a", "b", "c")
	links(3)
	add("a2", "a2", "b")
	links(4)
	if err := e.Append(context.Background(), analytics.Batch{Source: "a", From: "elsewhere", Rows: []Row{crashRow(1)}}); !errors.Is(err, analytics.ErrPosition) {
		t.Fatal(err)
	}
	links(4)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = mustOpen(t, Options{Path: path})
	defer func() { _ = e.Close() }()
	add("a2", "b", "c")
	links(4)
	add("a")
	links(5)
}

// TestNamesForgetWhatWasNotStored undoes what a failed transaction had learned.
func TestNamesForgetWhatWasNotStored(t *testing.T) {
	n := newNames()
	row := func(link int64, slug string) *Row {
		return &Row{Click: affiliate.Click{Link: link, Slug: slug}}
	}
	if got := len(n.learn([]*Row{row(1, "a"), row(2, "b"), row(1, "a"), row(0, "nosuch")})); got != 2 {
		t.Errorf("%d new names, want 2", got)
	}
	n.undo()
	if got := len(n.learn([]*Row{row(1, "a")})); got != 1 {
		t.Errorf("%d new names after undoing, want 1", got)
	}
	n.keep()
	n.learn([]*Row{row(1, "b"), row(1, "c")})
	n.undo()
	if got := n.learn([]*Row{row(1, "a")}); len(got) != 0 {
		t.Errorf("%d new names, want none: the old one was stored", len(got))
	}
}

func TestIDsAreNumbers(t *testing.T) {
	for _, id := range []string{"000000000000", "zzzzzzzzzzzz", "0123456789ab", "nkjhgfedcba9"} {
		var back [12]byte
		encode(back[:], decode([]byte(id)))
		if string(back[:]) != id {
			t.Errorf("%s comes back as %s", id, back)
		}
	}
	var none affiliate.VisitorID
	if decode(none[:]) != 0 {
		t.Errorf("no visitor is %d, want 0", decode(none[:]))
	}
}
