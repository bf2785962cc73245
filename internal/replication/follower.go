package replication

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/distribution"
	"github.com/sluicehq/sluice/internal/routing"
)

// FollowerOptions must all be set, but Identity.
type FollowerOptions struct {
	Links  distribution.Links
	Keys   []distribution.Key // any of them may have sealed what is read
	Tables *routing.Holder
	// Identity is whose links the table has; the zero one for a table that is empty.
	Identity Identity
	// Remember stores the identity beside the table, before the table is of it.
	Remember func(Identity) error
	Logger   *slog.Logger
}

// Follower brings what is distributed into a node's table.
type Follower struct {
	options  FollowerOptions
	identity Identity

	head      atomic.Int64
	applied   atomic.Int64 // steps
	installed atomic.Int64 // snapshots
	seen      atomic.Int64 // when the distribution answered last, Unix ms
	trouble   trouble
}

// NewFollower returns a follower that is not running.
func NewFollower(o FollowerOptions) *Follower {
	return &Follower{options: o, identity: o.Identity, trouble: trouble{logger: o.Logger, what: "links are not being followed; visitors are served from the table as it is"}}
}

// Run follows until the context ends.
func (f *Follower) Run(ctx context.Context) {
	wait := restFirst
	for ctx.Err() == nil {
		err := f.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		f.trouble.note(err)
		if err == nil {
			wait = restFirst
			continue
		}
		rest(ctx, wait, nil)
		wait = min(2*wait, restMax)
	}
}

// follow looks where the log stands, and applies or waits for what comes next.
func (f *Follower) follow(ctx context.Context) error {
	head, err := f.options.Links.Head(ctx)
	if err != nil {
		return err
	}
	f.seen.Store(time.Now().UnixMilli())
	f.head.Store(head.Seq)
	table := f.options.Tables.Current().Seq()
	newer := false
	switch there := (Identity{head.Installation, head.Epoch}); {
	case there == Identity{}:
		return affiliate.Errorf(affiliate.NotFound, "no links are distributed yet; a control node will do so")
	case f.identity == Identity{} && table == 0:
		newer = true
	case f.identity.Installation != there.Installation:
		return affiliate.Errorf(affiliate.Conflict, "the links of another installation are distributed (%s, not %s); they are not obeyed. "+
			"Name the right distribution.url and distribution.name, or remove this node's folders table and replication", there.Installation, f.identity.Installation)
	case there.Epoch < f.identity.Epoch:
		return affiliate.Errorf(affiliate.Conflict, "the epoch %d of the links is distributed, this node has %d; it is not obeyed. A control node will mend it", there.Epoch, f.identity.Epoch)
	case there.Epoch > f.identity.Epoch:
		newer = true
	case head.Seq < table:
		return affiliate.Errorf(affiliate.Conflict, "links up to change %d are distributed, this node has %d: the distribution was lost or rolled back. A control node will mend it", head.Seq, table)
	}
	if newer {
		return f.install(ctx, Identity{head.Installation, head.Epoch}, 0)
	}
	steps, err := f.options.Links.Steps(ctx, head.Epoch, table, lookEvery)
	if err != nil {
		return err
	}
	return f.apply(ctx, steps)
}

// apply applies steps in their order.
func (f *Follower) apply(ctx context.Context, steps []distribution.Step) error {
	for i := range steps {
		s := &steps[i]
		table := f.options.Tables.Current().Seq()
		if s.To <= table {
			continue
		}
		if s.Reload || s.From > table {
			return f.install(ctx, f.identity, s.To)
		}
		changes, err := f.open(s)
		if err != nil {
			return err
		}
		if err := f.options.Tables.Apply(changes); err != nil {
			// It fits a table that is right; this one is replaced.
			f.options.Logger.Error("a step does not fit the routing table; a snapshot is taken", "reason", err)
			return f.install(ctx, f.identity, s.To)
		}
		if now := f.options.Tables.Current().Seq(); now < s.To {
			return fmt.Errorf("the step to change %d brings the routing table to %d only", s.To, now)
		}
		f.applied.Add(1)
		f.head.Store(max(f.head.Load(), s.To))
	}
	return nil
}

// open reads a step with the key that fits.
func (f *Follower) open(s *distribution.Step) (changes []routing.Change, err error) {
	for _, key := range f.options.Keys {
		if changes, err = key.Changes(f.identity.Epoch, s); affiliate.CodeOf(err) != affiliate.Unsigned {
			break
		}
	}
	return changes, err
}

// check looks for a key that vouches for a snapshot.
func (f *Follower) check(epoch int64, s *distribution.Snapshot) (err error) {
	for _, key := range f.options.Keys {
		if err = key.Check(epoch, s); err == nil {
			return nil
		}
	}
	return err
}

// install replaces the table by a snapshot that has the change least.
func (f *Follower) install(ctx context.Context, of Identity, least int64) error {
	all, err := f.options.Links.Snapshots(ctx, of.Epoch)
	if err != nil {
		return err
	}
	lowest, highest := routing.Formats()
	var best *distribution.Snapshot
	var unsealed error
	for i := range all {
		s := &all[i]
		if s.Format < lowest || s.Format > highest || best != nil && best.Seq >= s.Seq {
			continue
		}
		if err := f.check(of.Epoch, s); err != nil {
			unsealed = err
			continue
		}
		best = s
	}
	if best == nil || best.Seq < least {
		return errors.Join(unsealed, affiliate.Errorf(affiliate.NotFound, "there is no snapshot of the links in a format that this version reads (%d to %d) with change %d; "+
			"a control node of this version will store one", lowest, highest, least))
	}
	file, err := f.options.Links.OpenSnapshot(ctx, of.Epoch, *best)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	began := time.Now()
	// A process that dies between the two must find itself behind at its next start: with
	// an empty table of a known identity, or with one of an epoch that is over.
	if f.identity == (Identity{}) {
		if err = f.options.Remember(of); err == nil {
			err = f.options.Tables.Install(file, best.Bytes)
		}
	} else if err = f.options.Tables.Install(file, best.Bytes); err == nil && of != f.identity {
		err = f.options.Remember(of)
	}
	if err != nil {
		return err
	}
	f.identity = of
	f.installed.Add(1)
	f.options.Logger.Info("the routing table was received", "change", best.Seq, "links", best.Links, "bytes", best.Bytes, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// FollowerStats says how far a node is.
type FollowerStats struct {
	Head      int64     // change that the log had come to when it was looked at
	Applied   int64     // steps
	Installed int64     // snapshots
	Seen      time.Time // when the distribution answered last
	Trouble   string    // why it fails now
}

// Stats returns the state since the start.
func (f *Follower) Stats() FollowerStats {
	s := FollowerStats{Head: f.head.Load(), Applied: f.applied.Load(), Installed: f.installed.Load(), Trouble: f.trouble.text()}
	if ms := f.seen.Load(); ms > 0 {
		s.Seen = time.UnixMilli(ms)
	}
	return s
}

// trouble remembers why something fails now, and logs it when it is new.
type trouble struct {
	logger *slog.Logger
	what   string

	mu  sync.Mutex
	now string
}

func (t *trouble) note(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if text == t.now {
		return
	}
	if text == "" {
		t.logger.Info("over: " + t.what)
	} else {
		t.logger.Error(t.what, "reason", text)
	}
	t.now = text
}

func (t *trouble) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.now
}
