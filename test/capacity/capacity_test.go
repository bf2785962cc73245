package capacity

import (
	"flag"
	"math"
	"os"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the tables into docs/scaling.md")

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if math.Abs(got-want) > within {
		t.Errorf("%s: got %g, want %g ± %g", what, got, want, within)
	}
}

func TestClicksAreConserved(t *testing.T) {
	for _, rate := range planned {
		for _, e := range events() {
			for _, length := range []time.Duration{15 * time.Minute, whole} { // in the middle, and afterwards
				p := For(rate, Measured)
				o := p.Play(e, length)
				near(t, e.Name, o.Unanswered+o.Stored+o.Waiting, o.Came, 1e-9*o.Came+1)
			}
		}
	}
}

// A backlog of rate × outage is gone after backlog / (capacity − rate).
func TestABacklogIsGoneInTime(t *testing.T) {
	for _, rate := range planned {
		p := For(rate, Measured)
		for _, e := range events()[1:3] {
			o := p.Play(e, whole)
			backlog := p.Rate * e.For.Seconds()
			capacity := p.Stored()
			near(t, e.Name+": drained", o.Drained.Seconds(), backlog/(capacity-p.Rate), 2*step.Seconds())
			near(t, e.Name+": lag", o.Lag.Seconds(), e.For.Seconds(), 2*step.Seconds())
			most := o.BrokerPeak
			if e.NoBroker {
				most = o.JournalPeak
			}
			near(t, e.Name+": most", most, backlog, p.Rate*step.Seconds())
		}
	}
}

func TestASpikeIsAnsweredAsFarAsNodesGo(t *testing.T) {
	p := For(500_000, Measured)
	spike := events()[0]
	o := p.Play(spike, whole)
	over := (20*p.Rate - p.Answered(p.Nodes)) * spike.For.Seconds()
	near(t, "not answered", o.Unanswered, over, 1)
	near(t, "at the broker", o.BrokerPeak, (min(p.Answered(p.Nodes), p.Accepted())-p.Stored())*spike.For.Seconds(), 1)
	// With more nodes than brokers for them, the journals hold what brokers do not take.
	p.Nodes = For(20*p.Rate, Measured).Nodes
	o = p.Play(spike, whole)
	near(t, "not answered by enough", o.Unanswered, 0, 0)
	near(t, "in the journals", o.JournalPeak, max(0, 20*p.Rate-p.Accepted())*spike.For.Seconds(), 1)
}

func TestALostNodeIsMadeUpFor(t *testing.T) {
	e := events()[3]
	for _, rate := range planned {
		p := For(rate, Measured)
		if o := p.Play(e, whole); o.Unanswered > 0 {
			t.Errorf("%.0f clicks are not answered without the spare node", o.Unanswered)
		}
		e.LostNodes = p.Nodes
		if o := p.Play(e, whole); math.Abs(o.Unanswered-rate*e.For.Seconds()) > 1 {
			t.Errorf("without any node %.0f clicks are not answered", o.Unanswered)
		}
		e.LostNodes = 1
	}
}

// The tables of docs/scaling.md are these; -update writes them.
func TestTheDocumentHasTheseTables(t *testing.T) {
	const path = "../../docs/scaling.md"
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for name, table := range map[string]string{"plans": Plans(Measured), "events": Events(Measured)} {
		begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
		before, rest, ok := strings.Cut(text, begin)
		old, after, also := strings.Cut(rest, end)
		if !ok || !also {
			t.Fatalf("%s has no place for the table: write %s%s", path, begin, end)
		}
		if old != table && !*update {
			t.Errorf("the table %s is not what is computed; run: go test ./test/capacity -update\n%s", name, table)
		}
		text = before + begin + table + end + after
	}
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
