package sqlite_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/sqlite"
)

// wantFailure says that err names the reason, the place and what to do.
func wantFailure(t *testing.T, err, reason error, words ...string) {
	t.Helper()
	var f *store.Failure
	if !errors.As(err, &f) || !errors.Is(err, reason) || f.Place == "" || f.Hint == "" {
		t.Fatalf("got the error %v, want a failure because %v, with place and hint", err, reason)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error %q does not say %q", err, w)
		}
	}
}

func tryOpen(t *testing.T, path string) error {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, BusyTimeout: 50 * time.Millisecond})
	if err == nil {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	return err
}

// fill makes a store with something in it and closes it.
func fill(t *testing.T, path string) {
	t.Helper()
	s := open(t, path)
	err := s.Update(t.Context(), func(w store.Writer) error {
		for i := range 2000 {
			if err := w.Documents().Put(store.Setting, store.Document{Key: strconv.Itoa(i), Body: json.RawMessage(`"0123456789012345678901234567890123456789"`)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
}

func exec(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+path)
	if err == nil {
		_, err = db.Exec(statement)
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestNewerVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	fill(t, path)
	exec(t, path, "INSERT INTO schema VALUES (99)")
	wantFailure(t, tryOpen(t, path), store.ErrNewer, path, "version 99", "up to "+strconv.Itoa(sqlite.SchemaVersion), "run the newer Sluice")
}

func TestInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	wantFailure(t, tryOpen(t, path), store.ErrInUse, path, "process "+strconv.Itoa(os.Getpid()))
	reader, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, ReadOnly: true})
	if err != nil {
		t.Fatalf("reading beside the writer: %v", err)
	}
	if err := reader.Update(t.Context(), func(store.Writer) error { return nil }); affiliate.CodeOf(err) != affiliate.Forbidden {
		t.Errorf("a store opened for reading answered a change with %v", err)
	}
	if err := errors.Join(reader.Close(), s.Close(), tryOpen(t, path)); err != nil {
		t.Errorf("after the other is gone: %v", err)
	}
}

func TestLockedByAnotherProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	fill(t, path)
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, BusyTimeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	other, err := sql.Open("sqlite3", "file:"+path+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	tx, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(t.Context(), func(store.Writer) error { return nil })
	if affiliate.CodeOf(err) != affiliate.Unavailable || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), func(store.Writer) error { return nil }); err != nil {
		t.Errorf("after the lock is free: %v", err)
	}
}

func TestDamage(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(b []byte)
	}{
		{"not a database", func(b []byte) { copy(b, "#!/bin/sh\necho this is not SQLite\n") }},
		{"second half", func(b []byte) {
			for i := len(b) / 2; i < len(b); i++ {
				b[i] = 0xa5
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			fill(t, path)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			c.damage(b)
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			err = readAll(t, path)
			wantFailure(t, err, store.ErrCorrupt, path, ".recover")
			if after, err := os.ReadFile(path); err != nil || len(after) != len(b) {
				t.Errorf("the damaged file was touched: %d bytes, then %d, %v", len(b), len(after), err)
			}
		})
	}
}

func readAll(t *testing.T, path string) error {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
	if err != nil {
		return err
	}
	err = s.View(t.Context(), func(r store.Reader) error {
		_, err := r.Documents().List(store.Setting, "")
		return err
	})
	if closing := s.Close(); err == nil {
		err = closing
	}
	return err
}

func TestUnwritable(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantFailure(t, tryOpen(t, filepath.Join(file, "store.db")), store.ErrReadOnly, file, "writable")
	if os.Getuid() == 0 {
		t.Log("running as root: the permissions of a folder cannot be tested")
		return
	}
	locked := filepath.Join(dir, "locked")
	if err := os.Mkdir(locked, 0o500); err != nil {
		t.Fatal(err)
	}
	wantFailure(t, tryOpen(t, filepath.Join(locked, "store.db")), store.ErrReadOnly, locked, "writable")
}

func TestMissingForReading(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nowhere", "store.db")
	_, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, ReadOnly: true})
	wantFailure(t, err, store.ErrMissing, path)
	if _, err := os.Stat(filepath.Dir(path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("opening for reading made the folder: %v", err)
	}
}

// TestFull fills the disk up as far as SQLite can tell.
func TestFull(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "store.db"))
	defer func() { _ = s.Close() }()
	pages, err := s.Pragma("page_count")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Pragma("max_page_count = " + pages); err != nil {
		t.Fatal(err)
	}
	big := store.Document{Key: "big", Body: json.RawMessage(`"` + strings.Repeat("x", 1<<20) + `"`)}
	put := func(w store.Writer) error {
		if err := w.Documents().Put(store.Setting, store.Document{Key: "small", Body: json.RawMessage(`1`)}); err != nil {
			return err
		}
		return w.Documents().Put(store.Setting, big)
	}
	wantFailure(t, s.Update(t.Context(), put), store.ErrFull, "nothing was changed", "make room")
	err = s.View(t.Context(), func(r store.Reader) error {
		_, err := r.Documents().Get(store.Setting, "small")
		return err
	})
	if affiliate.CodeOf(err) != affiliate.NotFound {
		t.Errorf("half of the change is there: %v", err)
	}
	if _, err := s.Pragma("max_page_count = 1000000"); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), put); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// TestOddPath holds characters that mean something in a URI.
func TestOddPath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b%20?#&=ü", "store.db")
	fill(t, path)
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
	if err := readAll(t, path); err != nil {
		t.Error(err)
	}
}

// TestDurable looks at what the promise of a commit rests on.
func TestDurable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	defer func() { _ = s.Close() }()
	for pragma, want := range map[string]string{"synchronous": "2", "journal_mode": "wal", "foreign_keys": "1", "page_size": "16384"} {
		if got, err := s.Pragma(pragma); err != nil || got != want {
			t.Errorf("%s is %s, want %s, %v", pragma, got, want, err)
		}
	}
}
