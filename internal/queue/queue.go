// Package queue is the contract of what carries click records from the journals
// to the collector.
//
// Delivery is at least once and in order within one source. A record that was
// taken and not committed is delivered again after a restart. The engine that
// stores the records decides where it stands (see analytics.Engine), so a source
// is always opened at a position and never trusts its own memory of progress.
package queue

import (
	"context"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Queue hands out the sources that hold records.
type Queue interface {
	// Sources names the streams that can be read, such as "1/0" for node 1,
	// lane 0. The list may grow while the queue runs.
	Sources(ctx context.Context) ([]string, error)
	// Open reads a source from a position, "" for its beginning.
	Open(ctx context.Context, source, position string) (Source, error)
	Close() error
}

// Source is one ordered stream of records. One goroutine takes, another may commit
// what was taken before.
type Source interface {
	// Take returns the next records, at most max of them and at least one. It
	// waits until there is one, until ctx ends, or, once it has some, no longer
	// than it takes to drain what is there. The batch is valid until the next
	// Take.
	Take(ctx context.Context, max int) (Batch, error)
	// Commit says that everything up to the position is stored elsewhere for
	// good; the queue may forget it.
	Commit(ctx context.Context, position string) error
	// Lag is what has been appended and not yet committed.
	Lag() Lag
	Close() error
}

// Batch is a run of records and the positions it stands between.
type Batch struct {
	From, To string
	Records  [][]byte
}

// Lag is how far a reader is behind.
type Lag struct {
	Records int64 `json:"records"`
	Bytes   int64 `json:"bytes"`
}

// Poison is a record that cannot be understood. It is set aside with its reason
// and never blocks the ones behind it.
type Poison struct {
	Source   string
	Position string
	Record   []byte
	Reason   string
}

// ErrClosed is returned after Close.
var ErrClosed = affiliate.Errorf(affiliate.Unavailable, "the queue is closed")
