package sqlite

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/mattn/go-sqlite3"

	"github.com/sluicehq/sluice/internal/store"
)

// TestTranslation covers the faults that a test cannot bring about on any machine,
// such as a disk that turns read-only.
func TestTranslation(t *testing.T) {
	s := &Store{path: filepath.Join("data", "store.db")}
	for _, c := range []struct {
		name string
		err  error
		want error
	}{
		{"a file system that turned read-only", s.failure(sqlite3.Error{Code: sqlite3.ErrReadonly}), store.ErrReadOnly},
		{"a log that cannot be made", s.failure(sqlite3.Error{Code: sqlite3.ErrCantOpen}), store.ErrReadOnly},
		{"a write to a read-only disk", s.failure(sqlite3.Error{Code: sqlite3.ErrIoErr, SystemErrno: syscall.EROFS}), store.ErrReadOnly},
		{"a full disk", s.failure(sqlite3.Error{Code: sqlite3.ErrFull}), store.ErrFull},
		{"a bad page", s.failure(sqlite3.Error{Code: sqlite3.ErrCorrupt}), store.ErrCorrupt},
		{"a folder on a read-only disk", openFailure(s.path, &fs.PathError{Op: "mkdir", Path: "data", Err: syscall.EROFS}), store.ErrReadOnly},
		{"a folder of somebody else", openFailure(s.path, fs.ErrPermission), store.ErrReadOnly},
		{"a folder on a full disk", openFailure(s.path, syscall.ENOSPC), store.ErrFull},
	} {
		t.Run(c.name, func(t *testing.T) {
			var f *store.Failure
			if !errors.As(c.err, &f) || !errors.Is(c.err, c.want) || f.Place != s.path || f.Hint == "" {
				t.Errorf("got %v, want a failure at %s because %v, with a hint", c.err, s.path, c.want)
			}
		})
	}
}
