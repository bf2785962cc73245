package replication_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/distribution"
	"github.com/sluicehq/sluice/internal/distribution/redis"
	"github.com/sluicehq/sluice/internal/replication"
	"github.com/sluicehq/sluice/internal/routing"
	"github.com/sluicehq/sluice/internal/testkit"
)

// world is a Redis of the test's own, a store and the nodes of one installation.
type world struct {
	*testing.T
	server *testkit.Redis
	store  *changes
}

// changes stands for the store's change log.
type changes struct {
	mu  sync.Mutex
	all []routing.Change // the change n is at n-1
}

func (c *changes) last() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int64(len(c.all))
}

// add makes n links.
func (c *changes) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range n {
		seq := int64(len(c.all)) + 1
		if seq == 1 {
			c.all = append(c.all, routing.Change{Seq: 1, Site: &affiliate.Site{ID: "main", Prefix: "/go/"}})
			continue
		}
		l := &affiliate.Link{ID: seq, Site: "main", Slug: fmt.Sprintf("link-%d", seq), Destinations: []affiliate.Destination{{URL: fmt.Sprintf("https://shop.example/%d", seq)}}}
		l.Normalize()
		c.all = append(c.all, routing.Change{Seq: seq, Link: l})
	}
}

func (c *changes) since(seq int64) []routing.Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]routing.Change(nil), c.all[min(seq, int64(len(c.all))):]...)
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, server: testkit.StartRedis(t), store: &changes{}}
	w.store.add(10)
	return w
}

func (w *world) connect() distribution.Distribution {
	w.Helper()
	d, err := redis.Open(w.Context(), redis.Options{URL: "redis://" + w.server.Address, LogMax: 100})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = d.Close() })
	return d
}

func (w *world) table(dir string) *routing.Holder {
	w.Helper()
	h, err := routing.Open(routing.Options{Dir: dir})
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = h.Close() })
	return h
}

// run runs something until the test ends or the returned function is called.
func (w *world) run(fn func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(w.Context())
	done := make(chan struct{})
	go func() { defer close(done); fn(ctx) }()
	stop = func() { cancel(); <-done }
	w.Cleanup(stop)
	return stop
}

type control struct {
	*replication.Sender
	stop func()
}

var key = distribution.Key("the secret of all nodes")

var home = replication.Identity{Installation: "home", Epoch: 1}

func (w *world) control(change ...func(*replication.SenderOptions)) *control {
	w.Helper()
	tables := w.table(w.TempDir())
	o := replication.SenderOptions{Links: w.connect(), Key: key, Identity: home, Logger: slog.New(slog.DiscardHandler)}
	o.Table = func(context.Context, int64) (*routing.Snapshot, error) {
		if err := tables.Apply(w.store.since(tables.Current().Seq())); err != nil {
			return nil, err
		}
		return tables.Snapshot()
	}
	o.Since = func(_ context.Context, seq int64) ([]routing.Change, int64, bool, error) {
		last, changes := w.store.last(), w.store.since(seq)
		return changes, last, len(changes) > 1000, nil
	}
	for _, c := range change {
		c(&o)
	}
	c := &control{Sender: replication.NewSender(o)}
	c.stop = w.run(c.Run)
	return c
}

type node struct {
	*replication.Follower
	tables *routing.Holder
	dir    string
	stop   func()

	mu         sync.Mutex
	remembered replication.Identity
}

func (n *node) identity() replication.Identity {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.remembered
}

func (n *node) remember(i replication.Identity) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.remembered = i
	return nil
}

func (w *world) node(dir string, identity replication.Identity, change ...func(*replication.FollowerOptions)) *node {
	w.Helper()
	n := &node{dir: dir, tables: w.table(dir), remembered: identity}
	o := replication.FollowerOptions{Links: w.connect(), Keys: []distribution.Key{distribution.Key("a secret of later"), key}, Tables: n.tables, Identity: identity, Logger: slog.New(slog.DiscardHandler),
		Remember: n.remember}
	for _, c := range change {
		c(&o)
	}
	n.Follower = replication.NewFollower(o)
	n.stop = w.run(n.Run)
	return n
}

// reaches waits until a node has all of the store's links.
func (w *world) reaches(n *node, seq int64) {
	w.Helper()
	w.eventually(func() string {
		if t := n.tables.Current(); t.Seq() != seq {
			return fmt.Sprintf("the node is at change %d, not %d: %s", t.Seq(), seq, n.Stats().Trouble)
		}
		return ""
	})
	w.serves(n, seq)
}

