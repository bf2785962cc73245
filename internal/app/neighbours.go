package app

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/catalog"
	"github.com/sluicehq/sluice/internal/config"
	"github.com/sluicehq/sluice/internal/distribution"
	"github.com/sluicehq/sluice/internal/replication"
	"github.com/sluicehq/sluice/internal/routing"
	"github.com/sluicehq/sluice/internal/store"
)

// neighbours is what this process shares with others: it sends links, or follows them, and
// says that it is there.
type neighbours struct {
	distribution distribution.Distribution
	name         string // on the board
	sender       atomic.Pointer[replication.Sender]
	follower     *replication.Follower // nil where links come from the store

	mu    sync.Mutex
	nodes []distribution.Node // as they were last
	skew  time.Duration       // of this machine's clock, ahead of the distribution's
}

// announceEvery is how often a process says that it is there.
const announceEvery = 2 * time.Second

// keepNeighbours connects to the distribution, however long that takes, and shares until the
// context ends.
func (a *App) keepNeighbours(ctx context.Context) {
	n, _ := a.neighbours.keepOpening(ctx, trial{most: 10 * time.Second, logger: a.options.Logger,
		without: "other nodes cannot be reached; visitors are served from the table as it is"}, a.openNeighbours)
	if n != nil {
		a.share(ctx, n)
	}
}

func (a *App) openNeighbours(ctx context.Context) (*neighbours, error) {
	d, err := a.openDistribution(ctx)
	if err != nil {
		return nil, err
	}
	n := &neighbours{distribution: d, name: fmt.Sprintf("%s-%d-%s", a.config.Role, a.config.Node, rand.Text()[:4])}
	if !a.followsLinks() {
		return n, nil
	}
	file := identityFile{a.folder}
	identity, err := file.load()
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	n.follower = replication.NewFollower(replication.FollowerOptions{Links: d, Keys: a.linksKeys(), Tables: a.plane.tables,
		Identity: identity, Remember: file.save, Logger: a.options.Logger})
	return n, nil
}

// followsLinks says whether this process has its links from others.
func (a *App) followsLinks() bool { return a.answersVisitors() && !a.hasOffice() }

// linksKeys seal what is sent of links: the first does, and any is accepted.
func (a *App) linksKeys() []distribution.Key {
	keys := []distribution.Key{secretKey(a.config.Cluster.Secret, "links")}
	if other := a.config.Cluster.AlsoAccept; other != "" {
		keys = append(keys, secretKey(other, "links"))
	}
	return keys
}

// share sends or follows links, and announces this process.
func (a *App) share(ctx context.Context, n *neighbours) {
	var all sync.WaitGroup
	if n.follower != nil {
		all.Go(func() { n.follower.Run(ctx) })
	}
	if a.hasOffice() {
		all.Go(func() { a.keepSending(ctx, n) })
	}
	for ctx.Err() == nil {
		a.meet(ctx, n)
		sleep(ctx, announceEvery)
	}
	leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = n.distribution.Leave(leaving, n.name) // it is forgotten anyway
	all.Wait()
}

// meet announces this process, looks who else is there, and shares keys.
func (a *App) meet(ctx context.Context, n *neighbours) {
	now := time.Now()
	clock, err := n.distribution.Announce(ctx, a.describe(n))
	if err != nil {
		return // the sender or the follower say so
	}
	skew := now.Add(time.Since(now) / 2).Sub(clock)
	nodes, err := n.distribution.Nodes(ctx)
	if err != nil {
		return
	}
	n.mu.Lock()
	n.skew, n.nodes = skew, nodes
	n.mu.Unlock()
	if o := a.office.get(); o != nil {
		err = a.sendKeys(ctx, o.store, n.distribution)
	} else if a.answersVisitors() {
		err = a.fetchKeys(ctx, n.distribution)
	}
	if err != nil && affiliate.CodeOf(err) != affiliate.NotFound && ctx.Err() == nil {
		a.options.Logger.Warn("cookie keys are not shared; visitors who come to another node look new there", "reason", err)
	}
	a.watchKeys()
}

// describe is this process for the others.
func (a *App) describe(n *neighbours) distribution.Node {
	d := distribution.Node{Name: n.name, Number: a.config.Node, Role: string(a.config.Role), Version: a.options.Version, Address: a.adminAddress(),
		Seq: a.plane.tables.Current().Seq(), Alarms: len(a.alarms()), Started: a.started}
	if s, ok := a.shipped(); ok {
		d.Waiting += s.Lag.Records
	}
	if s, ok := a.collected(); ok {
		d.Waiting += s.Lag.Records
	}
	d.LagMillis = a.ownLag().Milliseconds()
	n.mu.Lock()
	d.SkewMillis = n.skew.Milliseconds()
	n.mu.Unlock()
	return d
}

// keepSending waits for the back office and sends its links, until another epoch begins.
func (a *App) keepSending(ctx context.Context, n *neighbours) {
	for ctx.Err() == nil {
		o := a.office.get()
		if o == nil {
			sleep(ctx, 50*time.Millisecond)
			continue
		}
		identity, err := installation(ctx, o.store)
		if err != nil {
			a.options.Logger.Error("links cannot be sent to other nodes; it is tried again", "reason", err)
			sleep(ctx, time.Second)
			continue
		}
		s := replication.NewSender(replication.SenderOptions{Links: n.distribution, Key: a.linksKeys()[0], Identity: identity,
			Table: a.tableWith, Since: func(ctx context.Context, seq int64) ([]routing.Change, int64, bool, error) {
				return changesSince(ctx, o.catalog, seq)
			},
			Logger: a.options.Logger})
		n.sender.Store(s)
		epoch, over := context.WithCancel(ctx)
		go func() {
			defer over()
			awaitEpoch(epoch, o.store, identity)
		}()
		s.Run(epoch)
		over()
	}
}

