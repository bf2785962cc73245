package clickhouse

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/analytics/analyticstest"
	"github.com/sluicehq/sluice/internal/testkit"
)

// TestCluster is the suite with clicks in two shards of two replicas.
func TestCluster(t *testing.T) {
	t.Parallel()
	harness := harnessOf(clusterOptions)
	harness.InParts = true
	analyticstest.Run(t, harness)
}

func TestTooFewReplicas(t *testing.T) {
	o := clusterOptions(t)
	o.InsertQuorum = 3
	e, err := Open(context.Background(), o)
	if err == nil {
		_ = e.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "on 3 replicas, and a shard of main has 2: add replicas") {
		t.Errorf("three of two replicas: %v", err)
	}
}

// clusterOptions are those of a database on all servers of the cluster, which goes with the test.
func clusterOptions(t testing.TB) Options {
	t.Helper()
	o := optionsOn(t, testkit.Engine(t, "CLICKHOUSE_CLUSTER"), " ON CLUSTER main")
	o.Cluster = "main"
	return o
}

// collector stores clicks of a source until it is stopped, and begins where the source
// stands after whatever went wrong.
type collector struct {
	engine *Engine
	source string
	first  int // of its clicks
	stop   chan struct{}
	ended  sync.WaitGroup
	end    func() // stops it and waits

	mu      sync.Mutex
	stored  int
	trouble error // of the last batch
}

// collectorBatch is how many clicks a collector stores at a time.
const collectorBatch = 300

func (c *collector) run() {
	for {
		select {
		case <-c.stop:
			return
		default:
		}
		position, err := c.engine.Position(context.Background(), c.source)
		at, _ := strconv.Atoi(position)
		if err == nil {
			err = c.engine.Append(context.Background(), analytics.Batch{Source: c.source, From: position, To: strconv.Itoa(at + collectorBatch), Rows: some(c.first+at, collectorBatch)})
		}
		if err == nil {
			at += collectorBatch
		} else {
			time.Sleep(50 * time.Millisecond)
		}
		c.mu.Lock()
		c.stored, c.trouble = max(c.stored, at), err
		c.mu.Unlock()
	}
}

func (c *collector) state() (stored int, trouble error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stored, c.trouble
}

// goesOn waits until it has stored something new.
func (c *collector) goesOn(t *testing.T, when string) {
	t.Helper()
	before, _ := c.state()
	for deadline := time.Now().Add(90 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		stored, trouble := c.state()
		if stored > before+600 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: the source %s stands at %d, as before: %v", when, c.source, stored, trouble)
		}
	}
}

// tellMissing says of which batches clicks are missing, with what the log has of them.
func (c *collector) tellMissing(t *testing.T, e *Engine) {
	stored, _ := c.state()
	for at := 0; at < stored; at += collectorBatch {
		rows := some(c.first+at, collectorBatch)
		ids := make([]affiliate.ClickID, len(rows))
		for i := range rows {
			ids[i] = rows[i].ID
		}
		known, err := e.Known(context.Background(), ids)
		if err == nil && len(known) == len(ids) {
			continue
		}
		t.Logf("the batch of %s at %d has %d of %d clicks (%v)", c.source, at, len(known), len(ids), err)
		query := fmt.Sprintf("SELECT number, toUInt64(kind), position_from, toUInt64(at) FROM %s WHERE source = '%s' AND (position_from = '%d' OR position_to = '%[3]d') ORDER BY number, kind",
			e.tables.name(appendsTable), c.source, at)
		err = e.eachWith(context.Background(), nil, query, func(rows driver.Rows) error {
			var number, kind, when uint64
			var from string
			err := rows.Scan(&number, &kind, &from, &when)
			t.Logf("  number %d kind %d from %q at %d", number, kind, from, when)
			return err
		})
		if err != nil {
			t.Log(err)
		}
	}
}

// TestServersAreAway kills servers of a cluster while two collectors store into it.
// Nothing is lost or there twice, reports are answered as long as a replica of each shard
// is there, and a batch counts as stored when both have it.
func TestServersAreAway(t *testing.T) {
	t.Parallel()
	cluster := testkit.OwnServers(t, "clickhouse-cluster")
	addresses, err := cluster.Addresses()
	if err != nil {
		t.Fatal(err)
	}
	o := Options{URL: addresses["CLICKHOUSE_CLUSTER"], Cluster: "main", Logger: slog.New(slog.DiscardHandler)}
	reader := quiet(t, o)
	collectors := []*collector{{source: "a"}, {source: "b", first: 1_000_000}}
	for _, c := range collectors {
		c.engine, c.stop = quiet(t, o), make(chan struct{})
		end := sync.OnceFunc(func() {
			close(c.stop)
			c.ended.Wait()
		})
		c.end = end
		t.Cleanup(end)
		c.ended.Go(c.run)
	}
	all := func(when string) {
		t.Helper()
		for _, c := range collectors {
			c.goesOn(t, when)
		}
	}
	all("at first")
	first := cluster.Port + 60
	for _, drill := range []struct {
		name    string
		away    []string
		answers bool   // reports
		finds   string // by examining
	}{
		{"the replica that is asked", []string{fmt.Sprint(first)}, true, "a batch has to be on 2"},
		{"a replica of the other shard", []string{fmt.Sprint(first + 15)}, true, "a batch has to be on 2"},
		{"a shard", []string{fmt.Sprint(first + 10), fmt.Sprint(first + 15)}, false, ""},
		{"ZooKeeper", []string{"zookeeper"}, true, "ZooKeeper"},
	} {
		for _, name := range drill.away {
			if err := cluster.Signal("clickhouse-cluster/"+name, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("%s is away", drill.name)
		troubled := func() error {
			for _, c := range collectors {
				if _, err := c.state(); err == nil {
					return fmt.Errorf("%s stores", c.source)
				}
			}
			return nil
		}
		eventually(t, drill.name+": batches wait", troubled)
		if drill.answers {
			eventually(t, drill.name+": a report is answered", func() error {
				_, err := reader.Report(context.Background(), analytics.Query{All: true})
				return err
			})
		}
		if drill.finds != "" {
			eventually(t, drill.name+": it is found", func() error {
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				defer cancel()
				findings, err := Examine(ctx, o, time.Now())
				if err == nil && !strings.Contains(fmt.Sprint(findings), drill.finds) {
					err = fmt.Errorf("it finds %v", findings)
				}
				return err
			})
		}
		if err := cluster.Do("start", "clickhouse-cluster"); err != nil {
			t.Fatal(err)
		}
		all(drill.name + " is back")
	}
	want := 0
	for _, c := range collectors {
		c.end()
		stored, _ := c.state()
		want += stored
	}
	eventually(t, "copies are looked for", func() error { return reader.look(context.Background(), looseFirst) })
	wantClicks(t, reader, want)
	if t.Failed() {
		for _, c := range collectors {
			c.tellMissing(t, reader)
		}
	}
	left, removed := reader.Mended()
	t.Logf("%d clicks, %d copies removed, %d left out", want, removed, left)
}

func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	for deadline := time.Now().Add(90 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 90 s: %v", what, err)
		}
	}
}