// serves checks that a node has every link up to a change.
func (w *world) serves(n *node, seq int64) {
	w.Helper()
	t := n.tables.Current()
	if int64(t.Links()) != seq-1 {
		w.Fatalf("the node has %d links, not %d", t.Links(), seq-1)
	}
	for id := int64(2); id <= seq; id++ {
		if t.LinkAt("example.com", fmt.Sprintf("/go/link-%d", id)) != id {
			w.Fatalf("the node does not have link %d of %d", id, seq)
		}
	}
}

func (w *world) eventually(wrong func() string) {
	w.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		what := wrong()
		if what == "" {
			return
		}
		if time.Now().After(deadline) {
			w.Fatal(what)
		}
	}
}

// troubled waits until a node or a sender says what is wrong.
func (w *world) troubled(stats func() string, words string) {
	w.Helper()
	w.eventually(func() string {
		if text := stats(); !strings.Contains(text, words) {
			return fmt.Sprintf("got the trouble %q, want %q", text, words)
		}
		return ""
	})
}

func (n *node) trouble() string    { return n.Stats().Trouble }
func (c *control) trouble() string { return c.Stats().Trouble }

func (w *world) redis() *goredis.Client {
	c := goredis.NewClient(&goredis.Options{Addr: w.server.Address})
	w.Cleanup(func() { _ = c.Close() })
	return c
}

func TestNodesFollow(t *testing.T) {
	w := newWorld(t)
	c := w.control()
	a, b := w.node(t.TempDir(), replication.Identity{}), w.node(t.TempDir(), replication.Identity{})
	w.reaches(a, 10)
	for range 30 {
		w.store.add(3)
		c.Poke()
	}
	w.reaches(a, 100)
	w.reaches(b, 100)
	if a.identity() != home || a.Stats().Installed != 1 || a.Stats().Applied == 0 || a.trouble() != "" || c.trouble() != "" {
		t.Fatalf("node %+v %+v, control %+v", a.identity(), a.Stats(), c.Stats())
	}
	// An import is one snapshot.
	w.store.add(1500)
	c.Poke()
	w.reaches(b, 1600)
	if b.Stats().Installed != 2 {
		t.Fatalf("%+v", b.Stats())
	}
}

func TestNodeThatWasAway(t *testing.T) {
	w := newWorld(t)
	c := w.control()
	n := w.node(t.TempDir(), replication.Identity{})
	w.reaches(n, 10)
	away := func(steps int) *node {
		n.stop()
		if err := n.tables.Close(); err != nil {
			t.Fatal(err)
		}
		for range steps {
			before := w.store.last()
			w.store.add(1)
			c.Poke()
			w.eventually(func() string {
				if c.Stats().Head > before {
					return ""
				}
				return "the sender does not send"
			})
		}
		return w.node(n.dir, n.identity())
	}
	n = away(20)
	w.reaches(n, 30)
	if s := n.Stats(); s.Installed != 0 || s.Applied != 20 {
		t.Fatalf("it did not catch up by steps: %+v", s)
	}
	// Redis cuts the log in blocks of 100 entries.
	n = away(300)
	w.reaches(n, 330)
	if s := n.Stats(); s.Installed != 1 {
		t.Fatalf("too far behind, it took no snapshot: %+v", s)
	}
}

func TestFlushedRedisIsRepaired(t *testing.T) {
	w := newWorld(t)
	c := w.control()
	n := w.node(t.TempDir(), replication.Identity{})
	w.reaches(n, 10)
	if err := w.redis().FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	w.store.add(5)
	c.Poke()
	w.reaches(n, 15)
	w.reaches(w.node(t.TempDir(), replication.Identity{}), 15)
}

func TestRolledBackRedisIsRepaired(t *testing.T) {
	w := newWorld(t)
	c := w.control()
	n := w.node(t.TempDir(), replication.Identity{})
	w.reaches(n, 10)
	r, ctx := w.redis(), t.Context()
	w.store.add(1)
	c.Poke()
	w.reaches(n, 11)
	log := "{sluice}:log:1"
	old, err := r.Dump(ctx, log).Result()
	if err != nil {
		t.Fatal(err)
	}
	w.store.add(4)
	c.Poke()
	w.reaches(n, 15)
	c.stop()
	if err := r.RestoreReplace(ctx, log, 0, old).Err(); err != nil {
		t.Fatal(err)
	}
	w.troubled(n.trouble, "rolled back")
	w.serves(n, 15)
	w.store.add(2)
	w.control()
	w.reaches(n, 17)
	w.reaches(w.node(t.TempDir(), replication.Identity{}), 17)
}

