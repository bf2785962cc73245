// Package catalog is the control plane of links. It is the only way to change a
// site, a program, a partner or a link, and it promises of every change:
//
//   - it was allowed to the one who asked, and it obeys the rules of affiliate;
//   - it is recorded with who, when, before and after, under a number (Seq) that
//     grows by every change in the catalog and is never given twice;
//   - it is there whole or not at all, and survives the loss of power once the
//     call has returned;
//   - it is handed to the Publisher after it is stored, in the order of Seq.
//
// Reading what redirects serve is not done here: they hold a routing table that
// is built from Snapshot and kept fresh by the Publisher.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// Options of a catalog. Store must be set; it stays the caller's to close.
type Options struct {
	Store store.Store
	// Publisher is told of every stored change. May be nil.
	Publisher Publisher
	// Now is the clock; time.Now by default.
	Now func() time.Time
	// Logger gets what nobody is waiting to hear; discarded by default.
	Logger *slog.Logger
}

// Publisher is told of changes after they are stored, in the order of their
// sequence numbers and never two calls at a time. Publish must return quickly:
// the next change waits for it. It may keep the slice.
//
// Three kinds of notice arrive:
//
//   - create, update, delete: what was recorded. An update that changes nothing
//     is neither recorded nor published.
//   - recompile, of a link: the link itself is as it was, but its program has
//     changed in a way that its compiled form depends on. After is the link's
//     document, Before is empty, and Seq is that of the program's change, which
//     comes first in the same call. It is not in the change log.
//   - reload: more than ReloadAbove notices would have come from one commit
//     (an import, a large program). It comes alone, has only Seq and At, and means:
//     take a Snapshot. Everything up to Seq is in it.
type Publisher interface {
	Publish(changes []Change)
}

// ReloadAbove is the number of notices of one commit above which a single
// reload is published instead.
const ReloadAbove = 10_000

// Actor is who acts. The name is recorded with each change.
type Actor struct {
	Name string
	// Operator may do everything. Others may change links, but may not write raw
	// macros nor touch sites, programs and partners.
	Operator bool
}

// Change is one recorded change, or a notice made of it (see Publisher). Before
// and After are the documents; one is empty when the thing was created or deleted.
type Change = store.Change

// What was changed, and what Key is for each.
const (
	KindSite    = "site"    // the site's id
	KindProgram = "program" // the program's id
	KindPartner = "partner" // "program/code"
	KindLink    = "link"    // the link's id in decimal
)

// What was done. The last two are notices to the Publisher and never recorded.
const (
	ActionCreate    = "create"
	ActionUpdate    = "update"
	ActionDelete    = "delete"
	ActionRecompile = "recompile"
	ActionReload    = "reload"
)

// Catalog is the control plane. It is safe for concurrent use.
type Catalog struct {
	store     store.Store
	publisher Publisher
	now       func() time.Time
	logger    *slog.Logger
	// turn holds one token: the right to change. It is kept until the change is
	// published, so that notices are in order.
	turn chan struct{}
}

// firstSite is what an empty store begins with.
var firstSite = affiliate.Site{ID: "main"}

// self acts when nobody else does.
var self = Actor{Name: "sluice", Operator: true}

// Open readies the catalog. In an empty store it creates the site "main", which
// answers for every host under /go/, in the name of the actor "sluice".
func Open(ctx context.Context, options Options) (*Catalog, error) {
	if options.Store == nil {
		return nil, errors.New("catalog: Options.Store is missing")
	}
	c := &Catalog{store: options.Store, publisher: options.Publisher, now: options.Now, logger: options.Logger,
		turn: make(chan struct{}, 1)}
	c.turn <- struct{}{}
	if c.now == nil {
		c.now = time.Now
	}
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	sites, err := c.Sites(ctx)
	if err != nil {
		return nil, err
	}
	if len(sites) == 0 {
		if _, err := c.CreateSite(ctx, self, firstSite); err != nil {
			return nil, fmt.Errorf("creating the first site: %w", err)
		}
		c.logger.Info("the first site was created; it answers for every host", "site", firstSite.ID)
	}
	return c, nil
}
