package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/test/load"
)

// changes of links whose way is followed, and that a node misses while it is away.
const (
	changesFollowed = 300
	changesMissed   = 5000
)

// BenchmarkPropagation creates links at a control node while three nodes answer 2,000 clicks a
// second together, and waits for each link at each node; then one node is away for 5,000
// changes:
//
//	go test -run - -bench Propagation -benchtime 1x ./test/bench
func BenchmarkPropagation(b *testing.B) {
	const links = 10_000
	i := newInstallation(b, links)
	nodes := i.nodes(3, links)
	ctx, leave := context.WithCancel(b.Context())
	var crowds sync.WaitGroup
	for n, s := range nodes {
		crowds.Go(func() {
			o := load.Options{Address: s.links, Links: links, Rate: 667, Duration: 30 * time.Second, Connections: 16}
			r, err := (&bench{visitors: i.visitors, seed: uint64(n)}).visit(ctx, anywhere, o)
			if err != nil && ctx.Err() == nil {
				b.Error(err)
			}
			say("node %d answered %d clicks, 99 of 100 within %.2f ms", n, r.Answered, r.Wait.P99)
		})
	}
	time.Sleep(time.Second)
	for range changesFollowed {
		if err := i.follow(nodes); err != nil {
			b.Fatal(err)
		}
	}
	crowds.Wait()
	leave()
	if err := i.miss(nodes[0]); err != nil {
		b.Fatal(err)
	}
	i.tell()
}

// nodes starts some that answer visitors, and waits until they have the links.
func (i *installation) nodes(count, links int) (all []*server) {
	i.Helper()
	for range count {
		s, err := i.node("redirect", anywhere)
		if err != nil {
			i.Fatal(err)
		}
		i.Cleanup(s.kill)
		all = append(all, s)
	}
	for _, s := range all {
		i.ready(s)
		if _, err := s.knows(i.Context(), load.Slug(links-1)); err != nil {
			i.Fatal(err)
		}
	}
	return all
}

// follow creates a link and waits for it everywhere.
func (i *installation) follow(nodes []*server) error {
	slug := fmt.Sprintf("new-%x", rand.Uint64())
	began := time.Now()
	if err := i.create(slug); err != nil {
		return err
	}
	answered := time.Now()
	took, errs := make([]time.Duration, len(nodes)), make([]error, len(nodes))
	var all sync.WaitGroup
	for n, s := range nodes {
		all.Go(func() {
			_, errs[n] = s.knows(i.Context(), slug)
			took[n] = time.Since(answered)
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	i.figures.of("create a link by API at the control node: the call", "ms", "").add(millis(answered.Sub(began)))
	for _, d := range took {
		i.figures.of("the link is served, after the answer of the API: each node", "ms", "p99 ≤ 500").add(millis(d))
	}
	i.figures.of("the link is served, after the answer of the API: all nodes", "ms", "p99 ≤ 500").add(millis(max(took[0], took[1], took[2])))
	time.Sleep(rand.N(40 * time.Millisecond))
	return nil
}

func (i *installation) create(slug string) error {
	return i.control.api(i.Context(), "POST", "/api/v1/links", map[string]any{"slug": slug, "url": load.Target(rand.IntN(1 << 20))}, nil)
}

// miss stops a node, changes links, and starts it again.
func (i *installation) miss(s *server) error {
	if err := s.stop(); err != nil {
		return err
	}
	began := time.Now()
	last := fmt.Sprintf("last-%x", rand.Uint64())
	errs := make([]error, 4)
	var all sync.WaitGroup
	for part := range errs {
		all.Go(func() {
			for n := part; n < changesMissed-1 && errs[part] == nil; n += len(errs) {
				errs[part] = i.create(fmt.Sprintf("%s-%d", last, n))
			}
		})
	}
	all.Wait()
	if err := errors.Join(append(errs, i.create(last))...); err != nil {
		return err
	}
	say("%d changes in %.1f s", changesMissed, time.Since(began).Seconds())
	time.Sleep(time.Second)
	// The node's number is the second: the control node has the first.
	again, err := i.again("redirect", 2, anywhere)
	if err != nil {
		return err
	}
	i.Cleanup(again.kill)
	if err := again.poll(i.Context(), time.Minute, 2*time.Millisecond, "the listener", func() bool { v, err := arrive(again.links); return err == nil && closed(v) }); err != nil {
		return err
	}
	opened := time.Since(again.began)
	if _, err := again.knows(i.Context(), last); err != nil {
		return err
	}
	i.figures.of("a node that was away for 5,000 changes: start to listening", "s", "").add(opened.Seconds())
	i.figures.of("a node that was away for 5,000 changes: start to the last of them", "s", "").add(time.Since(again.began).Seconds())
	return nil
}

func closed(v *visitor) bool { v.leave(); return true }

// BenchmarkNewNode starts nodes on an empty folder beside an installation with a million
// links, and tells what those take in Redis:
//
//	go test -run - -bench NewNode -benchtime 1x -timeout 30m ./test/bench
func BenchmarkNewNode(b *testing.B) {
	const links = 1_000_000
	i := newInstallation(b, links)
	if _, err := i.nodesFirst(links); err != nil { // the snapshot may be on its way
		b.Fatal(err)
	}
	keys, err := keysOf(b.Context(), i.redis, i.name)
	if err != nil {
		b.Fatal(err)
	}
	var bytes int64
	for _, key := range keys {
		n, err := i.redis.MemoryUsage(b.Context(), key, 0).Result()
		if err != nil {
			b.Fatal(err)
		}
		bytes += n
	}
	i.figures.of("1,000,000 links in Redis' memory", "MiB", "").add(float64(bytes) / (1 << 20))
	i.figures.of("a link in Redis' memory", "bytes", "").add(float64(bytes) / links)
	for range i.size.Starts {
		began, err := i.nodesFirst(links)
		if err != nil {
			b.Fatal(err)
		}
		i.figures.of("a new node of 1,000,000 links: start to ready, and one is served", "s", "≤ 5").add(began.Seconds())
	}
	i.tell()
}

// nodesFirst starts a new node and tells how long it took until it is ready and serves a link.
func (i *installation) nodesFirst(links int) (time.Duration, error) {
	s, err := i.node("redirect", anywhere)
	if err != nil {
		return 0, err
	}
	defer s.kill()
	i.ready(s)
	if _, err := s.knows(i.Context(), load.Slug(links/2)); err != nil {
		return 0, err
	}
	took := time.Since(s.began)
	i.figures.of("a new node of 1,000,000 links: memory then", "MiB", "").add(s.memory().now)
	return took, nil
}
