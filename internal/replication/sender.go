package replication

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/distribution"
	"github.com/sluicehq/sluice/internal/routing"
)

// SenderOptions must all be set, but SnapshotAfter.
type SenderOptions struct {
	Links    distribution.Links
	Key      distribution.Key
	Identity Identity
	// Table saves this node's table, once it has the change least.
	Table func(ctx context.Context, least int64) (*routing.Snapshot, error)
	// Since reads the changes after a number from the store. Reload says that they are too
	// many; last is the number they lead to, in both cases.
	Since func(ctx context.Context, seq int64) (changes []routing.Change, last int64, reload bool, err error)
	// SnapshotAfter is how far the log may run ahead of the snapshot; 20,000 when zero.
	SnapshotAfter int64
	Logger        *slog.Logger
}

// Sender brings what the catalog has into the distribution.
type Sender struct {
	options SenderOptions
	poke    chan struct{}

	sent      atomic.Int64 // steps
	snapshots atomic.Int64
	head      atomic.Int64
	saved     int64     // change that the newest snapshot of this format is of
	stored    time.Time // when this process stored one
	checked   time.Time // when it was looked which there are
	trouble   trouble
}

// NewSender returns a sender that is not running.
func NewSender(o SenderOptions) *Sender {
	if o.SnapshotAfter == 0 {
		o.SnapshotAfter = 20_000
	}
	return &Sender{options: o, poke: make(chan struct{}, 1), trouble: trouble{logger: o.Logger, what: "links are not being distributed; nodes serve on with what they have"}}
}

