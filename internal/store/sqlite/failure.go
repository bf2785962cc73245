package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/mattn/go-sqlite3"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// failure translates an error of the library into the contract's words.
func (s *Store) failure(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if errors.Is(err, sql.ErrConnDone) || errors.Is(err, sql.ErrTxDone) {
		return affiliate.Errorf(affiliate.Unavailable, "the transaction on %s is over", s.path)
	}
	var lite sqlite3.Error
	if !errors.As(err, &lite) {
		return &store.Failure{Place: s.path, Err: err}
	}
	switch lite.Code {
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		return affiliate.Errorf(affiliate.Unavailable, "another program holds a lock on %s; close it, or try again", s.path)
	case sqlite3.ErrInterrupt:
		return context.Canceled
	case sqlite3.ErrFull:
		return &store.Failure{Place: s.path, Err: fmt.Errorf("%w: %w", store.ErrFull, err), Hint: "nothing was changed; make room and try again"}
	case sqlite3.ErrCorrupt, sqlite3.ErrNotADB:
		return &store.Failure{Place: s.path, Err: fmt.Errorf("%w: %w", store.ErrCorrupt, err),
			Hint: "keep a copy of it, then restore a backup, or save what can be read with: sqlite3 " + filepath.Base(s.path) + " .recover"}
	case sqlite3.ErrReadonly, sqlite3.ErrPerm, sqlite3.ErrCantOpen:
		return s.readOnly(err)
	case sqlite3.ErrIoErr:
		if lite.SystemErrno == syscall.EROFS || lite.SystemErrno == syscall.EACCES {
			return s.readOnly(err)
		}
		return &store.Failure{Place: s.path, Err: err, Hint: "look for disk errors in the system's log; nothing was changed"}
	}
	return &store.Failure{Place: s.path, Err: err}
}

func (s *Store) readOnly(err error) error {
	return &store.Failure{Place: s.path, Err: fmt.Errorf("%w: %w", store.ErrReadOnly, err), Hint: writableHint(s.path)}
}

func writableHint(path string) string {
	return "make " + filepath.Dir(path) + " and its files writable for this user, or choose another data folder"
}

func (s *Store) statFailure(err error) error { return openFailure(s.path, err) }

// openFailure explains why a file or its folder could not be opened.
func openFailure(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &store.Failure{Place: path, Err: store.ErrMissing, Hint: "check the path of the data folder"}
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		return &store.Failure{Place: path, Err: fmt.Errorf("%w: %w", store.ErrReadOnly, err), Hint: writableHint(path)}
	case errors.Is(err, syscall.ENOSPC):
		return &store.Failure{Place: path, Err: fmt.Errorf("%w: %w", store.ErrFull, err), Hint: "make room and try again"}
	}
	return &store.Failure{Place: path, Err: err}
}
