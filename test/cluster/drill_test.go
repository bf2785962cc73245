package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/postgres"
	"github.com/sluicehq/sluice/internal/testkit"
	"github.com/sluicehq/sluice/test/crowd"
	"github.com/sluicehq/sluice/test/load"
)

// links that are clicked.
const links = 200

// rig is a cluster with what happens in it.
type rig struct {
	*testing.T
	*Cluster
	rate     int
	given    load.IDs // by all drills so far
	postback string   // path and token
	orders   atomic.Int64
	taken    map[string]bool // orders that were acknowledged
	mu       sync.Mutex
	edits    atomic.Int64
	seed     uint64
}

// newRig starts a cluster for a test. Kafka's and the others' files are gone afterwards.
func newRig(t *testing.T, o Options, rate int) *rig {
	t.Helper()
	for _, need := range []string{"haproxy", "redis-server", "java"} {
		if _, err := exec.LookPath(need); err != nil {
			testkit.Engine(t, need)
		}
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	o.Root, o.Binary = root, testkit.Binary(t)
	// Long names of sockets are refused, so not below the test's own folder.
	if o.Dir, err = os.MkdirTemp("", "sluice-drills-"); err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, rate: rate, taken: map[string]bool{}}
	r.Cluster, err = Start(t.Context(), o)
	t.Cleanup(func() {
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			for _, n := range r.Nodes() {
				t.Logf("the end of %s's log:\n%s", n.name, n.Tail())
			}
			return
		}
		_ = os.RemoveAll(o.Dir)
	})
	if err != nil {
		t.Fatal(err)
	}
	r.furnish()
	return r
}

// office is a control node that answers.
func (r *rig) office() *Node {
	for _, n := range r.Control {
		if n.process.Alive() {
			return n
		}
	}
	r.Fatal("no control node is alive")
	return nil
}

func (r *rig) api(method, path string, body, into any) {
	r.Helper()
	if err := r.office().API(r.Context(), method, path, body, into); err != nil {
		r.Fatal(err)
	}
}

// furnish makes links to click and a program to earn from.
func (r *rig) furnish() {
	r.Helper()
	err := r.office().Stream(r.Context(), http.MethodPost, "/api/v1/links/import?format=csv", bytes.NewReader(load.AppendCSV(nil, links)), "text/csv", func(r io.Reader) error {
		_, err := io.Copy(io.Discard, r)
		return err
	})
	if err != nil {
		r.Fatal(err)
	}
	r.api(http.MethodPost, "/api/v1/programs", json.RawMessage(`{"id":"acme","side":"pays","settlement":{"currency":"EUR","static_token":true,"terms":[{"hold_days":30,"rates":[{"percent":100000}]}]}}`), nil)
	r.api(http.MethodPost, "/api/v1/partners", map[string]string{"program": "acme", "code": "anna"}, nil)
	r.api(http.MethodPost, "/api/v1/links", map[string]any{"slug": "kettle", "url": "https://acme.example/kettle?click_id={click_id}", "program": "acme", "partner": "anna"}, nil)
	var address struct {
		Postback string `json:"postback"`
	}
	r.api(http.MethodGet, "/api/v1/programs/acme/postback", nil, &address)
	u, err := url.Parse(address.Postback)
	if err != nil {
		r.Fatal(err)
	}
	r.postback = u.Path
	r.everywhere("kettle")
}

// everywhere waits until all nodes that are up redirect a name, and returns how long that took.
func (r *rig) everywhere(slug string) time.Duration {
	r.Helper()
	began := time.Now()
	for _, n := range r.Redirect {
		for !n.redirects(slug) {
			if time.Since(began) > 30*time.Second {
				r.Fatalf("%s does not know /go/%s\n%s", n.name, slug, n.Tail())
			}
			time.Sleep(time.Millisecond)
		}
	}
	return time.Since(began)
}

