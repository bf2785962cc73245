package app

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	clickhousego "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/jackc/pgx/v5"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/config"
	"github.com/sluicehq/sluice/internal/replication"
	"github.com/sluicehq/sluice/internal/testkit"
)

// nodes is an installation of several processes over real servers, under names of its own.
type nodes struct {
	*testing.T
	name   string
	number int
	redis  string
}

func newNodes(t *testing.T) *nodes {
	n := &nodes{T: t, name: "test_" + strings.ToLower(rand.Text()[:10]), redis: testkit.Engine(t, "REDIS")}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
		defer cancel()
		dropSchema(ctx, t, n.name)
	})
	return n
}

// dropSchema tidies up.
func dropSchema(ctx context.Context, t *testing.T, name string) {
	execute(ctx, t, "DROP SCHEMA IF EXISTS "+name+" CASCADE")
	o, err := clickhousego.ParseDSN(testkit.Engine(t, "CLICKHOUSE"))
	if err != nil {
		t.Fatal(err)
	}
	reports, err := clickhousego.Open(o)
	if err == nil {
		err = errors.Join(reports.Exec(ctx, "DROP DATABASE IF EXISTS "+name), reports.Close())
	}
	if err != nil {
		t.Logf("tidying up: %v", err) // it may be gone already
	}
	broker, err := amqp.Dial(testkit.Engine(t, "RABBITMQ"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = broker.Close() }()
	channel, err := broker.Channel()
	if err != nil {
		t.Fatal(err)
	}
	for _, queue := range []string{name, name + ".0", name + ".1"} {
		if _, err := channel.QueueDelete(queue, false, false, false); err != nil {
			t.Logf("tidying up: %v", err)
		}
	}
	if err := channel.ExchangeDelete(name+".readers", false, false); err != nil {
		t.Logf("tidying up: %v", err)
	}
}

func execute(ctx context.Context, t *testing.T, statement string) {
	t.Helper()
	db, err := pgx.Connect(ctx, testkit.Engine(t, "POSTGRES"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close(ctx) }()
	if _, err := db.Exec(ctx, statement); err != nil {
		t.Fatal(err)
	}
}

func (n *nodes) settings(role config.Role, dir string) config.Config {
	n.number++
	cfg := settings(dir)
	cfg.Role, cfg.Node, cfg.Loops, cfg.Cookie.Insecure = role, n.number, 1, true
	cfg.Store = config.Store{Engine: config.Postgres, URL: testkit.Engine(n, "POSTGRES"), Schema: n.name, Connections: 4}
	cfg.Queue = config.Queue{Engine: config.RabbitMQ, URL: testkit.Engine(n, "RABBITMQ"), Name: n.name, Partitions: 2, Retention: config.Day}
	cfg.Analytics.Engine, cfg.Analytics.URL, cfg.Analytics.Database = config.ClickHouse, testkit.Engine(n, "CLICKHOUSE"), n.name
	cfg.Distribution = config.Distribution{Engine: config.Redis, URL: n.redis, Name: n.name}
	cfg.Cluster.Secret = "the secret of all nodes of this test"
	return cfg
}

func (n *nodes) start(role config.Role, change ...func(*config.Config)) *process {
	n.Helper()
	return n.startIn(role, n.TempDir(), change...)
}

func (n *nodes) startIn(role config.Role, dir string, change ...func(*config.Config)) *process {
	n.Helper()
	cfg := n.settings(role, dir)
	for _, c := range change {
		c(&cfg)
	}
	return startOptions(n.T, cfg, Options{Version: "test", keysAhead: 6 * time.Second})
}

// leads waits until a node sends visitors of a name somewhere.
func (p *process) leads(name, target string) {
	p.t.Helper()
	got := ""
	for range 2000 {
		if got = p.click(name); got == target {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	p.t.Fatalf("/go/%s leads to %q, want %q; %s", name, got, target, p.app.neighboursFault())
}

func (p *process) link(name string) {
	p.t.Helper()
	if code := p.call("POST", "/api/v1/links", fmt.Sprintf(`{"slug":%q,"url":"https://shop.example/%s"}`, name, name), nil); code != http.StatusCreated {
		p.t.Fatalf("making the link %s: %d", name, code)
	}
}

func TestNodesAreOneInstallation(t *testing.T) {
	n := newNodes(t)
	first, second := n.start(config.Control), n.start(config.Control)
	redirect, collector := n.start(config.Redirect), n.start(config.Pipeline)

	// A link that one control node makes is served by all others, and can be changed at any.
	first.link("a")
	redirect.leads("a", "https://shop.example/a")
	second.leads("a", "https://shop.example/a")
	if code := second.call("PATCH", "/api/v1/links/1", `{"url":"https://shop.example/b"}`, nil); code != http.StatusOK {
		t.Fatalf("changing it at the other control node: %d", code)
	}
	first.leads("a", "https://shop.example/b")
	redirect.leads("a", "https://shop.example/b")

	// A program's change brings its links along, seen from the other control node too.
	if code := first.call("POST", "/api/v1/programs", `{"id":"acme"}`, nil); code != http.StatusCreated {
		t.Fatalf("making a program: %d", code)
	}
	if code := first.call("POST", "/api/v1/links", `{"slug":"p","url":"https://acme.example/p","program":"acme"}`, nil); code != http.StatusCreated {
		t.Fatalf("making its link: %d", code)
	}
	if code := second.call("PATCH", "/api/v1/programs/acme", `{"status":"paused"}`, nil); code != http.StatusOK && code != http.StatusMethodNotAllowed {
		t.Fatalf("pausing it: %d", code)
	}

	// Clicks of every node are in one report, once, at either control node.
	var before struct{ Totals map[string]float64 }
	first.call("GET", "/api/v1/reports/clicks?by=link", "", &before)
	for _, p := range []*process{first, second, redirect} {
		p.leads("a", "https://shop.example/b")
	}
	for _, p := range []*process{first, second} {
		waitFor(t, func() bool {
			var after struct{ Totals map[string]float64 }
			p.call("GET", "/api/v1/reports/clicks?by=link", "", &after)
			return after.Totals["clicks"] >= before.Totals["clicks"]+3
		})
	}

	// Each sees the others, and nothing is wrong anywhere.
	waitFor(t, func() bool { return len(first.status().Nodes) == 4 })
	for name, p := range map[string]*process{"first": first, "second": second, "redirect": redirect, "collector": collector} {
		s := p.status()
		if len(s.Alarms) > 0 {
			t.Errorf("%s: %+v", name, s.Alarms)
		}
	}
	if s := redirect.status(); s.Role != "redirect" || s.Shipper == nil || s.Pipeline != nil {
		t.Errorf("the redirect node's status: %+v", s)
	}
	if s := collector.status(); s.Pipeline == nil || s.Shipper != nil {
		t.Errorf("the collector's status: %+v", s)
	}
}

// A cap is kept over the clicks of all nodes by whichever control node holds the lease.
func TestACapHoldsOnAllNodes(t *testing.T) {
	n := newNodes(t)
	first, second := n.start(config.Control), n.start(config.Control)
	a, b := n.start(config.Redirect), n.start(config.Redirect)
	n.start(config.Pipeline)
	const shop, fallback = "https://shop.example/a", "https://blog.example/deals"
	if code := first.call("POST", "/api/v1/links", `{"slug":"a","url":"`+shop+`","fallback":"`+fallback+`","cap":{"clicks":5,"per":"total"}}`, nil); code != http.StatusCreated {
		t.Fatalf("making the link: %d", code)
	}
	a.leads("a", shop)
	b.leads("a", shop)
	for range 2 { // neither node sends as many as all may
		a.click("a")
		b.click("a")
	}
	a.leads("a", fallback)
	b.leads("a", fallback)
	var use api.CapUse
	if code := second.call("GET", "/api/v1/links/1/cap", "", &use); code != http.StatusOK || use.Clicks < 5 || use.Reached == nil || use.Over != use.Clicks-5 || use.Left != 0 {
		t.Errorf("the cap's use: %d, %+v", code, use)
	}
	var history api.ChangeList
	second.call("GET", "/api/v1/links/1/changes", "", &history)
	if len(history.Items) == 0 || history.Items[0].Actor != "cap" {
		t.Errorf("the history begins with %+v", history.Items)
	}

	// Raised at the other control node, it opens; without the first control node it closes again.
	if code := second.call("PATCH", "/api/v1/links/1", fmt.Sprintf(`{"cap":{"clicks":%d}}`, use.Clicks+3), nil); code != http.StatusOK {
		t.Fatalf("raising the cap: %d", code)
	}
	a.leads("a", shop)
	first.stop()
	for range 4 {
		b.click("a")
	}
	b.leads("a", fallback)
	a.leads("a", fallback)
	if code := second.call("PATCH", "/api/v1/links/1", `{"cap":null}`, nil); code != http.StatusOK {
		t.Fatalf("removing the cap: %d", code)
	}
	a.leads("a", shop)
	b.leads("a", shop)
	if s := second.status(); len(s.Warnings) > 0 && strings.Contains(s.Warnings[0].What, "caps") {
		t.Errorf("warnings: %+v", s.Warnings)
	}
}

// status is what the command line reads on the machine, in any role.
func (p *process) status() (s api.Status) {
	p.t.Helper()
	if code := p.call("GET", "/api/v1/status", "", &s); code != http.StatusOK {
		p.t.Fatalf("the status: %d", code)
	}
	return s
}

// visit follows a link with a cookie and returns the one that it is given.
func (p *process) visit(name, cookie string) (next string) {
	p.t.Helper()
	r, err := http.NewRequest(http.MethodGet, p.links+"/go/"+name, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if cookie != "" {
		r.Header.Set("Cookie", "sluice="+cookie)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, res.Body)
	for _, c := range res.Cookies() {
		next = c.Value
	}
	if next == "" {
		p.t.Fatal("no cookie was given")
	}
	return next
}

// who opens a cookie as a node does.
func (p *process) who(cookie string) affiliate.VisitorID {
	p.t.Helper()
	ring, err := p.app.keys.ring(cookieKeys)
	if err != nil {
		p.t.Fatal(err)
	}
	token, ok := ring.Open(cookie)
	if !ok {
		p.t.Fatalf("the cookie is not accepted by the %d keys of this node", len(ring))
	}
	return token.Visitor
}

func TestKeysRotateOnAllNodes(t *testing.T) {
	n := newNodes(t)
	control := n.start(config.Control)
	control.link("a")
	a, b := n.start(config.Redirect), n.start(config.Redirect)
	a.leads("a", "https://shop.example/a")
	b.leads("a", "https://shop.example/a")
	// Nodes begin with keys of their own, and have the shared ones within moments.
	keysOf := func(p *process) (numbers []byte, secret string) {
		ring, err := p.app.keys.ring(cookieKeys)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range ring {
			numbers = append(numbers, k.Number)
		}
		return numbers, string(ring[0].Secret)
	}
	same := func() bool {
		_, first := keysOf(control)
		_, second := keysOf(a)
		_, third := keysOf(b)
		return first == second && second == third
	}
	waitFor(t, same)
	cookie := ""
	waitFor(t, func() bool { // the keys are there a moment before they are used
		cookie = a.visit("a", "")
		ring, err := b.app.keys.ring(cookieKeys)
		_, known := ring.Open(cookie)
		return err == nil && known
	})
	visitor := a.who(cookie)
	if b.who(cookie) != visitor {
		t.Fatal("the other node takes the visitor for somebody else")
	}
	if code := control.call("POST", "/api/v1/cluster/cookie-keys", "", nil); code != http.StatusNoContent {
		t.Fatalf("rotating the keys: %d", code)
	}
	// Through the change, whichever node is visited, the visitor stays who it is.
	rotated := func() bool {
		for _, p := range []*process{b, a, control} {
			cookie = p.visit("a", cookie)
			for _, other := range []*process{a, b, control} {
				if other.who(cookie) != visitor {
					t.Fatal("the visitor was taken for somebody else")
				}
			}
		}
		numbers, _ := keysOf(a)
		return len(numbers) == 2 && numbers[0] == 2 && same()
	}
	for deadline := time.Now().Add(time.Minute); !rotated(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the new key is not used")
		}
	}
	// A node that starts now, without the distribution, still has them.
	dir := b.app.config.Data
	b.stop()
	b = n.startIn(config.Redirect, dir, func(c *config.Config) { c.Distribution.URL = "redis://127.0.0.1:9" })
	if b.who(cookie) != visitor {
		t.Fatal("after a restart the visitor is somebody else")
	}
	b.leads("a", "https://shop.example/a")
}

// The secret changes in rounds, and at no moment is anybody cut off.
func TestSecretChanges(t *testing.T) {
	n := newNodes(t)
	const before, after = "the secret of all nodes of this test", "the secret that they are going to have"
	with := func(secret, other string) func(*config.Config) {
		return func(c *config.Config) { c.Cluster.Secret, c.Cluster.AlsoAccept = secret, other }
	}
	folders := map[config.Role]string{config.Control: t.TempDir(), config.Redirect: t.TempDir()}
	running := map[config.Role]*process{}
	made := 0
	restart := func(role config.Role, change func(*config.Config)) {
		t.Helper()
		if p := running[role]; p != nil {
			p.stop()
		}
		running[role] = n.startIn(role, folders[role], change)
		if running[config.Redirect] == nil {
			return
		}
		made++
		name := fmt.Sprintf("link-%d", made)
		running[config.Control].link(name)
		running[config.Redirect].leads(name, "https://shop.example/"+name)
		waitFor(t, func() bool { return running[config.Redirect].app.neighboursFault() == "" })
	}
	restart(config.Control, with(before, ""))
	restart(config.Redirect, with(before, ""))
	waitFor(t, running[config.Redirect].app.keysShared.Load) // until then /readyz sends nobody
	cookie := running[config.Redirect].visit("link-1", "")
	visitor := running[config.Redirect].who(cookie)
	for _, round := range []func(*config.Config){with(before, after), with(after, before), with(after, "")} {
		restart(config.Redirect, round)
		restart(config.Control, round)
		if running[config.Redirect].who(running[config.Redirect].visit("link-1", cookie)) != visitor {
			t.Fatal("the visitor was taken for somebody else")
		}
	}
}

// A store that was restored from an old backup is not obeyed until somebody says so.
func TestRestoredBackup(t *testing.T) {
	n := newNodes(t)
	control := n.start(config.Control)
	control.link("a")
	control.link("b")
	redirect := n.start(config.Redirect)
	redirect.leads("b", "https://shop.example/b")
	control.stop()

	execute(t.Context(), t, fmt.Sprintf("DELETE FROM %s.changes WHERE seq = (SELECT max(seq) FROM %[1]s.changes); DELETE FROM %[1]s.links WHERE id = 2; "+
		"UPDATE %[1]s.counters SET last = last - 1 WHERE name = 'change'", n.name))

	// On its own folder the control node refuses; on a fresh one the nodes do.
	control = n.start(config.Control)
	waitFor(t, func() bool {
		return strings.Contains(control.app.neighboursFault(), "sluice cluster republish")
	})
	redirect.leads("b", "https://shop.example/b")
	if code := control.call("POST", "/api/v1/cluster/republish", "", nil); code != http.StatusNoContent {
		t.Fatalf("republishing: %d", code)
	}
	waitFor(t, func() bool { return redirect.click("b") == "" })
	redirect.leads("a", "https://shop.example/a")
	waitFor(t, func() bool { return control.app.neighboursFault() == "" && redirect.app.neighboursFault() == "" })
}

// What is wrong with a server is said, visitors are served all the same, and it is mended by itself.
func TestDegradedNodes(t *testing.T) {
	n := newNodes(t)
	control := n.start(config.Control)
	control.link("a")
	dir := t.TempDir()
	redirect := n.startIn(config.Redirect, dir)
	redirect.leads("a", "https://shop.example/a")
	redirect.stop()
	for name, c := range map[string]struct {
		change func(*config.Config)
		alarm  string
		words  string
	}{
		"no broker":            {func(c *config.Config) { c.Queue.URL = "amqp://127.0.0.1:9/" }, alarmShipping, "127.0.0.1:9"},
		"a wrong password":     {func(c *config.Config) { c.Queue.User, c.Queue.Password = "guest", "secret-word" }, alarmShipping, "password"},
		"no Redis":             {func(c *config.Config) { c.Distribution.URL = "redis://127.0.0.1:9" }, alarmNeighbours, "see that it runs"},
		"another secret":       {func(c *config.Config) { c.Cluster.Secret = strings.Repeat("other", 8) }, "", ""},
		"another installation": {func(c *config.Config) {}, alarmNeighbours, "another installation"},
	} {
		if name == "another installation" {
			pretend(t, dir, replication.Identity{Installation: "elsewhere", Epoch: 1})
		}
		p := n.startIn(config.Redirect, dir, c.change)
		p.leads("a", "https://shop.example/a")
		if c.alarm != "" {
			waitFor(t, func() bool {
				for _, a := range p.status().Alarms {
					if strings.Contains(a.What, "secret-word") {
						t.Errorf("%s: the alarm shows the password", name)
					}
					if a.Name == c.alarm && strings.Contains(a.What, c.words) {
						return true
					}
				}
				return false
			})
		}
		p.stop()
	}
}

func pretend(t *testing.T, dir string, id replication.Identity) {
	t.Helper()
	b, err := json.Marshal(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "table", "replication"), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// What an engine finds wrong with its server is in the status, which doctor reads.
func TestWhatServersLackIsInTheStatus(t *testing.T) {
	n := newNodes(t)
	collector := n.start(config.Pipeline, func(c *config.Config) { c.Queue.Retention = config.Duration(time.Hour) })
	waitFor(t, func() bool {
		return slices.ContainsFunc(collector.status().Warnings, func(w api.Warning) bool { return strings.Contains(w.What, "keeps records for 1h") && w.Remedy != "" })
	})
}
