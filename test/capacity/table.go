package capacity

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// rates that installations are planned for, in clicks a second.
var planned = []float64{50_000, 500_000, 5_000_000}

// whole is how long an event is watched: ten minutes before it and as long as it takes after.
const whole = 8 * time.Hour

// batchesEach is how many batches a second a collector stores of a partition, at most, while
// clicks trickle in.
const batchesEach = 4

// begins is when events do.
const begins = 10 * time.Minute

func events() []Event {
	return []Event{
		{Name: "twenty times the clicks for 10 minutes", From: begins, For: 10 * time.Minute, Spike: 20},
		{Name: "the broker away for 10 minutes", From: begins, For: 10 * time.Minute, NoBroker: true},
		{Name: "a shard away for an hour", From: begins, For: time.Hour, NoShard: true},
		{Name: "a node away for an hour", From: begins, For: time.Hour, LostNodes: 1},
	}
}

// Plans is the table of what is needed.
func Plans(c Costs) string {
	var b strings.Builder
	b.WriteString("| planned clicks/s | " + columns(func(r float64) string { return count(r) }) + "|---|" + strings.Repeat("---|", len(planned)) + "\n")
	row := func(name string, of func(p Plan) string) {
		b.WriteString("| " + name + " | " + columns(func(r float64) string { return of(For(r, c)) }))
	}
	perDay := func(p Plan, bytes float64) float64 { return p.Rate * bytes * 86_400 }
	row("redirect nodes of 8 cores (one spare)", func(p Plan) string { return count(float64(p.Nodes)) })
	row("network of all nodes, in and out (1.4 kB a click)", func(p Plan) string { return size(p.Rate*1400) + "/s" })
	row("Kafka brokers of 8 cores, three copies", func(p Plan) string { return count(float64(p.Brokers)) })
	row("network of the brokers, all copies and readers", func(p Plan) string { return size(p.Rate*p.Costs.BrokerBytes*(copies+1)) + "/s" })
	row("partitions", func(p Plan) string { return count(float64(p.Partitions)) })
	row("batches, and parts in ClickHouse, a second while nothing waits", func(p Plan) string { return count(float64(p.Partitions) * batchesEach) })
	row("collectors of 8 cores", func(p Plan) string { return count(float64(p.Collectors)) })
	row("ClickHouse shards (two machines of 8 cores each)", func(p Plan) string { return count(float64(p.Shards)) })
	row("journals, written a day", func(p Plan) string { return size(perDay(p, p.Costs.JournalBytes)) })
	row("broker, seven days, three copies", func(p Plan) string { return size(7 * copies * perDay(p, p.Costs.BrokerBytes)) })
	row("ClickHouse, a day, one copy", func(p Plan) string { return size(perDay(p, p.Costs.StoreBytes)) })
	row("ClickHouse, 90 days, two copies", func(p Plan) string { return size(90 * replicas * perDay(p, p.Costs.StoreBytes)) })
	row("brokers, by a disk of 20 TB each", func(p Plan) string { return count(math.Ceil(7 * copies * perDay(p, p.Costs.BrokerBytes) / 20e12)) })
	row("ClickHouse machines for 90 days, by a disk of 20 TB each", func(p Plan) string { return count(math.Ceil(90 * replicas * perDay(p, p.Costs.StoreBytes) / 20e12)) })
	row("ClickHouse, a year, two copies", func(p Plan) string { return size(365 * replicas * perDay(p, p.Costs.StoreBytes)) })
	row("first visits in a day, if four of five clicks are", func(p Plan) string { return count(p.Rate * 86_400 * 0.8) })
	row("what a collector's memory of 12 million visits spans", func(p Plan) string {
		return span(time.Duration(12e6 * float64(p.Collectors) / (p.Rate * 0.8) * float64(time.Second)))
	})
	return b.String()
}

func columns(of func(rate float64) string) string {
	var b strings.Builder
	for _, r := range planned {
		b.WriteString(of(r) + " | ")
	}
	return strings.TrimSuffix(b.String(), " ") + "\n"
}

// Events is the table of what happens when something goes wrong.
func Events(c Costs) string {
	var b strings.Builder
	b.WriteString("| planned clicks/s | event | not answered | journal of a node, most | waiting at the broker, most | reports behind, most | nothing waits any more, after the event |\n|---|---|---|---|---|---|---|\n")
	row := func(p Plan, e Event) {
		o := p.Play(e, whole)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s clicks, %s | %s | %s |\n", count(p.Rate), e.Name, share(o.Unanswered, o.Came, e, p.Rate),
			size(o.JournalPeak*c.JournalBytes/float64(p.Nodes)), count(o.BrokerPeak), size(o.BrokerPeak*c.BrokerBytes*copies), span(o.Lag), span(o.Drained))
	}
	for _, rate := range planned {
		for i, e := range events() {
			p := For(rate, c)
			row(p, e)
			if i == 0 {
				p.Nodes = For(rate*e.Spike, c).Nodes
				e.Name = fmt.Sprintf("the same, with %s nodes", count(float64(p.Nodes)))
				row(p, e)
			}
		}
	}
	return b.String()
}

// share is how many of the clicks that came during the event were not answered.
func share(unanswered, came float64, e Event, rate float64) string {
	if unanswered < 1 {
		return "none"
	}
	during := rate * max(1, e.Spike) * e.For.Seconds()
	return fmt.Sprintf("%.0f %%", 100*min(1, unanswered/min(came, during)))
}

// size writes bytes.
func size(v float64) string {
	if v < 1 { // the rounding of sums
		v = 0
	}
	for _, unit := range []string{"B", "kB", "MB", "GB", "TB", "PB"} {
		if v < 1000 || unit == "PB" {
			return digits(v) + " " + unit
		}
		v /= 1000
	}
	return ""
}

// count writes a number.
func count(v float64) string {
	switch {
	case v >= 1e9:
		return digits(v/1e9) + " billion"
	case v >= 1e6:
		return digits(v/1e6) + " million"
	case v >= 1000:
		return digits(v/1000) + ",000"
	}
	return digits(v)
}

func digits(v float64) string {
	if v == math.Trunc(v) || v >= 99.5 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2g", v)
}

func span(d time.Duration) string {
	switch {
	case d < 0:
		return "longer than watched"
	case d < 2*time.Second:
		return "at once"
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}
