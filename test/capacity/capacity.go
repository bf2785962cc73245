// Package capacity plays what happens to clicks on their way when something goes wrong, with the
// costs that were measured: how long queues become, what they take on disk, when they are empty
// again. It is a fluid model: rates in, rates out, and what is between them waits. It knows no
// chance, no single request and no wait of a visitor, and trusts that what was measured on one
// core holds for many.
//
// A click goes from a visitor to the journal of the node that answered, from there to the
// broker, and from the broker into a shard of ClickHouse. Where the next stage is away or slower,
// it waits in the stage before; nothing is lost but what no node could answer. Each stage is one
// pool: partitions and shards fill evenly.
package capacity

import (
	"math"
	"time"
)

// Costs of a click, measured (docs/performance.md).
type Costs struct {
	// µs of one core's time.
	Answer, Ship, Broker, Collect, Store float64
	// Bytes in a journal, in one copy at the broker, in one copy in ClickHouse.
	JournalBytes, BrokerBytes, StoreBytes float64
}

// Measured are those of Kafka and ClickHouse.
var Measured = Costs{Answer: 8.4, Ship: 1.5, Broker: 0.8, Collect: 7.1, Store: 9.7, JournalBytes: 200, BrokerBytes: 88, StoreBytes: 115}

// What a plan leaves free, and the machines it is made of.
const (
	busyNode   = 0.6 // of a node's processors at the planned rate
	busyBroker = 0.5
	catchUp    = 2 // collectors and shards take so many times the planned rate
	copies     = 3 // of a click at the broker
	replicas   = 2 // of a click in ClickHouse
	coresEach  = 8
)

// Plan is an installation for a rate.
type Plan struct {
	Rate       float64 // clicks a second
	Nodes      int     // that answer visitors, one of them spare
	Brokers    int
	Collectors int
	Shards     int
	Partitions int
	Costs      Costs
}

// For plans an installation of machines of eight cores.
func For(rate float64, c Costs) Plan {
	machines := func(micros, busy float64) int { return int(math.Ceil(rate * micros / 1e6 / busy / coresEach)) }
	p := Plan{Rate: rate, Costs: c, Nodes: machines(c.Answer+c.Ship, busyNode) + 1, Brokers: max(3, machines(c.Broker*copies, busyBroker)),
		Collectors: max(2, machines(c.Collect*catchUp, 1)), Shards: machines(c.Store*catchUp, 1)}
	// A collector has up to sixteen statements under way; eight partitions for each leave room.
	p.Partitions = max(12, 8*p.Collectors)
	return p
}

// Answered is how many clicks a second so many nodes answer at most, while they ship.
func (p *Plan) Answered(nodes int) float64 {
	return float64(nodes) * coresEach * 1e6 / (p.Costs.Answer + p.Costs.Ship)
}

// Accepted is how many clicks a second the brokers take at most.
func (p *Plan) Accepted() float64 {
	return float64(p.Brokers) * coresEach * 1e6 / (p.Costs.Broker * copies)
}

// Stored is how many clicks a second get into the reports at most.
func (p *Plan) Stored() float64 {
	return min(float64(p.Collectors)*coresEach*1e6/p.Costs.Collect, float64(p.Shards)*coresEach*1e6/p.Costs.Store)
}

// Event is what goes wrong, from From on for For.
type Event struct {
	Name      string
	From, For time.Duration
	Spike     float64 // times the rate; 0 is none
	NoBroker  bool
	// NoShard: a shard is away, with its replicas. Nothing is stored: a batch is in all of its
	// shards or in none. While a replica is left, nothing changes but what is left over.
	NoShard   bool
	LostNodes int
}

// Outcome of an event.
type Outcome struct {
	Came, Unanswered, Stored, Waiting float64 // clicks; Waiting is at the end
	JournalPeak, BrokerPeak           float64 // clicks that waited at the same time
	// Lag is the longest that the reports were behind: the age of the oldest click that waited
	// at the moment when that was greatest.
	Lag time.Duration
	// Drained is how long after the event nothing waited any more; negative when it still did
	// at the end.
	Drained time.Duration
}

// step of the model, and what a shipper waits between two looks while clicks trickle in: what
// a node that is lost takes with it, until it is back.
const step = 100 * time.Millisecond

// stages are what waits.
type stages struct{ journal, stranded, broker float64 }

// Play lets clicks come for as long.
func (p *Plan) Play(e Event, whole time.Duration) (o Outcome) {
	var s stages
	var arrivals []float64 // clicks that were answered so far, by step
	accepted := 0.0
	oldest := 0 // step of the oldest click that is not stored
	o.Drained = -1
	for at := time.Duration(0); at < whole; at += step {
		now := p.during(e, at)
		came := now.rate * step.Seconds()
		answered := min(came, now.answer*step.Seconds())
		o.Came, o.Unanswered = o.Came+came, o.Unanswered+came-answered
		accepted += answered
		arrivals = append(arrivals, accepted)
		if e.LostNodes > 0 && at == e.From {
			s.stranded = answered * float64(e.LostNodes) / float64(p.Nodes)
			answered -= s.stranded
		}
		if e.LostNodes > 0 && at == e.From+e.For {
			s.journal, s.stranded = s.journal+s.stranded, 0
		}
		sent := min(s.journal+answered, now.ship*step.Seconds())
		s.journal += answered - sent
		stored := min(s.broker+sent, now.store*step.Seconds())
		s.broker += sent - stored
		o.Stored += stored
		o.JournalPeak, o.BrokerPeak = max(o.JournalPeak, s.journal+s.stranded), max(o.BrokerPeak, s.broker)
		// Less than a click is rounding.
		for oldest < len(arrivals) && arrivals[oldest] <= o.Stored+1 {
			oldest++
		}
		o.Lag = max(o.Lag, time.Duration(len(arrivals)-oldest)*step)
		ended := at + step - e.From - e.For
		switch {
		case s.journal+s.stranded+s.broker > 1:
			o.Drained = -1
		case o.Drained < 0 && ended >= 0:
			o.Drained = ended
		}
	}
	o.Waiting = s.journal + s.stranded + s.broker
	return o
}

// rates at a moment, in clicks a second.
type rates struct{ rate, answer, ship, store float64 }

func (p *Plan) during(e Event, at time.Duration) rates {
	nodes := p.Nodes
	now := rates{rate: p.Rate, ship: p.Accepted(), store: p.Stored()}
	if at >= e.From && at < e.From+e.For {
		nodes -= e.LostNodes
		if e.Spike > 0 {
			now.rate *= e.Spike
		}
		if e.NoBroker {
			now.ship = 0
		}
		if e.NoBroker || e.NoShard {
			now.store = 0
		}
	}
	now.answer = p.Answered(nodes)
	return now
}
