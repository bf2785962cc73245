package app

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sluicehq/sluice/internal/account"
	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/analytics/duckdb"
	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/catalog"
	"github.com/sluicehq/sluice/internal/journal"
	"github.com/sluicehq/sluice/internal/pipeline"
	"github.com/sluicehq/sluice/internal/queue"
	"github.com/sluicehq/sluice/internal/queue/inproc"
	"github.com/sluicehq/sluice/internal/settlement"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/sqlite"
	"github.com/sluicehq/sluice/internal/useragent"
	"github.com/sluicehq/sluice/internal/webhook"
)

// office is the back office: control plane, pipeline and reports.
type office struct {
	store     store.Store
	publisher *publisher
	catalog   *catalog.Catalog
	accounts  *account.Accounts
	books     *settlement.Office
	courier   *webhook.Courier
	seals     *webhook.Seals
	analytics analytics.Engine
	left      lanes // of an earlier process
	queue     queue.Queue
	collector *pipeline.Collector
	handler   http.Handler
}

// officeDoor is the office once it is open, or why it is not.
type officeDoor struct {
	open    atomic.Pointer[office]
	trouble atomic.Pointer[string]
}

func (d *officeDoor) get() *office { return d.open.Load() }

func (d *officeDoor) close() error {
	o := d.open.Swap(nil)
	if o == nil {
		return nil
	}
	return o.close()
}

// openOffice opens everything, or nothing, and starts the collector.
func (a *App) openOffice(ctx context.Context) (err error) {
	o := &office{publisher: &publisher{tables: a.plane.tables, logger: a.options.Logger}}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.close())
		}
	}()
	if err := a.openControl(ctx, o); err != nil {
		return err
	}
	if err := a.openPipeline(o); err != nil {
		return err
	}
	if err := o.collector.Open(ctx); err != nil {
		return err
	}
	a.openBooks(o)
	if err := a.openSeals(ctx, o); err != nil {
		return err
	}
	a.openCourier(o)
	o.handler = api.New(api.Options{
		Catalog: o.catalog, Accounts: o.accounts, Analytics: o.analytics, Office: o.books, Webhooks: a.webhookDesk(o), Mailbox: a.mailbox, Ingest: a.intake,
		Status: a.status, PublicURL: a.publicURL, Followed: o.publisher.followed, TempDir: a.folder.at("store"),
		ImportBytesMax: int64(a.config.Limits.ImportBytes),
		Now:            a.options.Now, Logger: a.options.Logger, Version: a.options.Version,
	})
	a.office.open.Store(o)
	a.office.trouble.Store(nil)
	background, cancel := context.WithCancel(context.Background())
	a.background = cancel
	a.running.Go(func() { o.collector.Run(background) })
	a.running.Go(func() { o.runBooks(background, a) })
	a.running.Go(func() { _ = o.courier.Run(background) }) // nil: it ends with the context
	return nil
}

func (a *App) openControl(ctx context.Context, o *office) (err error) {
	if err := a.expectStore(); err != nil {
		return err
	}
	db, err := sqlite.Open(ctx, sqlite.Options{Path: a.storePath(), Logger: a.options.Logger})
	if err != nil {
		return err
	}
	o.store = db
	if o.catalog, err = catalog.Open(ctx, catalog.Options{Store: o.store, Publisher: o.publisher, Now: a.options.Now, Logger: a.options.Logger}); err != nil {
		return err
	}
	o.accounts = account.Open(account.Options{Store: o.store, Now: a.options.Now, Logger: a.options.Logger})
	return o.publisher.start(ctx, o.catalog)
}

func (a *App) storePath() string { return a.folder.at("store", "sluice.db") }