func TestRedisAway(t *testing.T) {
	w := newWorld(t)
	c := w.control()
	n := w.node(t.TempDir(), replication.Identity{})
	w.reaches(n, 10)
	w.server.Kill()
	w.store.add(5)
	w.troubled(n.trouble, "see that it runs")
	w.troubled(c.trouble, "see that it runs")
	// A node that starts now has its links from disk.
	n.stop()
	if err := n.tables.Close(); err != nil {
		t.Fatal(err)
	}
	w.serves(&node{tables: w.table(n.dir)}, 10)
	w.server.Start(t)
	n = w.node(t.TempDir(), n.identity())
	w.reaches(n, 15)
	w.eventually(func() string { return c.trouble() + n.trouble() })
}

func TestRolledBackStoreIsNotObeyed(t *testing.T) {
	w := newWorld(t)
	c := w.control()
	n := w.node(t.TempDir(), replication.Identity{})
	w.reaches(n, 10)
	w.store.mu.Lock()
	w.store.all = w.store.all[:6]
	w.store.mu.Unlock()
	w.troubled(c.trouble, "sluice cluster republish")
	w.serves(n, 10)
	c.stop()
	// The operator says that it is right.
	next := replication.Identity{Installation: "home", Epoch: 2}
	w.control(func(o *replication.SenderOptions) { o.Identity = next })
	w.reaches(n, 6)
	w.eventually(func() string {
		if n.identity() != next {
			return fmt.Sprintf("remembered %+v", n.identity())
		}
		return ""
	})
	// A control node that was away does not undo it.
	late := w.control()
	w.troubled(late.trouble, "sluice cluster republish")
	w.serves(n, 6)
}

func TestWhatIsNotObeyed(t *testing.T) {
	w := newWorld(t)
	w.control()
	n := w.node(t.TempDir(), replication.Identity{})
	w.reaches(n, 10)
	stranger := w.node(t.TempDir(), replication.Identity{}, func(o *replication.FollowerOptions) { o.Keys = []distribution.Key{distribution.Key("another secret")} })
	w.troubled(stranger.trouble, "cluster.secret")
	if links := stranger.tables.Current().Links(); links != 0 {
		t.Fatalf("links that are not sealed for it: %d", links)
	}
	lost := w.node(t.TempDir(), replication.Identity{Installation: "elsewhere", Epoch: 1})
	w.troubled(lost.trouble, "another installation")
	// A forged step.
	forged, err := distribution.Key("another secret").Step(1, 10, 11, []routing.Change{{Seq: 11, NameGone: &routing.LinkName{Site: "main", Slug: "link-5"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.connect().Append(t.Context(), 1, forged); err != nil {
		t.Fatal(err)
	}
	w.troubled(n.trouble, "cluster.secret")
	w.serves(n, 10)
	other := w.control(func(o *replication.SenderOptions) { o.Identity.Installation = "elsewhere" })
	w.troubled(other.trouble, "distribution.name")
}

// Two control nodes, many changes, and snapshots between them: each node ends with all of
// them, and has loaded the table once.
func TestManySenders(t *testing.T) {
	w := newWorld(t)
	often := func(o *replication.SenderOptions) { o.SnapshotAfter = 30 }
	senders := []*control{w.control(often)}
	nodes := []*node{w.node(t.TempDir(), replication.Identity{}), w.node(t.TempDir(), replication.Identity{})}
	for _, n := range nodes {
		w.reaches(n, 10)
	}
	senders = append(senders, w.control(often)) // two who find no log at once may store a table each
	var all sync.WaitGroup
	for _, s := range senders {
		all.Go(func() {
			for range 100 {
				w.store.add(1)
				s.Poke()
				time.Sleep(time.Duration(1+len(rand.Text())%2) * time.Millisecond)
			}
		})
	}
	all.Wait()
	w.eventually(func() string {
		if stored := senders[0].Stats().Snapshots + senders[1].Stats().Snapshots; stored < 2 {
			return fmt.Sprintf("%d snapshots in 210 changes, want one when the log is 30 ahead", stored)
		}
		return ""
	})
	for _, n := range nodes {
		w.reaches(n, 210)
		if s := n.Stats(); s.Installed > 1 {
			t.Errorf("a gap was made: %+v", s)
		}
	}
}
