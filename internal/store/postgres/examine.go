package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// skewMost is how far the server's clock may be from ours before it is worth a word.
const skewMost = 5 * time.Second

// xidAgeMost is the age of the oldest row, in transactions, above which the server's
// own cleaning evidently does not keep up; it stops writing at 2 thousand millions.
const xidAgeMost = 1_000_000_000

// maintainedUntil is when the project ends its releases with fixes.
// https://www.postgresql.org/support/versioning/
var maintainedUntil = map[int]time.Time{
	13: time.Date(2025, 11, 13, 0, 0, 0, 0, time.UTC),
	14: time.Date(2026, 11, 12, 0, 0, 0, 0, time.UTC),
	15: time.Date(2027, 11, 11, 0, 0, 0, 0, time.UTC),
	16: time.Date(2028, 11, 9, 0, 0, 0, 0, time.UTC),
	17: time.Date(2029, 11, 8, 0, 0, 0, 0, time.UTC),
	18: time.Date(2030, 11, 14, 0, 0, 0, 0, time.UTC),
}

// surroundings is what the server says of itself.
type surroundings struct {
	version           int
	clock             time.Time
	standby, readOnly bool
	fsync, fullPages  bool
	synchronous       string // as a connection gets it that does not ask for more
	used, usable      int64  // connections
	xidAge            int64
	encrypted, local  bool
}

const surroundingsQuery = `SELECT current_setting('server_version_num')::int, clock_timestamp(), pg_is_in_recovery(),
	current_setting('default_transaction_read_only')::bool, current_setting('fsync')::bool, current_setting('full_page_writes')::bool, current_setting('synchronous_commit'),
	(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
	current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint,
	(SELECT age(datfrozenxid)::bigint FROM pg_database WHERE datname = current_database()),
	coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false),
	coalesce(host(inet_client_addr()) = host(inet_server_addr()), true)`

// Examine looks at the server and the schema, at a moment that the caller knows as now. What Open would refuse it
// finds as well: the server may have been changed or replaced since. Its error is that it could not look.
func (s *Store) Examine(ctx context.Context, now time.Time) ([]affiliate.Finding, error) {
	leave, err := s.gate.Enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	t, err := s.begin(ctx, s.reader, snapshot)
	if err != nil {
		return nil, err
	}
	defer t.end()
	var on surroundings
	asked := time.Now()
	if _, err := t.one([]any{&on.version, &on.clock, &on.standby, &on.readOnly, &on.fsync, &on.fullPages, &on.synchronous,
		&on.used, &on.usable, &on.xidAge, &on.encrypted, &on.local}, surroundingsQuery); err != nil {
		return nil, err
	}
	// The server has looked at its clock somewhere between question and answer.
	found := on.findings(now, time.Since(asked))
	more, err := s.examineSchema(ctx, t.conn)
	found = append(found, more...)
	for i := range found {
		found[i].Problem = s.where() + ": " + found[i].Problem
	}
	return found, err
}

func (on *surroundings) findings(now time.Time, took time.Duration) (found []affiliate.Finding) {
	add := func(harmful bool, problem, mend string) {
		found = append(found, affiliate.Finding{Problem: problem, Mend: mend, Harmful: harmful})
	}
	if on.standby {
		add(true, "the server is a standby, and takes no changes", "give the address of the primary; with several hosts in it, add target_session_attrs=read-write")
	}
	if !on.fsync {
		add(true, "fsync is off: a crash of the server's machine can destroy the whole database", "set fsync = on in postgresql.conf")
	}
	if !on.fullPages {
		add(true, "full_page_writes is off: a crash of the server's machine can damage what was stored", "set full_page_writes = on in postgresql.conf, unless its file system never writes half a page")
	}
	if on.readOnly {
		add(false, "default_transaction_read_only is on for this user", "look whether the server is meant to be written to; Sluice asks for each change to be written all the same")
	}
	if on.synchronous == "off" {
		add(false, "synchronous_commit is off; Sluice turns it on for its own changes, so that what was acknowledged stays", "set it to on, or expect this server to be as slow for Sluice as its disk")
	}
	if major := on.version / 10_000; major < serverVersionLeast {
		add(true, fmt.Sprintf("the server is PostgreSQL %d", major), fmt.Sprintf("upgrade it to %d or newer", serverVersionLeast))
	} else if end, known := maintainedUntil[major]; known && now.After(end) {
		add(false, fmt.Sprintf("PostgreSQL %d gets no more fixes since %s", major, end.Format(time.DateOnly)), "upgrade the server")
	}
	if skew := on.clock.Sub(now); skew > skewMost+took || skew < -skewMost {
		add(false, fmt.Sprintf("the server's clock is %v off ours", skew.Round(time.Second)), "let both machines keep their time by NTP")
	}
	if on.used*10 >= on.usable*9 {
		add(false, fmt.Sprintf("%d of the server's %d connections are in use", on.used, on.usable), "raise max_connections, or look who holds them: SELECT * FROM pg_stat_activity")
	}
	if on.xidAge > xidAgeMost {
		add(true, fmt.Sprintf("the oldest row is %d transactions old, and the server stops writing at 2,000,000,000", on.xidAge), "run VACUUM (FREEZE) on the database, and look what keeps autovacuum from it")
	}
	if !on.encrypted && !on.local {
		add(false, "the connection leaves this machine without encryption", "let the server speak TLS and add sslmode=verify-full to the address")
	}
	return found
}

// examineSchema compares the schema with what its migrations have made.
func (s *Store) examineSchema(ctx context.Context, q querier) (found []affiliate.Finding, err error) {
	done, err := s.history(ctx, q)
	if err != nil {
		return nil, err
	}
	if len(done) == 0 {
		return []affiliate.Finding{{Problem: "the schema is not there any more", Mend: "restore a backup, then restart Sluice", Harmful: true}}, nil
	}
	var f *store.Failure
	if err := s.checkHistory(ctx, q, done); errors.As(err, &f) && (errors.Is(err, store.ErrCorrupt) || errors.Is(err, store.ErrNewer)) {
		found = append(found, affiliate.Finding{Problem: f.Err.Error(), Mend: f.Hint, Harmful: true})
	} else if err != nil {
		return nil, err
	}
	if err := s.checkFinished(ctx, q); errors.Is(err, store.ErrUnfinished) && errors.As(err, &f) {
		found = append(found, affiliate.Finding{Problem: f.Err.Error(), Mend: f.Hint, Harmful: true})
	} else if err != nil {
		return nil, err
	}
	if n := len(done); n > len(s.migrates) {
		names := make([]string, 0, n-len(s.migrates))
		for _, a := range done[len(s.migrates):] {
			names = append(names, a.name)
		}
		found = append(found, affiliate.Finding{Problem: fmt.Sprintf("a newer Sluice has migrated it to version %d (%s), this one has %d", n, strings.Join(names, ", "), len(s.migrates)),
			Mend: "upgrade this node too when it suits you"})
	}
	return found, nil
}
