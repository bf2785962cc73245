// Package app builds, runs and closes a Sluice process out of the other packages.
// It is the only place where they meet: nothing imports it but the program and
// the tests that start the whole.
//
// The order of starting is the order of need, and stopping is its mirror:
//
//	folder → data plane (table, journal, redirect) → back office (store, catalog,
//	analytics, pipeline, API) → listeners
//
// The data plane needs nothing of the back office. When the store or the
// analytics cannot be opened, visitors are served from the saved table and
// recorded in the journal while the back office is tried again.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/config"
)

// Options of Build, beside the configuration.
type Options struct {
	Version string
	Logger  *slog.Logger
	// Out gets the addresses and the first login.
	Out io.Writer
	// Succeed takes over from the process that has the data folder, if there is one,
	// without a visitor noticing.
	Succeed bool
	// Offline opens no listener: the caller uses Handler. The back office must
	// open, or Build fails.
	Offline bool
	Now     func() time.Time

	batchPatience time.Duration // with the body of a batch of clicks; ingestTimeout when zero
	keysAhead     time.Duration // that new keys are known before they are used; keysAhead when zero
}

// App is one process.
type App struct {
	config  config.Config
	options Options
	started time.Time

	predecessor *predecessor // nil for none
	succession  succession
	folder      *folder
	plane       *dataPlane

	keys       *keys
	seal       keySeal     // of what nodes share; nil without a secret
	keysShared atomic.Bool // the cookie keys are those of all nodes, as far as is known

	ops     operations
	office  part[office]
	mailbox *mailbox
	intake  *intake       // nil without a back office
	reports part[reports] // the office's, or alone

	shipping   part[shipping]
	neighbours part[neighbours]
	findings   atomic.Pointer[[]affiliate.Finding] // of the servers under the rooms

	background context.Context // of what runs by itself
	end        context.CancelFunc
	running    sync.WaitGroup
}

// Build opens the data folder and the data plane. The caller must Close.
func Build(ctx context.Context, cfg config.Config, o Options) (_ *App, err error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Offline && cfg.Role != config.All {
		return nil, fmt.Errorf("role: a process that is %q has no back office to work with; set it to %q, or leave it out", cfg.Role, config.All)
	}
	background, end := context.WithCancel(context.WithoutCancel(ctx))
	a := &App{background: background, end: end, config: cfg, options: o, started: o.Now(), succession: succession{begun: make(chan struct{})}}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	if o.Succeed {
		if a.predecessor, err = askToSucceed(cfg.Data); err != nil {
			return nil, err
		}
	}
	if a.folder, err = openFolder(cfg.Data, a.predecessor); err != nil {
		return nil, err
	}
	a.keys = newKeys(a.folder, o.Now)
	if cfg.Cluster.Secret != "" {
		a.seal = newKeySeal(cfg.Cluster.Secret, cfg.Cluster.AlsoAccept)
		before, err := identityFile{a.folder}.load()
		a.keysShared.Store(err == nil && before.Installation != "") // those on disk are of then
	}
	if a.plane, err = openDataPlane(a); err != nil {
		return nil, err
	}
	if err = a.openMailbox(); err != nil {
		return nil, err
	}
	if err = a.openIntake(); err != nil {
		return nil, err
	}
	if !o.Offline {
		return a, nil
	}
	office, err := a.openOffice(ctx)
	if err != nil {
		return nil, err
	}
	a.office.begin(office)
	a.runOffice(office)
	if c := office.reports.collector; c != nil {
		return a, c.Drain(ctx)
	}
	return a, nil
}

// Handler is the control plane for somebody who may do everything: the command
// line on this machine.
func (a *App) Handler() http.Handler { return a.operatorHandler() }

// Analytics is the engine that reports are made from, for filling it with a
// demonstration. It is open once Build has returned, with Options.Offline.
func (a *App) Analytics() analytics.Engine { return a.office.get().reports.analytics }