// Poke says that something may have changed. It does not wait.
func (s *Sender) Poke() {
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// Run sends until the context ends.
func (s *Sender) Run(ctx context.Context) {
	wait := restFirst
	for ctx.Err() == nil {
		err := s.send(ctx)
		if ctx.Err() != nil {
			return
		}
		s.trouble.note(err)
		if err != nil {
			rest(ctx, wait, nil)
			wait = min(2*wait, restMax)
			continue
		}
		wait = restFirst
		rest(ctx, lookEvery, s.poke)
	}
}

// send makes the log complete.
func (s *Sender) send(ctx context.Context) error {
	o := &s.options
	head, err := o.Links.Head(ctx)
	if err != nil {
		return err
	}
	if (Identity{head.Installation, head.Epoch}) != o.Identity {
		if err := o.Links.Begin(ctx, o.Identity.Installation, o.Identity.Epoch); err != nil {
			return err
		}
		head, s.saved = distribution.Head{}, 0
	}
	changes, last, reload, err := o.Since(ctx, head.Seq)
	switch {
	case err != nil:
		return err
	case last < head.Seq:
		return affiliate.Errorf(affiliate.Conflict, "the store knows changes up to %d, the nodes have links up to %d: the store was lost or rolled back, and is not obeyed. "+
			"Restore its newest backup; or, to go on with what it has, run: sluice cluster republish", last, head.Seq)
	case head.Seq == 0 || reload:
		return s.snapshot(ctx, last)
	case last > head.Seq:
		if err := s.step(ctx, head.Seq, last, changes); err != nil {
			return err
		}
	}
	s.head.Store(last)
	return s.renew(ctx, head.First, last)
}

// step adds one, or a snapshot in its place.
func (s *Sender) step(ctx context.Context, from, to int64, changes []routing.Change) error {
	o := &s.options
	step, err := o.Key.Step(o.Identity.Epoch, from, to, changes)
	if affiliate.CodeOf(err) == affiliate.TooLarge {
		return s.snapshot(ctx, to)
	}
	if err != nil {
		return err
	}
	err = o.Links.Append(ctx, o.Identity.Epoch, step)
	if errors.Is(err, distribution.ErrGap) {
		return s.snapshot(ctx, to) // what was there a moment ago is lost
	}
	if err == nil {
		s.sent.Add(1)
	}
	return err
}

// followLeisure is the least time between two snapshots of which the second only answers
// another version's.
const followLeisure = 15 * time.Second

// renew stores a snapshot when there is none in this version's format, when the log has run
// far ahead of it or begins behind it, or when another version's says that it stands for steps.
func (s *Sender) renew(ctx context.Context, first, last int64) error {
	enough := func() bool { return s.saved > 0 && s.saved >= first && last-s.saved < s.options.SnapshotAfter }
	if enough() && time.Since(s.checked) < lookEvery {
		return nil
	}
	s.checked = time.Now()
	all, err := s.options.Links.Snapshots(ctx, s.options.Identity.Epoch)
	if err != nil {
		return err
	}
	_, format := routing.Formats()
	s.saved = 0
	newest := int64(0) // of another version's control nodes
	for _, there := range all {
		newest = max(newest, there.Seq)
		if there.Format == format && s.options.Key.Check(s.options.Identity.Epoch, &there) == nil {
			s.saved = there.Seq
		}
	}
	// Another version's snapshot may stand for changes that are in no step. It is followed
	// with leisure, or two versions would drive each other.
	outdone := newest > s.saved && time.Since(s.stored) > followLeisure
	if enough() && !outdone {
		return nil
	}
	return s.snapshot(ctx, last)
}

// snapshot stores the node's table with everything up to a change.
func (s *Sender) snapshot(ctx context.Context, least int64) error {
	table, err := s.options.Table(ctx, least)
	if err != nil {
		return err
	}
	defer func() { _ = table.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, table); err != nil {
		return fmt.Errorf("the saved routing table cannot be read: %w", err)
	}
	if err := table.Rewind(); err != nil {
		return err
	}
	if err := s.leadTo(ctx, table.Seq); err != nil {
		return err
	}
	d := distribution.Snapshot{Seq: table.Seq, Format: table.Format, Links: table.Links, Bytes: table.Bytes, SHA256: hex.EncodeToString(sum.Sum(nil))}
	s.options.Key.Seal(s.options.Identity.Epoch, &d)
	began := time.Now()
	if err := s.options.Links.PutSnapshot(ctx, s.options.Identity.Epoch, d, table); err != nil {
		return err
	}
	s.snapshots.Add(1)
	s.saved, s.stored = d.Seq, time.Now()
	s.head.Store(max(s.head.Load(), d.Seq))
	s.options.Logger.Info("the routing table was stored for other nodes", "change", d.Seq, "links", d.Links, "bytes", d.Bytes, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// leadTo brings the log to a change by a step, if it can be: a snapshot that is ahead of it
// stands for the changes between, and every node has to load the whole of it.
func (s *Sender) leadTo(ctx context.Context, seq int64) error {
	o := &s.options
	head, err := o.Links.Head(ctx)
	if err != nil || head.Seq == 0 || head.Seq >= seq {
		return err
	}
	changes, last, reload, err := o.Since(ctx, head.Seq)
	if err != nil || reload || last < seq {
		return err
	}
	step, err := o.Key.Step(o.Identity.Epoch, head.Seq, last, changes)
	if err == nil {
		err = o.Links.Append(ctx, o.Identity.Epoch, step)
	}
	if affiliate.CodeOf(err) == affiliate.TooLarge || errors.Is(err, distribution.ErrGap) {
		return nil
	}
	if err == nil {
		s.sent.Add(1)
	}
	return err
}

// SenderStats says how the distribution is.
type SenderStats struct {
	Head      int64  // change that the log has come to, as far as this node knows
	Sent      int64  // steps
	Snapshots int64  // stored by this process
	Trouble   string // why it fails now
}

// Stats returns the state since the start.
func (s *Sender) Stats() SenderStats {
	return SenderStats{Head: s.head.Load(), Sent: s.sent.Load(), Snapshots: s.snapshots.Load(), Trouble: s.trouble.text()}
}
