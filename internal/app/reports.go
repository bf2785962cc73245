package app

import (
	"context"
	"errors"
	"slices"

	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/config"
	"github.com/sluicehq/sluice/internal/journal"
	"github.com/sluicehq/sluice/internal/pipeline"
	"github.com/sluicehq/sluice/internal/queue"
	"github.com/sluicehq/sluice/internal/queue/inproc"
	"github.com/sluicehq/sluice/internal/useragent"
)

// reports is where clicks end, and what brings them there.
type reports struct {
	analytics analytics.Engine
	left      lanes // of an earlier process
	queue     queue.Queue
	collector *pipeline.Collector // nil where other processes collect
}

// collectorNiceness lets visitors go before a backlog of clicks.
const collectorNiceness = 10

// openReports opens everything, or nothing. The collector is not running yet.
func (a *App) openReports(ctx context.Context) (_ *reports, err error) {
	r := &reports{}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	if r.analytics, err = a.openAnalytics(ctx); err != nil {
		return nil, err
	}
	if !a.collects() {
		return r, nil
	}
	if a.config.HasBroker() {
		r.queue, err = a.openBroker(ctx)
	} else {
		r.left, err = a.adoptLanes()
		r.queue = a.openJournals(r.left)
	}
	if err != nil {
		return nil, err
	}
	r.collector = pipeline.New(pipeline.Options{
		BacklogRecords: a.backlogRecords(), Queue: r.queue, Analytics: r.analytics, SetAside: a.setAside,
		Enrich: &pipeline.Enricher{Places: a.plane.places, Agents: useragent.NewParser(useragent.Options{}),
			Addresses: pipeline.Addresses(a.config.Privacy.StoreIP)},
		Niceness: collectorNiceness, Now: a.options.Now, Logger: a.options.Logger,
	})
	return r, r.collector.Open(ctx)
}

// backlogRecords is how many clicks of a backlog are stored at once. ClickHouse makes files of each
// batch, which costs the same for one click as for many.
func (a *App) backlogRecords() int {
	if a.config.Analytics.Engine == config.ClickHouse {
		return 51_200
	}
	return 0 // what suits DuckDB at all times
}

// openJournals makes a queue of this process's lanes and of others that were left.
func (a *App) openJournals(left lanes) queue.Queue {
	journals := map[string]*journal.Journal{}
	for _, l := range slices.Concat(a.plane.lanes, left) {
		journals[a.sourceName(l.number)] = l.journal
	}
	return inproc.Open(journals, a.options.Logger)
}

// run collects until the context ends.
func (r *reports) run(ctx context.Context) {
	if r.collector != nil {
		r.collector.Run(ctx)
	}
}

func (r *reports) close() error {
	var errs []error
	if r.collector != nil {
		errs = append(errs, r.collector.Close())
	}
	if r.queue != nil {
		errs = append(errs, r.queue.Close())
	}
	errs = append(errs, r.left.close())
	if r.analytics != nil {
		errs = append(errs, r.analytics.Close())
	}
	return errors.Join(errs...)
}

// collected says how far the collector of this process is; false when there is none.
func (a *App) collected() (pipeline.Stats, bool) {
	if r := a.reports.get(); r != nil && r.collector != nil {
		return r.collector.Stats(), true
	}
	return pipeline.Stats{}, false
}
