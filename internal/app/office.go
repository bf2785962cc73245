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
	"strings"
	"sync"
	"time"

	"github.com/sluicehq/sluice/internal/account"
	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/api"
	"github.com/sluicehq/sluice/internal/catalog"
	"github.com/sluicehq/sluice/internal/clickcap"
	"github.com/sluicehq/sluice/internal/queue"
	"github.com/sluicehq/sluice/internal/settlement"
	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/webhook"
)

// office is the back office: control plane, pipeline and reports.
type office struct {
	store     store.Store
	publisher *publisher
	catalog   *catalog.Catalog
	accounts  *account.Accounts
	books     *settlement.Office
	caps      *clickcap.Keeper
	courier   *webhook.Courier
	seals     *webhook.Seals
	reports   *reports
	handler   http.Handler
}

// openOffice opens everything, or nothing.
func (a *App) openOffice(ctx context.Context) (_ *office, err error) {
	o := &office{publisher: &publisher{tables: a.plane.tables, logger: a.options.Logger, shared: a.config.IsShared(),
		poke: make(chan struct{}, 1), done: a.linksChanged}}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.close())
		}
	}()
	// What is imported stands here for a while, wherever the store is.
	if err := os.MkdirAll(a.folder.at("store"), 0o700); err != nil {
		return nil, a.folder.unwritable(err)
	}
	if err := a.openControl(ctx, o); err != nil {
		return nil, err
	}
	if o.reports, err = a.openReports(ctx); err != nil {
		return nil, err
	}
	a.openBooks(o)
	o.caps = clickcap.New(clickcap.Options{Links: o.catalog, Reports: o.reports.analytics, Lag: a.clicksLate, Now: a.options.Now, Logger: a.options.Logger})
	if err := a.openSeals(ctx, o); err != nil {
		return nil, err
	}
	a.openCourier(o)
	o.handler = api.New(api.Options{
		Catalog: o.catalog, Accounts: o.accounts, Analytics: o.reports.analytics, Office: o.books, Webhooks: a.webhookDesk(o), Mailbox: a.mailbox, Ingest: a.intake, Cluster: clusterDesk{a},
		Status: a.status, PublicURL: a.publicURL, Followed: o.publisher.followed, TempDir: a.folder.at("store"),
		ImportBytesMax: int64(a.config.Limits.ImportBytes),
		Now:            a.options.Now, Logger: a.options.Logger, Version: a.options.Version,
	})
	return o, nil
}

// runOffice does what goes on by itself. What one process does for all that share the store is
// done by whoever holds the lease.
func (a *App) runOffice(o *office) {
	a.reports.begin(o.reports)
	a.running.Go(func() { o.reports.run(a.background) })
	chores := func(ctx context.Context) {
		var all sync.WaitGroup
		all.Go(func() { o.runBooks(ctx, a) })
		all.Go(func() { o.caps.Run(ctx) })
		all.Go(func() { _ = o.courier.Run(ctx) }) // nil: it ends with the context
		all.Wait()
	}
	if !a.config.IsShared() {
		a.running.Go(func() { chores(a.background) })
		return
	}
	a.running.Go(func() { o.publisher.tail(a.background, o.store) })
	a.running.Go(func() { newLeaseholder(o.store, a.options.Now, a.options.Logger).run(a.background, chores) })
}

func (a *App) openControl(ctx context.Context, o *office) (err error) {
	if o.store, err = a.openStore(ctx); err != nil {
		return err
	}
	if err := a.shareKeys(ctx, o.store); err != nil {
		return err
	}
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

// open opens the office, or in the role of config.Pipeline the reports, and begins what runs by
// itself. It tries until the context ends. While the table has no links and everything is on this
// machine, there is nobody to serve and nothing to wait for meanwhile: then the first failure is
// final.
func (a *App) open(ctx context.Context) error {
	t := trial{most: 30 * time.Second, logger: a.options.Logger,
		without: "links cannot be managed and clicks not reported for now; visitors are served from the saved table and recorded",
		final: func() bool {
			return a.plane.tables.Current().Links() == 0 && !a.config.HasBroker() && !a.config.IsShared()
		}}
	if a.hasOffice() {
		o, err := a.office.keepOpening(ctx, t, a.openOffice)
		if o != nil {
			a.runOffice(o)
		}
		return err
	}
	t.without = "clicks are not brought into the reports for now; the broker keeps them"
	r, err := a.reports.keepOpening(ctx, t, a.openReports)
	if r != nil {
		a.running.Go(func() { r.run(a.background) })
	}
	return err
}

func (o *office) close() error {
	var errs []error
	o.publisher.wait()
	if o.books != nil {
		o.books.Close()
	}
	if o.reports != nil {
		errs = append(errs, o.reports.close())
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
