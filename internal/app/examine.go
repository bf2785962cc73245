package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/distribution"
)

// examineEvery is how often the servers under the rooms are examined, examineFor how long it may
// take. What they find changes slowly.
const (
	examineFirst = 3 * time.Second
	examineEvery = time.Minute
	examineFor   = 20 * time.Second
)

// keepExamining looks at what this process has open, until the context ends.
func (a *App) keepExamining(ctx context.Context) {
	sleep(ctx, examineFirst)
	for ctx.Err() == nil {
		a.examine(ctx)
		sleep(ctx, examineEvery)
	}
}

// examine collects what all engines find. One that does not answer says so elsewhere, where
// it is used.
func (a *App) examine(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, examineFor)
	defer cancel()
	var all []affiliate.Finding
	for _, engine := range a.openEngines() {
		if e, ok := engine.(affiliate.Examiner); ok {
			found, _ := e.Examine(ctx, time.Now())
			all = append(all, found...)
		}
	}
	a.findings.Store(&all)
}

func (a *App) openEngines() (all []any) {
	if o := a.office.get(); o != nil {
		all = append(all, o.store)
	}
	if r := a.reports.get(); r != nil {
		all = append(all, r.analytics)
		if r.queue != nil {
			all = append(all, r.queue)
		}
	}
	if s := a.shipping.get(); s != nil && !a.collects() { // else the reader has the same to say
		all = append(all, s.producer)
	}
	if n := a.neighbours.get(); n != nil {
		all = append(all, n.distribution)
	}
	return all
}

func (a *App) found() []affiliate.Finding {
	if f := a.findings.Load(); f != nil {
		return *f
	}
	return nil
}

// enginesCondition is raised by what would lose or damage something.
func (a *App) enginesCondition() condition {
	c := condition{name: alarmEngines, remedy: "do what it says; a server is examined again every minute"}
	var texts []string
	for _, f := range a.found() {
		if f.Harmful {
			texts = append(texts, f.Problem+": "+f.Mend)
		}
	}
	c.raised, c.count, c.what = len(texts) > 0, int64(len(texts)), strings.Join(texts, "; ")
	return c
}

// clusterStatus tells of what nodes share, and of the servers under the rooms.
func (a *App) clusterStatus(s *statusReport) {
	if p, ok := a.shipped(); ok {
		s.Shipper = &api.PipelineStatus{Records: p.Lag.Records, Bytes: p.Lag.Bytes, Seconds: p.LagSeconds}
		if p.Trouble == "" && p.LagSeconds > lagSecondsMax {
			s.warn(fmt.Sprintf("the broker is %.0f s behind", p.LagSeconds), "", "clicks catch up by themselves; if this lasts, the broker is too slow for them")
		}
	}
	for _, f := range a.found() {
		if !f.Harmful { // else it is an alarm
			s.warn(f.Problem, "", f.Mend)
		}
	}
	if n := a.neighbours.get(); n != nil {
		nodes := n.others()
		for _, x := range nodes {
			s.Nodes = append(s.Nodes, api.NodeStatus{Name: x.Name, Number: x.Number, Role: x.Role, Version: x.Version, Address: x.Address, TableSeq: x.Seq,
				Waiting: x.Waiting, SkewSeconds: float64(x.SkewMillis) / 1000, Alarms: x.Alarms})
		}
		warnOfNodes(s, nodes)
	}
}

// ownLag is how far this process is behind with its clicks, on whichever way it brings them.
func (a *App) ownLag() time.Duration {
	seconds := 0.0
	if s, ok := a.shipped(); ok {
		seconds = s.LagSeconds
	}
	if s, ok := a.collected(); ok {
		seconds = max(seconds, s.LagSeconds)
	}
	return time.Duration(seconds * float64(time.Second))
}

// clicksLate is how far the process that is most behind is: what it has, the reports lack.
func (a *App) clicksLate() time.Duration {
	lag := a.ownLag()
	if n := a.neighbours.get(); n != nil {
		for _, x := range n.others() {
			lag = max(lag, time.Duration(x.LagMillis)*time.Millisecond)
		}
	}
	return lag
}

// nodeSkewMax is how far the clocks of nodes may be apart before an operator is told: a click has the
// time of the node that answered it, and leases are kept by clocks.
const nodeSkewMax = time.Second

// warnOfNodes says what nodes cannot know of themselves.
func warnOfNodes(s *statusReport, nodes []distribution.Node) {
	byNumber := map[int]distribution.Node{}
	for _, x := range nodes {
		skew := time.Duration(x.SkewMillis) * time.Millisecond
		if skew.Abs() > nodeSkewMax {
			s.warn(fmt.Sprintf("the clock of %s is %s off", x.Name, skew), x.Address, "let its machine set the clock by NTP")
		}
		if same, ok := byNumber[x.Number]; ok && x.Role != "pipeline" && same.Role != "pipeline" {
			s.warn(fmt.Sprintf("%s and %s have the same node number %d", same.Name, x.Name, x.Number), x.Address,
				"give each its own (node): clicks of the same moment are told apart by it")
		}
		byNumber[x.Number] = x
	}
}