var noRedirect = &http.Client{Timeout: 5 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// redirects says whether a node knows a name. HEAD is not counted as a click.
func (n *Node) redirects(slug string) bool {
	res, err := noRedirect.Head("http://" + n.Listen + "/go/" + slug)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusFound
}

// drill is something that goes wrong.
type drill struct {
	name  string
	wrong func(r *rig) (mend func() error, err error)
	// lasts is how long it stays wrong.
	lasts time.Duration
}

// outcome of a drill.
type outcome struct {
	drill      string
	visits     load.Result
	compared   load.Comparison
	orders     int64
	refused    int64 // orders that had to be sent again
	behind     time.Duration
	propagated []time.Duration
}

// run lets visitors come, makes something wrong, mends it, and accounts for everything.
func (r *rig) run(d drill) outcome {
	r.Helper()
	out := outcome{drill: d.name}
	visitors := r.arrive()
	ctx, leave := context.WithCancel(r.Context())
	var others sync.WaitGroup
	before := r.orders.Load()
	others.Go(func() { out.refused = r.shop(ctx) })
	time.Sleep(time.Second)
	mend, err := d.wrong(r)
	if err != nil {
		leave()
		others.Wait()
		r.Fatalf("%s: %v", d.name, err)
	}
	time.Sleep(d.lasts)
	if mend != nil {
		if err := mend(); err != nil {
			r.Errorf("%s: mending: %v", d.name, err)
		}
	}
	time.Sleep(2 * time.Second)
	var given load.IDs
	out.visits, given = visitors.Leave(r.T)
	leave()
	others.Wait()
	out.orders = r.orders.Load() - before
	r.given = append(r.given, given...)
	mended := time.Now()
	out.compared = r.settle()
	out.behind = time.Since(mended)
	out.propagated = r.propagate(5)
	r.account(&out)
	return out
}

// account checks what must hold after every drill.
func (r *rig) account(o *outcome) {
	r.Helper()
	v, c := &o.visits, &o.compared
	slowest := slices.Max(o.propagated)
	r.Logf("%s: %d visits (p99 %.1f ms, max %.0f ms), %s; %d orders, %d sent again; complete %.1f s after; a change is everywhere in %s at most",
		o.drill, v.Answered, v.Wait.P99, v.Wait.Max, c, o.orders, o.refused, o.behind.Seconds(), slowest.Round(time.Millisecond))
	if v.Refused+v.Wrong+v.Broken+v.Unanswered > 0 {
		r.Errorf("%s: not every visitor was redirected: %d refused, %d wrong, %d broken off, %d not answered; %s", o.drill, v.Refused, v.Wrong, v.Broken, v.Unanswered, v.FirstFault)
	}
	if v.Answered < int64(r.rate) {
		r.Errorf("%s: only %d visits", o.drill, v.Answered)
	}
	if c.Lost > 0 || c.Doubled > 0 || c.Reused > 0 {
		r.Errorf("%s: %s", o.drill, c)
	}
	r.books(o.drill)
}

func (r *rig) arrive() *crowd.Crowd {
	r.Helper()
	r.seed++
	return crowd.Arrive(r.T, r.Visitors(), links, r.rate, r.seed, "-connections", "32")
}

var clickID = regexp.MustCompile(`click_id=([0-9a-z]{24})`)

// shop buys: it follows a link and reports an order, again and again until that is taken, as
// merchants do. Each order is reported twice.
func (r *rig) shop(ctx context.Context) (again int64) {
	client := &http.Client{Timeout: 10 * time.Second, CheckRedirect: noRedirect.CheckRedirect}
	for ctx.Err() == nil {
		res, err := client.Get("http://" + r.Visitors() + "/go/kettle")
		if err != nil {
			r.Errorf("a buyer was not redirected: %v", err)
			return again
		}
		_ = res.Body.Close()
		m := clickID.FindStringSubmatch(res.Header.Get("Location"))
		if m == nil {
			r.Errorf("a buyer was led to %q with status %s", res.Header.Get("Location"), res.Status)
			return again
		}
		var id affiliate.ClickID
		copy(id[:], m[1])
		r.mu.Lock()
		r.given = append(r.given, id)
		r.mu.Unlock()
		order := fmt.Sprintf("order-%d", r.orders.Add(1))
		for range 2 {
			again += r.report(order, m[1])
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return again
}

// report sends an order until it is acknowledged, and says how often it had to be sent again.
func (r *rig) report(order, click string) (again int64) {
	target := fmt.Sprintf("http://%s%s?click_id=%s&txid=%s&amount=49.90&currency=EUR", r.Visitors(), r.postback, click, order)
	client := &http.Client{Timeout: 5 * time.Second}
	for began := time.Now(); time.Since(began) < 3*time.Minute; again++ {
		res, err := client.Get(target)
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode < 300 {
				r.mu.Lock()
				r.taken[order] = true
				r.mu.Unlock()
				return again
			}
			if res.StatusCode < 500 && res.StatusCode != http.StatusTooManyRequests {
				r.Errorf("the order %s was refused: %s", order, res.Status)
				return again
			}
		}
		time.Sleep(250 * time.Millisecond)
	}
	r.Errorf("the order %s was never taken", order)
	return again
}

// settle waits until every click that was given is in the reports, or nothing changes any more, and
// compares.
func (r *rig) settle() load.Comparison {
	r.Helper()
	var c load.Comparison
	quiet := time.Now()
	for last := -1; ; time.Sleep(250 * time.Millisecond) {
		kept, err := r.reported()
		if err == nil {
			c = load.Compare(slices.Clone(r.given), kept)
			if c.Lost == 0 && c.Doubled == 0 && r.drained() {
				return c
			}
			if c.Kept != last {
				last, quiet = c.Kept, time.Now()
			}
		}
		// The engine mends copies within a minute.
		if time.Since(quiet) > 100*time.Second {
			r.Logf("given up on %s (%v)", c, err)
			return c
		}
	}
}

// drained says whether no click is on its way.
func (r *rig) drained() bool {
	for _, n := range r.Nodes() {
		status, body, err := n.get(r.Context(), "/metrics")
		if err != nil || status != http.StatusOK {
			return false
		}
		for line := range strings.Lines(string(body)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			if (name == "sluice_shipper_waiting_clicks" || name == "sluice_pipeline_waiting_clicks") && value != "0" {
				return false
			}
		}
	}
	return true
}

// reported are the ids of all clicks in the reports, those of orders included.
func (r *rig) reported() (ids load.IDs, err error) {
	err = r.office().Stream(r.Context(), http.MethodGet, "/api/v1/clicks/export?format=csv", nil, "", func(body io.Reader) (err error) {
		ids, err = load.ReadExport(body)
		return err
	})
	return ids, err
}

// propagate changes links and returns how long each took to be everywhere.
func (r *rig) propagate(n int) (took []time.Duration) {
	r.Helper()
	for range n {
		slug := fmt.Sprintf("edit-%d-%s", r.edits.Add(1), strings.ToLower(rand.Text()[:6]))
		began := time.Now()
		r.api(http.MethodPost, "/api/v1/links", map[string]string{"slug": slug, "url": "https://shop.example/" + slug}, nil)
		r.everywhere(slug)
		took = append(took, time.Since(began))
	}
	return took
}

// books checks that the ledger is in balance and that every order that was acknowledged is in it, once.
func (r *rig) books(when string) {
	r.Helper()
	s, err := postgres.Open(r.Context(), postgres.Options{URL: r.engines["POSTGRES"], ConnectionsMax: 3})
	if err != nil {
		r.Fatalf("%s: the books cannot be opened: %v", when, err)
	}
	defer func() { _ = s.Close() }()
	err = s.View(r.Context(), func(v store.Reader) error {
		sums, err := v.Books().Trial()
		if err != nil {
			return err
		}
		for _, sum := range sums {
			if sum.Minor != 0 {
				r.Errorf("%s: the ledger sums to %s", when, sum)
			}
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for order := range r.taken {
			found, err := v.Books().ConversionsOf("acme", order)
			if err != nil {
				return err
			}
			if len(found) != 1 {
				r.Errorf("%s: the order %s has %d conversions", when, order, len(found))
			}
		}
		return nil
	})
	if err != nil {
		r.Errorf("%s: %v", when, err)
	}
}
