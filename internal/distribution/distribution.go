// Package distribution is the contract of what nodes share while they run: the routing
// table, which control nodes send to those who answer visitors, some small values, and who
// is there.
//
// Nothing that is read here is needed to answer a visitor: a node has its table on disk
// and serves on while the distribution is away. Nor is anything here the truth: the store
// is. An engine may lose its newest writes, or all, and control nodes write them again.
//
// # Links
//
// What is distributed is a log of steps and snapshots beside it. A step leads from one
// number of the catalog's change log to a later one. Whoever stands between From and
// To of a step takes from it what is new; whoever stands before From has missed
// something and takes a snapshot. Steps are added by any control node, each of which reads
// the same change log, so adding one that is there already does nothing.
//
// A log belongs to an installation (one store) and an epoch. The epoch grows only
// when an operator says that a store which knows less than the nodes is to be obeyed
// (a restored backup). Otherwise a node never goes back to a lower number.
//
// # Errors
//
// Unavailable: it cannot be reached now. NotFound: there is no such thing. Conflict: another
// installation, or a later epoch, is distributed here. Bodies are opaque to engines;
// see Seal for what is in them.
package distribution

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

// Distribution is what nodes share. Its methods may be called at the same time.
type Distribution interface {
	Links
	Values
	Board
	affiliate.Examiner
	Close() error
}

// Links carries the routing table.
type Links interface {
	// Head returns whose links are distributed and up to where; the zero Head when
	// nothing is.
	Head(ctx context.Context) (Head, error)
	// Begin makes the log that of an installation and epoch. When it is that already, nothing
	// happens. An epoch higher than the one there begins an empty log.
	Begin(ctx context.Context, installation string, epoch int64) error
	// Append adds a step to the log of an epoch. ErrGap: the log ends before Step.From, so that
	// steps between, or a snapshot, must come first.
	Append(ctx context.Context, epoch int64, step Step) error
	// Steps returns the steps with To above after, in order, StepsMax at most. It waits for
	// one no longer than wait; nil after that. When ctx ends, it ends within seconds.
	Steps(ctx context.Context, epoch, after int64, wait time.Duration) ([]Step, error)
	// PutSnapshot stores a snapshot, read from r, beside those of other formats and in the
	// place of an older one of its own. When the log has not come as far as its Seq,
	// a step with Reload is added, and the log goes on from there. What is read meanwhile
	// of an older snapshot stays readable for some minutes.
	PutSnapshot(ctx context.Context, epoch int64, s Snapshot, r io.Reader) error
	// Snapshots describes the snapshots of an epoch, one for each format, newest format
	// first.
	Snapshots(ctx context.Context, epoch int64) ([]Snapshot, error)
	// OpenSnapshot reads one of them. Its contents are checked as they are read: the last
	// Read fails when they are not those that were stored.
	OpenSnapshot(ctx context.Context, epoch int64, s Snapshot) (io.ReadCloser, error)
}

// Head is how far a log has come.
type Head struct {
	Installation string
	Epoch        int64
	Seq          int64 // To of the last step; 0 for an empty log
	// First is where the log begins: whoever is before it needs a snapshot that is not.
	First int64
}

// StepsMax is how many steps are handed out at once.
const StepsMax = 1000

// Step is one entry of the log.
type Step struct {
	From, To int64
	// Reload says that the changes up to To are in snapshots only.
	Reload bool
	Body   []byte
}

// StepBytesMax bounds a step's body; more than that is sent as a snapshot.
const StepBytesMax = 8 << 20

// Snapshot describes a whole routing table, as a file of routing.
type Snapshot struct {
	Seq    int64  `json:"seq"`
	Format int    `json:"format"`
	Links  int64  `json:"links"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // of the file, hex
	// Seal vouches for all of this; see Key.
	Seal string `json:"seal"`
	// Place is where the engine keeps the file.
	Place string `json:"place"`
}

// SnapshotBytesMax bounds a snapshot: some 20 million links.
const SnapshotBytesMax = 4 << 30

// Values are small things that all nodes read, such as sealed keys.
type Values interface {
	// PutValue stores a value under a name, unless one of the same or a higher revision is
	// there. ValueBytesMax bounds it.
	PutValue(ctx context.Context, name string, revision int64, value []byte) error
	// Value returns what is there, or NotFound.
	Value(ctx context.Context, name string) (revision int64, value []byte, err error)
}

// ValueBytesMax bounds a value.
const ValueBytesMax = 1 << 20

// Board lists the nodes.
type Board interface {
	// Announce says that a node is there and how it is. It is forgotten when it has not
	// said so for NodeTTL. The result is the engine's clock at that moment, by which every
	// node can tell how far its own is off.
	Announce(ctx context.Context, node Node) (clock time.Time, err error)
	// Leave takes a node off the board.
	Leave(ctx context.Context, name string) error
	// Nodes lists who is there, by name.
	Nodes(ctx context.Context) ([]Node, error)
}

// NodeTTL is how long a node is remembered that says nothing.
const NodeTTL = 10 * time.Second

// Node is how a process describes itself to the others.
type Node struct {
	Name    string `json:"name"` // unique: node number and role
	Number  int    `json:"number"`
	Role    string `json:"role"`
	Version string `json:"version"`
	Address string `json:"address"` // of its admin listener
	// Seq is the change that its routing table has come to.
	Seq int64 `json:"seq"`
	// Waiting is how many of its clicks are not in the broker, or not in the reports, yet.
	Waiting int64 `json:"waiting"`
	// LagMillis is the age of the newest of its clicks that arrived there, while others wait.
	LagMillis int64 `json:"lag_ms,omitempty"`
	// SkewMillis is how far its clock is ahead of the engine's.
	SkewMillis int64     `json:"skew_ms"`
	Alarms     int       `json:"alarms"`
	Started    time.Time `json:"started"`
	// Said is when it said so, by the engine's clock.
	Said time.Time `json:"said"`
}

// ErrGap says that a log does not reach to where a step begins.
var ErrGap = errors.New("the log of links does not reach to where the step begins")
