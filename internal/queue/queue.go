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
	// Sources names the streams that this process is to read now, such as "1/0" for
	// node 1, lane 0. The list may change while the queue runs: a broker's sources
	// move when readers come and go. No two live readers have the same source, as far
	// as the broker can tell; one that was paused may believe for a while that it has.
	Sources(ctx context.Context) ([]string, error)
	// Open reads a source from a position, "" for its beginning. When the broker has
	// removed records behind the position, the source goes on with the first there is
	// and says so in Lost. ErrMoved: it is not for this process.
	Open(ctx context.Context, source, position string) (Source, error)
	Close() error
}

// Source is one ordered stream of records. One goroutine takes, another may commit
// what was taken before.
type Source interface {
	// Take returns the next records, at most max of them and at least one. It
	// waits until there is one, until ctx ends, or, once it has some, no longer
	// than it takes to drain what is there. The batch is valid until the next
	// Take. ErrMoved: another process reads the source now.
	Take(ctx context.Context, max int) (Batch, error)
	// Commit says that everything up to the position is stored elsewhere for
	// good; the queue may forget it.
	Commit(ctx context.Context, position string) error
	// Lag is what has been appended and not yet committed. A broker is asked in the
	// background and may be a few seconds behind.
	Lag() Lag
	// Lost is how many records were gone before they could be read, because a broker
	// has kept them for too short a time; 0 for a source that loses nothing.
	Lost() int64
	Close() error
}

// Producer sends records to a broker. Its methods may be called at the same time from
// several goroutines.
type Producer interface {
	// Send returns nil when the broker has all of the records as safely as it keeps
	// any. After an error some may be stored and others not: the caller, who has them
	// on disk, sends all of them again. It does not retain the records.
	Send(ctx context.Context, records []Record) error
	Close() error
}

// Record is what is sent.
type Record struct {
	// Key chooses the source: records with one key come out of one, as long as the
	// broker has the same number of them.
	Key  uint64
	Data []byte
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

// ErrMoved is returned for a source that another process reads now.
var ErrMoved = affiliate.Errorf(affiliate.Conflict, "the source is read by another process")
