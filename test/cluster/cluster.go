// Command cluster runs a whole installation of many nodes on one machine: three that
// answer visitors behind HAProxy, two control nodes and two collectors, over Redis Cluster,
// a broker, PostgreSQL and ClickHouse. It is there to be looked at, and its tests break
// every part of it while visitors come.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/testkit"
)

// Options of a cluster.
type Options struct {
	Dir       string // of everything; it is made
	Root      string // of the repository
	Binary    string // the program
	Broker    string // kafka or rabbitmq
	Replicas  bool   // ClickHouse is a cluster of two shards with two replicas each
	Redirects int
	Controls  int
	Pipelines int
	// Port is the first of two hundred that are used, and of as many 10,000 above, where the nodes
	// of Redis Cluster meet. All must be below 32768, or an outgoing connection of somebody's may have one.
	Port int
	// Sources is how many partitions the broker has.
	Sources int
	// Separate runs each process as a user of its own, which root alone can.
	Separate bool
}

// Cluster is one that runs.
type Cluster struct {
	Options
	Redirect, Control, Pipeline []*Node
	Balancer                    *Process
	engines                     map[string]string // addresses by name
}

// engineNames are the servers that a cluster needs.
func (o *Options) engineNames() []string {
	return []string{"redis-cluster", o.Broker, "postgres", o.clicksEngine()}
}

// clicksEngine is the one that keeps the clicks.
func (o *Options) clicksEngine() string {
	if o.Replicas {
		return "clickhouse-cluster"
	}
	return "clickhouse"
}

// Start starts everything and waits until visitors are served. The caller must Stop it, also
// after an error.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	c := &Cluster{Options: o}
	// PostgreSQL is run by a user of its own, who must get through.
	if err := errors.Join(os.MkdirAll(o.Dir, 0o755), os.Chmod(o.Dir, 0o755)); err != nil {
		return c, err
	}
	if o.Separate { // whom the program's own folder may be closed to
		c.Binary = filepath.Join(o.Dir, "sluice")
		if out, err := exec.Command("cp", o.Binary, c.Binary).CombinedOutput(); err != nil {
			return c, fmt.Errorf("the program cannot be copied: %w: %s", err, out)
		}
	}
	if err := c.Engines("start", o.engineNames()...); err != nil {
		return c, err
	}
	var err error
	if c.engines, err = c.servers().Addresses(); err != nil {
		return c, err
	}
	number := 0
	for _, group := range []struct {
		role  string
		count int
		nodes *[]*Node
	}{{"control", o.Controls, &c.Control}, {"redirect", o.Redirects, &c.Redirect}, {"pipeline", o.Pipelines, &c.Pipeline}} {
		for range group.count {
			number++
			n := newNode(c, group.role, number)
			*group.nodes = append(*group.nodes, n)
			if err := n.configure(); err != nil {
				return c, err
			}
			if err := n.Start(); err != nil {
				return c, err
			}
		}
	}
	for _, n := range c.Nodes() {
		if err := n.Ready(ctx); err != nil {
			return c, err
		}
	}
	return c, c.startBalancer()
}

// Nodes are all processes of ours.
func (c *Cluster) Nodes() (all []*Node) {
	all = append(all, c.Control...)
	all = append(all, c.Redirect...)
	return append(all, c.Pipeline...)
}

// Stop ends everything, visitors first.
func (c *Cluster) Stop() error {
	if c.Balancer != nil {
		c.Balancer.Kill()
	}
	for _, n := range c.Nodes() {
		n.process.Kill()
	}
	return c.Engines("stop", c.engineNames()...)
}

// Engines does something to servers: start, stop or kill.
func (c *Cluster) Engines(verb string, names ...string) error { return c.servers().Do(verb, names...) }

func (c *Cluster) servers() *testkit.Servers {
	return &testkit.Servers{Root: c.Root, Dir: c.Dir, Port: c.Port + 100}
}

// Visitors is where visitors come.
func (c *Cluster) Visitors() string { return fmt.Sprintf("127.0.0.1:%d", c.Port) }

// balancerText sends each request to whichever node answers: what one does not answer, another is
// asked.
func (c *Cluster) balancerText() string {
	var b strings.Builder
	fmt.Fprintf(&b, `global
	maxconn 4000
	stats socket %s/haproxy.sock level admin
defaults
	mode http
	timeout connect 500ms
	timeout client 30s
	timeout server 2s
	timeout http-request 5s
	timeout queue 5s
	timeout check 1s
	retries 5
	option redispatch 1
	retry-on conn-failure empty-response junk-response response-timeout 502 503 504
	http-reuse safe
frontend visitors
	bind %s
	default_backend redirect
	# What merchants and edge workers send belongs to the control nodes.
	acl office path_beg /postback/ /pixel/ /ingest/ /sluice.js
	use_backend control if office
frontend operators
	bind 127.0.0.1:%d
	default_backend office
backend redirect
	balance roundrobin
	option forwardfor
	timeout server 1s
	# One slow answer of the only node that is left must not take it out; a node that is gone is
	# found by the requests themselves.
	default-server inter 500ms fall 3 rise 1
`, c.Dir, c.Visitors(), c.Port+1)
	for _, n := range c.Redirect {
		fmt.Fprintf(&b, "\tserver %s %s check port %d\n", n.name, n.Listen, n.adminPort)
	}
	fmt.Fprintf(&b, "\toption httpchk GET /readyz\nbackend control\n\toption httpchk GET /readyz\n\toption forwardfor\n\tdefault-server inter 500ms fall 1 rise 1\n")
	for _, n := range c.Control {
		fmt.Fprintf(&b, "\tserver %s %s check port %d\n", n.name, n.Listen, n.adminPort)
	}
	fmt.Fprintf(&b, "backend office\n\toption httpchk GET /readyz\n\ttimeout server 60s\n\tdefault-server inter 500ms fall 1 rise 1\n")
	for _, n := range c.Control {
		fmt.Fprintf(&b, "\tserver %s %s check\n", n.name, n.Admin)
	}
	return b.String()
}

func (c *Cluster) startBalancer() error {
	path := filepath.Join(c.Dir, "haproxy.cfg")
	if err := os.WriteFile(path, []byte(c.balancerText()), 0o600); err != nil {
		return err
	}
	c.Balancer = &Process{name: "haproxy", log: filepath.Join(c.Dir, "haproxy.log"), args: []string{"haproxy", "-f", path}}
	if err := c.Balancer.Start(); err != nil {
		return err
	}
	return waitDial(c.Visitors(), 10*time.Second)
}

// Office is where operators come.
func (c *Cluster) Office() string { return fmt.Sprintf("127.0.0.1:%d", c.Port+1) }

var errTimeout = errors.New("it took too long")
