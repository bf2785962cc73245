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
	"encoding/json"
	"errors"
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

// Change is one recorded change, or a notice made of it (see Publisher).
type Change struct {
	Seq    int64           `json:"seq"`
	At     time.Time       `json:"at"`
	Actor  string          `json:"actor"`
	Kind   Kind            `json:"kind"`
	Action Action          `json:"action"`
	Key    string          `json:"key"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// Kind is the kind of thing that was changed.
type Kind string

// The kinds, and what Key is for each.
const (
	KindSite    Kind = "site"    // the site's id
	KindProgram Kind = "program" // the program's id
	KindPartner Kind = "partner" // "program/code"
	KindLink    Kind = "link"    // the link's id in decimal
)

// Action is what was done.
type Action string

// The actions. The last two are notices to the Publisher and never recorded.
const (
	ActionCreate    Action = "create"
	ActionUpdate    Action = "update"
	ActionDelete    Action = "delete"
	ActionRecompile Action = "recompile"
	ActionReload    Action = "reload"
)

// Catalog is the control plane. It is safe for concurrent use.
type Catalog struct {
	store     store.Store
	publisher Publisher
	now       func() time.Time
	logger    *slog.Logger
}

// Open readies the catalog. In an empty store it creates the site "main", which
// answers for every host under /go/, in the name of the actor "sluice".
func Open(ctx context.Context, options Options) (*Catalog, error) {
	return nil, errUnbuilt
}

var errUnbuilt = errors.New("catalog: not built yet")

// Site returns a site, or NotFound.
func (c *Catalog) Site(ctx context.Context, id string) (affiliate.Site, error) {
	return affiliate.Site{}, errUnbuilt
}

// Sites returns all sites by id.
func (c *Catalog) Sites(ctx context.Context) ([]affiliate.Site, error) { return nil, errUnbuilt }

// Program returns a program, or NotFound.
func (c *Catalog) Program(ctx context.Context, id string) (affiliate.Program, error) {
	return affiliate.Program{}, errUnbuilt
}

// Programs returns all programs by id.
func (c *Catalog) Programs(ctx context.Context) ([]affiliate.Program, error) { return nil, errUnbuilt }

// Partner returns a partner of a program, or NotFound.
func (c *Catalog) Partner(ctx context.Context, program, code string) (affiliate.Partner, error) {
	return affiliate.Partner{}, errUnbuilt
}

// Partners returns the partners of a program by code; "" means of all programs,
// by program and code.
func (c *Catalog) Partners(ctx context.Context, program string) ([]affiliate.Partner, error) {
	return nil, errUnbuilt
}

// Link returns a link, or NotFound.
func (c *Catalog) Link(ctx context.Context, id int64) (affiliate.Link, error) {
	return affiliate.Link{}, errUnbuilt
}

// LinkBySlug returns the link that a site knows by a name in any spelling, or
// NotFound. An empty site means the only one.
func (c *Catalog) LinkBySlug(ctx context.Context, site, slug string) (affiliate.Link, error) {
	return affiliate.Link{}, errUnbuilt
}

// LinkFilter chooses links. Empty fields choose all.
type LinkFilter struct {
	Site    string
	Text    string // part of the slug, a destination, a tag or the note; letter case is ignored
	Tag     string
	Program string
	Partner string
	Status  affiliate.Status
	// Cursor is LinkPage.Next of the page before; "" for the first page.
	Cursor string
	// Limit is 1 to LinkLimitMax; 0 means LinkLimitDefault.
	Limit int
}

// Limits of one page of links.
const (
	LinkLimitDefault = 50
	LinkLimitMax     = 1000
)

// LinkPage is one page of links, newest first.
type LinkPage struct {
	Links []affiliate.Link
	// Next continues after the page's last link; "" when there are no more.
	Next string
	// Total is how many links match in all.
	Total int64
}

// FindLinks returns one page of the links that match. Paging neither repeats nor
// misses a link that matches all along, while others come and go.
func (c *Catalog) FindLinks(ctx context.Context, filter LinkFilter) (LinkPage, error) {
	return LinkPage{}, errUnbuilt
}

// Changes returns recorded changes with a Seq above after, oldest first, at most
// limit (1 to 1000).
func (c *Catalog) Changes(ctx context.Context, after int64, limit int) ([]Change, error) {
	return nil, errUnbuilt
}

// History returns the recorded changes of one thing, newest first, with a Seq
// below before (0 for the newest), at most limit (1 to 1000).
func (c *Catalog) History(ctx context.Context, kind Kind, key string, before int64, limit int) ([]Change, error) {
	return nil, errUnbuilt
}

// LastSeq returns the number of the newest change; 0 when there is none.
func (c *Catalog) LastSeq(ctx context.Context) (int64, error) { return 0, errUnbuilt }

// Visitor receives the parts of a snapshot; nil functions skip their part. The
// order is sites, programs, partners, links; links come by id.
type Visitor struct {
	Site    func(affiliate.Site) error
	Program func(affiliate.Program) error
	Partner func(affiliate.Partner) error
	Link    func(affiliate.Link) error
}

// Snapshot hands out everything as it stood right after the change seq, streaming
// the links. Later notices of the Publisher continue where it ends. An error of
// the visitor ends it.
func (c *Catalog) Snapshot(ctx context.Context, visit Visitor) (seq int64, err error) {
	return 0, errUnbuilt
}
