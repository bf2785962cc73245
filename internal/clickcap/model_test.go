package clickcap_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/clickcap"
)

const modelSeed = "SLUICE_TEST_SEED" // replays a run of TestModel

// TestModel clicks, edits, breaks the reports and turns the clock at random, for years, with two
// control nodes that take turns, and expects after every look what a list of clicks says.
func TestModel(t *testing.T) {
	seed := rand.Uint64()
	if s := os.Getenv(modelSeed); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("replay with %s=%d", modelSeed, seed)
	m := &model{world: embedded(t), random: rand.New(rand.NewPCG(seed, 0)), links: map[int64]*modelled{}}
	m.keepers = []*clickcap.Keeper{m.keeper(), m.keeper()}
	for step := range 800 {
		m.step()
		if t.Failed() {
			t.Fatalf("at step %d, at %s", step, m.time)
		}
	}
	if m.closings < 8 || m.openings < 2 {
		t.Errorf("links were closed %d times and opened %d times: too seldom to mean anything", m.closings, m.openings)
	}
}

// modelled is a link as it should be.
type modelled struct {
	status affiliate.Status
	cap    *affiliate.ClickCap
	closed bool
	until  time.Time // of the period in which it was closed
	clicks []time.Time
}

func (l *modelled) inPeriod(at time.Time) (n int64) {
	since, until := l.cap.Period(at)
	for _, c := range l.clicks {
		if until.IsZero() || !c.Before(since) && c.Before(until) {
			n++
		}
	}
	return n
}

type model struct {
	*world
	random             *rand.Rand
	keepers            []*clickcap.Keeper
	links              map[int64]*modelled
	made               int
	late               bool // clicks have come that are remembered otherwise
	closings, openings int
}

func (m *model) step() {
	switch n := m.random.IntN(20); {
	case n == 0 && len(m.links) < 12:
		m.create()
	case n == 1:
		m.remove()
	case n < 4:
		m.edit()
	case n < 9:
		m.visit()
	case n == 9:
		m.turnBack()
	case n == 10:
		m.keepers[m.random.IntN(2)] = m.keeper() // a process that was started again
	case n < 14:
		m.pass()
	default:
		m.lookAndCompare()
	}
}

func (m *model) cap() *affiliate.ClickCap {
	if m.random.IntN(5) == 0 {
		return nil
	}
	zones := []string{"", "Europe/Berlin", "Asia/Kolkata", "America/Santiago"}
	return &affiliate.ClickCap{Clicks: 1 + m.random.Int64N(20), Per: affiliate.CapPeriods[m.random.IntN(4)], Zone: zones[m.random.IntN(4)]}
}

func (m *model) create() {
	m.made++
	l := &modelled{status: affiliate.Active, cap: m.cap()}
	made, _, err := m.CreateLink(m.Context(), ada, affiliate.Link{Slug: fmt.Sprintf("l%d", m.made), Cap: l.cap,
		Destinations: []affiliate.Destination{{URL: "https://shop.example/"}}})
	if err != nil {
		m.Fatal(err)
	}
	m.links[made.ID] = l
}

func (m *model) any() (int64, *modelled) {
	ids := slices.Sorted(maps.Keys(m.links))
	if len(ids) == 0 {
		return 0, nil
	}
	id := ids[m.random.IntN(len(ids))]
	return id, m.links[id]
}

func (m *model) remove() {
	if id, l := m.any(); l != nil {
		if err := m.DeleteLink(m.Context(), ada, id, 0); err != nil {
			m.Fatal(err)
		}
		delete(m.links, id)
	}
}

// edit pauses a link, or gives it another cap; what becomes of its state until the next look is
// the catalog's, and tested there.
func (m *model) edit() {
	id, l := m.any()
	if l == nil {
		return
	}
	next := m.get(id)
	if m.random.IntN(2) == 0 {
		l.status = []affiliate.Status{affiliate.Active, affiliate.Paused, affiliate.Archived}[m.random.IntN(3)]
		next.Status = l.status
	} else {
		l.cap = m.cap()
		next.Cap = l.cap
	}
	after, _, err := m.UpdateLink(m.Context(), ada, next, 0)
	if err != nil {
		m.Fatal(err)
	}
	l.closed = after.CapReached != nil
}

// visit makes clicks of the last half hour, or some that come days late.
func (m *model) visit() {
	id, l := m.any()
	if l == nil {
		return
	}
	at := m.time.Add(-time.Duration(m.random.IntN(30)) * time.Minute)
	if m.random.IntN(8) == 0 {
		at, m.late = m.time.Add(-time.Duration(m.random.IntN(72*60))*time.Minute), true
	}
	n := 1 + m.random.IntN(8)
	if m.random.IntN(4) == 0 {
		for _, name := range []string{"a bot", "a duplicate", "the fallback"} {
			m.click(id, at, n, notCounted[name])
		}
		return
	}
	m.click(id, at, n)
	for range n {
		l.clicks = append(l.clicks, at)
	}
}

func (m *model) pass() {
	unit := []time.Duration{time.Second, time.Minute, time.Hour, 24 * time.Hour}[m.random.IntN(4)]
	m.time = m.time.Add(time.Duration(m.random.IntN(40)) * unit)
}

// turnBack sets the clock back; keepers look every other second, so they see that.
func (m *model) turnBack() {
	m.settle()
	m.time = m.time.Add(-time.Duration(m.random.IntN(3*3600)) * time.Second)
	for _, k := range m.keepers {
		m.look(k)
	}
	for id, l := range m.links {
		m.compare(id, l, false)
	}
}

// settle waits until late clicks are known: what is older than an hour is counted every ten minutes.
func (m *model) settle() {
	if m.late {
		m.time, m.late = m.time.Add(11*time.Minute), false
	}
}

func (m *model) lookAndCompare() {
	m.settle()
	broken := m.random.IntN(5) == 0
	k := m.keepers[m.random.IntN(2)]
	if broken {
		m.broken = errors.New("the reports are away")
	}
	err := k.Look(m.Context())
	m.broken = nil
	if (err != nil) != (broken && slices.ContainsFunc(slices.Collect(maps.Values(m.links)), func(l *modelled) bool { return l.cap != nil })) {
		m.Errorf("broken is %v, and the look says %v", broken, err)
	}
	for id, l := range m.links {
		m.compare(id, l, broken)
	}
}

func (m *model) compare(id int64, l *modelled, broken bool) {
	was := l.closed
	switch {
	case l.cap == nil:
		l.closed = false
	case !broken:
		l.closed = l.inPeriod(m.time) >= l.cap.Clicks
	case l.closed && !l.until.IsZero() && !m.time.Before(l.until):
		l.closed = false
	}
	if l.closed && !broken {
		_, l.until = l.cap.Period(m.time)
	}
	if was != l.closed && l.closed {
		m.closings++
	} else if was != l.closed {
		m.openings++
	}
	got := m.get(id)
	if got.Status != l.status || (got.CapReached != nil) != l.closed {
		m.Errorf("the link %d, %s, with the cap %v and %d clicks: its status is %q and it says %+v; want closed: %v",
			id, l.status, l.cap, len(l.clicks), got.Status, got.CapReached, l.closed)
	}
}