// expectStore refuses to begin a new store beside a table that has links: the
// store must have been there.
func (a *App) expectStore() error {
	if _, err := os.Stat(a.storePath()); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if n := a.plane.tables.Current().Links(); n > 0 {
		return fmt.Errorf("the store %s is missing, but the routing table knows %d links. Visitors are served from the table. "+
			"Restore the store's backup; or, to begin anew, stop Sluice and remove the folder %s", a.storePath(), n, a.folder.at("table"))
	}
	return nil
}

func (a *App) openPipeline(o *office) error {
	if err := os.MkdirAll(a.folder.at("analytics"), 0o700); err != nil {
		return a.folder.unwritable(err)
	}
	engine, err := duckdb.Open(duckdb.Options{
		Path: a.folder.at("analytics", "clicks.duckdb"), MemoryLimit: fmt.Sprintf("%dMiB", int64(a.config.Analytics.MemoryLimit)>>20),
		Threads: a.config.Analytics.Threads, Logger: a.options.Logger, Now: a.options.Now,
	})
	if err != nil {
		return err
	}
	o.analytics = engine
	if o.left, err = a.adoptLanes(); err != nil {
		return err
	}
	journals := map[string]*journal.Journal{}
	for _, l := range slices.Concat(a.plane.lanes, o.left) {
		journals[a.sourceName(l.number)] = l.journal
	}
	o.queue = inproc.Open(journals, a.options.Logger)
	o.collector = pipeline.New(pipeline.Options{
		Queue: o.queue, Analytics: o.analytics, SetAside: a.setAside,
		Enrich: &pipeline.Enricher{Places: a.plane.places, Agents: useragent.NewParser(useragent.Options{}),
			Addresses: pipeline.Addresses(a.config.Privacy.StoreIP)},
		Niceness: collectorNiceness, Now: a.options.Now, Logger: a.options.Logger,
	})
	return nil
}

// collectorNiceness lets visitors go before a backlog of clicks.
const collectorNiceness = 10

// setAside appends a record that nobody can read to a file of its own.
func (a *App) setAside(p queue.Poison) error {
	if err := os.MkdirAll(a.folder.at("set-aside"), 0o700); err != nil {
		return a.folder.unwritable(err)
	}
	line, err := json.Marshal(map[string]string{"source": p.Source, "after": p.Position, "reason": p.Reason,
		"record": base64.StdEncoding.EncodeToString(p.Record)})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(a.folder.at("set-aside", "records.jsonl"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return a.folder.unwritable(err)
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

// keepOpeningOffice tries until the office is open or the context ends. While the
// table has no links there is nobody to serve meanwhile: then the first failure
// is final.
func (a *App) keepOpeningOffice(ctx context.Context) error {
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		err := a.openOffice(ctx)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		if a.plane.tables.Current().Links() == 0 {
			return err
		}
		text := err.Error()
		a.office.trouble.Store(&text)
		a.options.Logger.Error("links cannot be managed and clicks not reported for now; visitors are served from the saved table and recorded",
			"reason", err, "next try in", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

func (o *office) close() error {
	var errs []error
	o.publisher.wait()
	if o.books != nil {
		o.books.Close()
	}
	if o.collector != nil {
		errs = append(errs, o.collector.Close())
	}
	if o.queue != nil {
		errs = append(errs, o.queue.Close())
	}
	errs = append(errs, o.left.close())
	if o.analytics != nil {
		errs = append(errs, o.analytics.Close())
	}
	if o.store != nil {
		errs = append(errs, o.store.Close())
	}
	return errors.Join(errs...)
}

// publicURL is where visitors reach a site's links.
func (a *App) publicURL(site affiliate.Site) string {
	base := strings.TrimSuffix(a.config.PublicURL, "/")
	if len(site.Hosts) == 0 {
		if base == "" {
			base = "http://" + a.plane.address(a.config.Listen)
		}
		return base
	}
	scheme := "https"
	if u, err := url.Parse(base); err == nil && u.Scheme != "" {
		if u.Hostname() == site.Hosts[0] {
			return base
		}
		scheme = u.Scheme
	}
	return scheme + "://" + site.Hosts[0]
}