// Run serves until the context ends, then stops accepting, lets requests under
// way finish and brings the last clicks into the reports. The error says why it
// could not begin, or what could not be finished in time.
//
// In the role of config.Redirect there is no back office: visitors are served from
// the table that is saved or distributed, and their clicks stay in the journal until the
// broker, or a later process, has them. In that of config.Control no clicks are collected,
// and in that of config.Pipeline nothing else is done.
func (a *App) Run(ctx context.Context) error {
	l, err := a.listen(ctx)
	if err != nil {
		return err
	}
	defer a.watchAlarms()()
	officeDone := make(chan struct{})
	officeContext, stopOffice := context.WithCancel(ctx)
	if a.ships() {
		a.running.Go(func() { a.keepShipping(a.background) })
	}
	if a.isShared() {
		a.running.Go(func() { a.keepNeighbours(a.background) })
	}
	a.running.Go(func() { a.keepExamining(a.background) })
	go func() {
		defer close(officeDone)
		if a.hasOffice() || a.collects() {
			if err := a.open(officeContext); err != nil {
				l.failed <- err
			}
		}
		a.announce(officeContext, l)
	}()
	select {
	case <-ctx.Done():
		err = nil
	case err = <-l.failed:
	case <-a.succession.begun:
		a.leave(l)
	}
	stopOffice()
	<-officeDone
	return errors.Join(err, a.stop(l))
}

// leave lets visitors end their connections: a successor has taken over the doors.
func (a *App) leave(l *listeners) {
	a.printf("Another process has taken over; this one ends when its visitors have gone, after %s at the latest.\n", a.config.LeaveTimeout)
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(a.config.LeaveTimeout))
	defer cancel()
	l.leave(ctx)
}

// hasOffice says whether this process manages links and shows reports.
func (a *App) hasOffice() bool { return a.config.Role == config.All || a.config.Role == config.Control }

// collects says whether this process brings clicks into the reports.
func (a *App) collects() bool { return a.config.Role == config.All || a.config.Role == config.Pipeline }

// answersVisitors says whether this process redirects.
func (a *App) answersVisitors() bool { return a.config.Role != config.Pipeline }

// stop is the mirror of the start.
func (a *App) stop(l *listeners) error {
	timeout := time.Duration(a.config.ShutdownTimeout)
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	err := l.shutdown(ctx)
	if r := a.reports.get(); r != nil && r.collector != nil && !a.config.HasBroker() {
		if drained := r.collector.Drain(ctx); drained != nil {
			err = errors.Join(err, fmt.Errorf("the last clicks did not reach the reports within %s; they are safe in the journal and follow at the next start: %w", timeout, drained))
		}
	}
	if s := a.shipping.get(); s != nil {
		if drained := s.shipper.Drain(ctx); drained != nil {
			err = errors.Join(err, fmt.Errorf("the last clicks did not reach the broker within %s; they are safe in the journal and follow at the next start: %w", timeout, drained))
		}
	}
	return err
}

// Close releases everything that Build and Run have opened. It may be called
// more than once.
func (a *App) Close() error {
	var errs []error
	a.end()
	a.running.Wait()
	if s := a.shipping.end(); s != nil {
		errs = append(errs, s.close())
	}
	reports := a.reports.end()
	if o := a.office.end(); o != nil {
		errs = append(errs, o.close()) // its reports too
	} else if reports != nil {
		errs = append(errs, reports.close())
	}
	if n := a.neighbours.end(); n != nil {
		errs = append(errs, n.distribution.Close())
	}
	if a.plane != nil {
		errs = append(errs, a.plane.close())
		a.plane = nil
	}
	if a.folder != nil {
		errs = append(errs, a.folder.close())
		a.folder = nil
	}
	if a.predecessor != nil {
		errs = append(errs, ignoreClosed(a.predecessor.close()))
		a.predecessor = nil
	}
	if conn := a.succession.conn; conn != nil {
		errs = append(errs, ignoreClosed(conn.Close())) // the successor may begin
		a.succession.conn = nil
	}
	return errors.Join(errs...)
}