// epochEvery is how often it is looked whether an operator has begun another epoch.
const epochEvery = 2 * time.Second

func awaitEpoch(ctx context.Context, s store.Store, now replication.Identity) {
	for ctx.Err() == nil {
		sleep(ctx, epochEvery)
		if there, err := installation(ctx, s); err == nil && there != now {
			return
		}
	}
}

// linksChanged lets what has changed be sent.
func (a *App) linksChanged() {
	if n := a.neighbours.get(); n != nil {
		if s := n.sender.Load(); s != nil {
			s.Poke()
		}
	}
}

// tablePatience is how long a table may take to be built.
const tablePatience = 5 * time.Minute

// tableWith saves the table once it has a change.
func (a *App) tableWith(ctx context.Context, least int64) (*routing.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, tablePatience)
	defer cancel()
	for a.plane.tables.Current().Seq() < least {
		if sleep(ctx, 10*time.Millisecond); ctx.Err() != nil {
			return nil, fmt.Errorf("this node's table does not have change %d yet: %w", least, ctx.Err())
		}
	}
	return a.plane.tables.Snapshot()
}

// changesSince is replication.SenderOptions's Since.
func changesSince(ctx context.Context, c *catalog.Catalog, seq int64) (changes []routing.Change, last int64, reload bool, err error) {
	notices, last, err := c.Since(ctx, seq)
	if err != nil {
		return nil, 0, false, err
	}
	for i := range notices {
		if notices[i].Action == catalog.ActionReload {
			return nil, last, true, nil
		}
		change, err := routingChange(&notices[i])
		if err != nil {
			return nil, 0, false, fmt.Errorf("change %d cannot be sent: %w", notices[i].Seq, err)
		}
		changes = append(changes, change)
	}
	return changes, last, false, nil
}

// installationDocument says in the store whose links it has.
const installationDocument = "installation"

// installation reads the store's identity, and makes it in a new store.
func installation(ctx context.Context, s store.Store) (id replication.Identity, err error) {
	err = s.View(ctx, func(r store.Reader) error {
		doc, err := r.Documents().Get(store.Setting, installationDocument)
		if err != nil {
			return err
		}
		return json.Unmarshal(doc.Body, &id)
	})
	if affiliate.CodeOf(err) != affiliate.NotFound {
		return id, err
	}
	return changeInstallation(ctx, s, func(there *replication.Identity) {
		if there.Installation == "" {
			*there = replication.Identity{Installation: rand.Text(), Epoch: 1}
		}
	})
}

func changeInstallation(ctx context.Context, s store.Store, change func(there *replication.Identity)) (id replication.Identity, err error) {
	err = s.Update(ctx, func(w store.Writer) error {
		doc, err := w.Documents().Get(store.Setting, installationDocument)
		if err == nil {
			err = json.Unmarshal(doc.Body, &id)
		} else if affiliate.CodeOf(err) == affiliate.NotFound {
			err = nil
		}
		if err != nil {
			return err
		}
		change(&id)
		body, err := json.Marshal(id)
		if err != nil {
			return err
		}
		return w.Documents().Put(store.Setting, store.Document{Key: installationDocument, Body: body})
	})
	return id, err
}

// identityFile remembers beside a node's table whose links it has.
type identityFile struct{ folder *folder }

func (f identityFile) path() string { return f.folder.at("table", "replication") }

func (f identityFile) load() (id replication.Identity, err error) {
	b, err := os.ReadFile(f.path())
	if errors.Is(err, fs.ErrNotExist) {
		return id, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &id)
	}
	if err != nil {
		return id, fmt.Errorf("whose links this node has cannot be read: %s: %w; remove the folder %s to take them anew", f.path(), err, f.folder.at("table"))
	}
	return id, nil
}

func (f identityFile) save(id replication.Identity) error {
	b, err := json.Marshal(id)
	if err != nil {
		return err
	}
	return f.folder.write(f.path(), append(b, '\n'), 0o600)
}

// neighboursFault says why links do not travel, "" when they do.
func (a *App) neighboursFault() string {
	if fault := a.neighbours.fault(); fault != "" {
		return fault
	}
	n := a.neighbours.get()
	switch {
	case n == nil:
		return ""
	case n.follower != nil:
		return n.follower.Stats().Trouble
	}
	if s := n.sender.Load(); s != nil {
		return s.Stats().Trouble
	}
	return ""
}

// others are the processes on the board, this one included.
func (n *neighbours) others() []distribution.Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.nodes)
}

// adminAddress is where others find this process's health.
func (a *App) adminAddress() string {
	if bound := a.ops.admin.Load(); bound != nil {
		return *bound
	}
	return a.config.Admin
}

// isShared says whether there is something that nodes share.
func (a *App) isShared() bool { return a.config.Distribution.Engine != config.None }
