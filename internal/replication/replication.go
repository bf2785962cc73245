// Package replication keeps the routing tables of many nodes equal to the catalog.
//
// A Sender runs at every control node. It compares how far the distributed log has come
// with the node's own table, which follows the store, and adds what is missing: steps,
// or a snapshot. It does so when it is told of a change, and every second, so a
// distribution that has lost its newest writes, or everything, is complete again a moment
// later. Several senders do the same work without harm.
//
// A Follower runs at every node that has no store. It applies steps to the node's table,
// and takes a snapshot when it has missed some. What it reads may only ever bring its table
// further: a log that knows less, of another installation, or sealed with another
// secret is reported and not obeyed. While the distribution is away the table serves.
package replication

import (
	"context"
	"time"
)

// Identity says whose links are distributed.
type Identity struct {
	Installation string `json:"installation"` // of the store
	Epoch        int64  `json:"epoch"`
}

// Rest between two looks at a distribution that has nothing new, or that fails.
const (
	lookEvery = time.Second
	restFirst = 100 * time.Millisecond
	restMax   = 2 * time.Second
)

// rest waits; it is shorter when poke brings something.
func rest(ctx context.Context, d time.Duration, poke <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-poke:
	case <-ctx.Done():
	}
}
