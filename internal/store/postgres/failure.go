package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// The server's codes that something can be said about.
// https://www.postgresql.org/docs/15/errcodes-appendix.html
const (
	codeUnsupported          = "0A000"
	codeInvalidAuthorization = "28000"
	codeInvalidPassword      = "28P01"
	codeUnknownDatabase      = "3D000"
	codeUnknownSchema        = "3F000"
	codeUnknownTable         = "42P01"
	codeNoRight              = "42501"
	codeReadOnly             = "25006"
	codeDeadlock             = "40P01"
	codeSerialization        = "40001"
	codeDiskFull             = "53100"
	codeTooManyConnections   = "53300"
	codeLockTimeout          = "55P03"
	codeStalled              = "25P03"
	codeCancelled            = "57014"
	codeShutdown             = "57P01"
	codeCrash                = "57P02"
	codeStarting             = "57P03"
	codeDamagedData          = "XX001"
	codeDamagedIndex         = "XX002"
)

// failureOf is failure within a context. Its end breaks connections off, and is then the reason.
func (s *Store) failureOf(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return s.failure(err)
}

// failure translates an error of the library into the contract's words.
func (s *Store) failure(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var known *store.Failure
	var coded *affiliate.Error
	if errors.As(err, &known) || errors.As(err, &coded) {
		return err
	}
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return s.serverFailure(server)
	}
	var connecting *pgconn.ConnectError
	if errors.As(err, &connecting) {
		return s.fault(fmt.Errorf("%w: %w", store.ErrUnreachable, cause(err)), "start PostgreSQL there, or correct the address")
	}
	if isLost(err) {
		return s.fault(fmt.Errorf("%w: the connection was lost: %w", store.ErrUnreachable, cause(err)),
			"nothing was changed; look at the server's log and at the network between, then try again")
	}
	return s.fault(err, "")
}

// isLost says that an error is of the connection.
func isLost(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err)
}

func (s *Store) fault(err error, hint string) error {
	return &store.Failure{Place: s.place, Err: err, Hint: hint}
}

// serverFailure translates what the server says.
func (s *Store) serverFailure(e *pgconn.PgError) error {
	err := said(e)
	switch e.Code {
	case codeLockTimeout:
		return affiliate.Errorf(affiliate.Unavailable, "another node or program has held the lock on %s for too long; try again", s.where())
	case codeDeadlock, codeSerialization:
		return affiliate.Errorf(affiliate.Unavailable, "another program has changed %s at the same time; nothing was changed, try again", s.where())
	case codeInvalidAuthorization, codeInvalidPassword:
		return s.fault(err, "correct user and password of the address, or let the user in by pg_hba.conf")
	case codeUnknownDatabase:
		return s.fault(fmt.Errorf("%w: %w", store.ErrMissing, err), "correct the address, or create the database: createdb --owner USER DATABASE")
	case codeNoRight:
		return s.fault(err, fmt.Sprintf("let the user have a schema of its own: CREATE SCHEMA %s AUTHORIZATION the user", s.schema))
	case codeUnknownTable, codeUnknownSchema:
		return &store.Failure{Place: s.where(), Err: fmt.Errorf("%w: %w", store.ErrCorrupt, err), Hint: "restore a backup, or start again with an empty schema"}
	case codeReadOnly:
		return s.readOnly(err)
	case codeDiskFull:
		return s.fault(fmt.Errorf("%w: %w", store.ErrFull, err), "nothing was changed; make room on the server's disk and try again")
	case codeTooManyConnections:
		return s.fault(err, "raise max_connections of the server, or lower the store's number of connections")
	case codeStalled:
		return s.fault(err, "nothing was changed; the node was busy with something else for minutes in the middle of a change")
	case codeCancelled:
		return s.fault(err, "nothing was changed; somebody on the server ended the statement, or statement_timeout is too short")
	case codeShutdown, codeCrash, codeStarting:
		return s.fault(fmt.Errorf("%w: %w", store.ErrUnreachable, err), "nothing was changed; wait until the server is ready and try again")
	case codeDamagedData, codeDamagedIndex:
		return s.fault(fmt.Errorf("%w: %w", store.ErrCorrupt, err), "keep a copy of the server's data folder, then restore a backup")
	}
	return s.fault(err, "")
}

// serverError is what the server said, with its code, but not the rows that it quotes in the details.
type serverError struct{ *pgconn.PgError }

func (e serverError) Error() string { return fmt.Sprintf("%s (%s)", e.Message, e.Code) }
func (e serverError) Unwrap() error { return e.PgError }

func said(e *pgconn.PgError) error { return serverError{e} }

// commitFailure is failure of a COMMIT. Unless the server has refused it, it may have been done.
func (s *Store) commitFailure(err error) error {
	var server *pgconn.PgError
	if errors.As(err, &server) && server.SeverityUnlocalized == "ERROR" {
		return s.serverFailure(server)
	}
	// Not the cause itself, which callers would take for one that may be tried again.
	return s.fault(fmt.Errorf("%w: the answer to COMMIT was lost: %v", store.ErrUncertain, cause(err)),
		"look whether the change is there before making it again")
}

// beginFailure sees that a transaction that may write is what the server does not support: it has become a standby.
func (s *Store) beginFailure(err error) error {
	var server *pgconn.PgError
	if errors.As(err, &server) && server.Code == codeUnsupported {
		return s.readOnly(said(server))
	}
	return err
}

// migrationFailure is failure of a migration, which keeps saying which one it was.
func (s *Store) migrationFailure(ctx context.Context, err error) error {
	translated := s.failureOf(ctx, err)
	var f *store.Failure
	if errors.As(translated, &f) && f.Hint == "" {
		return &store.Failure{Place: s.where(), Err: err, Hint: "nothing was changed; the previous version of Sluice still runs with this schema"}
	}
	return translated
}

func (s *Store) readOnly(err error) error {
	return s.fault(fmt.Errorf("%w: %w", store.ErrReadOnly, err),
		"give the address of the server that is written to; with several hosts in it, add target_session_attrs=read-write")
}

// cause is what is left of an error of the library without the address that it repeats.
func cause(err error) error {
	var operation *net.OpError
	var name *net.DNSError
	var system *os.SyscallError
	switch {
	case errors.As(err, &name):
		return name
	case errors.As(err, &system):
		return system
	case errors.As(err, &operation):
		return operation.Err
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
