package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
)

// The server's numbers of errors.
const (
	codeUnknownDatabase  = 81
	codeAccessDenied     = 497
	codeNoDatabaseAccess = 291
	codeReadonly         = 164
	codeUnknownSetting   = 115
	codeQuorumBusy       = 286 // another batch waits for its quorum
	codeNotInQuorum      = 289 // a replica has not all that a quorum has
)

func codeOf(err error) int32 {
	var exception *clickhouse.Exception
	if errors.As(err, &exception) {
		return exception.Code
	}
	return 0
}

// refusal says why a server or cluster is not fit for Sluice, and what to do.
type refusal struct{ problem, mend string }

func (r *refusal) Error() string { return r.problem + ": " + r.mend }

// hints say what to do about the server's errors, by their numbers.
var hints = []struct {
	codes []int32
	hint  string
}{
	{[]int32{516, 192, 193, 194}, "the user or the password is wrong; check analytics' URL and password, and the server's users"},
	{[]int32{codeUnknownDatabase}, "there is no such database; create it, or name one that is there"},
	{[]int32{codeAccessDenied, codeNoDatabaseAccess}, "the user may not do that; grant it SELECT, INSERT, CREATE, ALTER DELETE and DROP PARTITION on the database, and SELECT on system.processes, system.mutations, system.parts and system.disks"},
	{[]int32{codeReadonly}, "the user may only read, or may not change settings; give it a profile without readonly"},
	{[]int32{codeUnknownSetting, 452}, "the server or the user's profile refuses a setting that bounds queries; allow max_execution_time and max_memory_usage"},
	{[]int32{252}, "too many parts: batches come faster than the server merges them; they are tried again, but send fewer and larger ones, or give the server faster disks"},
	{[]int32{241}, "the query does not fit the memory that it may take; ask for less time or fewer dimensions, or raise the report's memory"},
	{[]int32{159, 160}, "the query takes longer than it may; ask for less time or fewer dimensions, or raise the report's time"},
	{[]int32{243, 75}, "the server's disk is full; make room, or drop old partitions"},
	{[]int32{242}, "the table is read-only: its replica has lost ZooKeeper; look at the server's log"},
	{[]int32{202}, "the server has too many queries at once; they are tried again, or raise its max_concurrent_queries"},
	{[]int32{60, 47, 16}, "a table or column is missing; start Sluice again, which makes what is missing, or restore a backup"},
	{[]int32{285, codeQuorumBusy, codeNotInQuorum, 319}, "too few replicas have what was stored; it is tried again, and goes on when they are back"},
}

// explain gives an error its place and, where there is one, its remedy.
func (e *Engine) explain(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case affiliate.CodeOf(err) != "" || errors.Is(err, analytics.ErrPosition):
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("analytics: stopped: %w", context.Cause(ctx))
	}
	code := codeOf(err)
	for _, h := range hints {
		if slices.Contains(h.codes, code) {
			return fmt.Errorf("analytics: %s: %s: %w", e.place, h.hint, err)
		}
	}
	if errors.Is(err, io.EOF) && strings.Contains(err.Error(), "handshake") { // as old servers do without a word
		return fmt.Errorf("analytics: %s: the server ended the conversation at its beginning; its log says why: the user may have no right to the database, or the port may want TLS: %w", e.place, err)
	}
	var network net.Error
	if errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, clickhouse.ErrAcquireConnTimeout) {
		return fmt.Errorf("analytics: %s: the server does not answer; see whether it runs, and the address: %w", e.place, err)
	}
	return fmt.Errorf("analytics: %s: %w", e.place, err)
}
