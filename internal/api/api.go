// Package api is the control plane's REST face: everything that the dashboard, the
// command line and other programs may ask of Sluice, under /api/v1, described by
// the OpenAPI 3.1 document at /api/openapi.json.
//
// It promises that every answer that is not a success is a Problem (RFC 9457),
// whatever went wrong; that no request is served whose credential does not allow
// it; and that memory does not grow with the size of what is uploaded or
// downloaded. It holds no rule of the business: the catalog, the accounts and the
// analytics engine behind it do, and their errors pass through unchanged.
//
// Timeouts of connections, and who may connect at all, are the server's that the
// handler is mounted on.
package api

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/sluicehq/sluice/internal/account"
	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/catalog"
)

// Options of a handler. Catalog, Accounts and Analytics must be set.
type Options struct {
	Catalog   Catalog
	Accounts  Accounts
	Analytics Analytics
	// Office keeps the books. Nil: the operations of settlement answer 503.
	Office Office
	// Webhooks say who is told of events. Nil: their operations answer 503.
	Webhooks Webhooks
	// Mailbox gives the addresses of reports. Nil: none are told.
	Mailbox Mailbox
	// Ingest takes in clicks that were made elsewhere. Nil: its operations answer 503.
	Ingest Ingest
	// Cluster speaks for all nodes. Nil: its operations answer 503.
	Cluster Cluster
	// Status describes the running server. Nil: only version and uptime are told.
	Status func(ctx context.Context) Status
	// PublicURL returns where a site's redirects are reached, without a slash at
	// the end, such as "https://blog.example". Nil, or "": the site's first host
	// over https, and no short URL for a site without hosts.
	PublicURL func(site affiliate.Site) string
	// Followed waits until redirects follow every change of the catalog so far,
	// which takes a moment after a large import. Nil: not waited for.
	Followed func(ctx context.Context) error
	// TempDir takes uploads and downloads of links while they are under way; the
	// system's by default.
	TempDir string
	// ImportBytesMax bounds one upload of links; ImportBytesDefault by default.
	ImportBytesMax int64
	// Now is the clock; time.Now by default.
	Now func() time.Time
	// Logger gets failures that are the server's own, and every request at debug
	// level; discarded by default.
	Logger *slog.Logger
	// Version of the program, for the document and the status.
	Version string
}

// ImportBytesDefault is the size limit of one upload of links: 2 GiB.
const ImportBytesDefault = 2 << 30

// Catalog is what the API needs of the control plane; catalog.Catalog says what
// each method promises.
type Catalog interface {
	Site(ctx context.Context, id string) (affiliate.Site, error)
	Sites(ctx context.Context) ([]affiliate.Site, error)
	CreateSite(ctx context.Context, actor catalog.Actor, site affiliate.Site) (affiliate.Site, error)
	UpdateSite(ctx context.Context, actor catalog.Actor, site affiliate.Site, ifVersion int64) (affiliate.Site, error)
	DeleteSite(ctx context.Context, actor catalog.Actor, id string, ifVersion int64) error

	Program(ctx context.Context, id string) (affiliate.Program, error)
	Programs(ctx context.Context) ([]affiliate.Program, error)
	CreateProgram(ctx context.Context, actor catalog.Actor, program affiliate.Program) (affiliate.Program, error)
	UpdateProgram(ctx context.Context, actor catalog.Actor, program affiliate.Program, ifVersion int64) (affiliate.Program, error)
	DeleteProgram(ctx context.Context, actor catalog.Actor, id string, ifVersion int64) error

	Partner(ctx context.Context, program, code string) (affiliate.Partner, error)
	Partners(ctx context.Context, program string) ([]affiliate.Partner, error)
	CreatePartner(ctx context.Context, actor catalog.Actor, partner affiliate.Partner) (affiliate.Partner, error)
	UpdatePartner(ctx context.Context, actor catalog.Actor, partner affiliate.Partner, ifVersion int64) (affiliate.Partner, error)
	DeletePartner(ctx context.Context, actor catalog.Actor, program, code string, ifVersion int64) error

	Link(ctx context.Context, id int64) (affiliate.Link, error)
	LinkBySlug(ctx context.Context, site, slug string) (affiliate.Link, error)
	FindLinks(ctx context.Context, filter catalog.LinkFilter) (catalog.LinkPage, error)
	UpdateLink(ctx context.Context, actor catalog.Actor, link affiliate.Link, ifVersion int64) (affiliate.Link, catalog.Warnings, error)
	DeleteLink(ctx context.Context, actor catalog.Actor, id int64, ifVersion int64) error
	ImportLinks(ctx context.Context, actor catalog.Actor, source catalog.LinkSource, options catalog.ImportOptions) (catalog.ImportReport, error)
	Snapshot(ctx context.Context, visit catalog.Visitor) (seq int64, err error)

	Changes(ctx context.Context, after int64, limit int) ([]catalog.Change, error)
	History(ctx context.Context, kind, key string, before int64, limit int) ([]catalog.Change, error)

	Edit(ctx context.Context, actor catalog.Actor, edit func(*catalog.Edit) error) error
	Once(ctx context.Context, actor catalog.Actor, request catalog.Request, edit func(*catalog.Edit) (any, error)) (response json.RawMessage, again bool, err error)
}

// Accounts is what the API needs of the register of users; account.Accounts says
// what each method promises.
type Accounts interface {
	Users(ctx context.Context) ([]account.User, error)
	CreateUser(ctx context.Context, name, password string, operator bool) (account.User, error)
	DeleteUser(ctx context.Context, name string) error
	SetPassword(ctx context.Context, name, password string) error
	IssueCode(ctx context.Context, name string) (code string, err error)

	LoginWithPassword(ctx context.Context, name, password string) (account.Session, error)
	LoginWithCode(ctx context.Context, code string) (account.Session, error)
	Session(ctx context.Context, secret string) (account.Identity, error)
	Logout(ctx context.Context, secret string) error

	Tokens(ctx context.Context, user string) ([]account.Token, error)
	CreateToken(ctx context.Context, user, name string, scopes []account.Scope, expires *time.Time) (secret string, token account.Token, err error)
	DeleteToken(ctx context.Context, id string) error
	Authenticate(ctx context.Context, secret string) (account.Identity, error)
}

// Analytics is what the API needs of the engine that answers reports.
type Analytics interface {
	Report(ctx context.Context, q analytics.Query) (*analytics.Report, error)
	Export(ctx context.Context, f analytics.Filter, format analytics.ExportFormat, w io.Writer) error
}

// server is what the operations share.
type server struct {
	Options
	api     huma.API
	logger  *slog.Logger
	logins  *loginLimiter
	hashing chan struct{} // holds one per password being checked
	files   chan struct{} // holds one per temporary file
	started time.Time
}

// hashingMax is how many passwords are checked at the same time: each takes a
// core and some memory for a while.
const hashingMax = 2

// New returns the handler of everything under /api/.
func New(options Options) http.Handler {
	s := newServer(options)
	mux := http.NewServeMux()
	s.api = humago.New(mux, s.config())
	s.register()
	s.describeSchemas()
	mux.HandleFunc("GET "+DocumentPath, s.document())
	return s.guard(mux)
}

func newServer(options Options) *server {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.ImportBytesMax == 0 {
		options.ImportBytesMax = ImportBytesDefault
	}
	if options.Version == "" {
		options.Version = "dev"
	}
	return &server{
		Options: options,
		logger:  options.Logger,
		logins:  newLoginLimiter(options.Now),
		hashing: make(chan struct{}, hashingMax),
		files:   make(chan struct{}, filesMax),
		started: options.Now(),
	}
}

// register adds every operation. Their order is that of the document's tags.
func (s *server) register() {
	s.registerSessions()
	s.registerUsers()
	s.registerTokens()
	s.registerLinks()
	s.registerLinkCap()
	s.registerLinkFiles()
	s.registerSites()
	s.registerPrograms()
	s.registerPartners()
	s.registerChanges()
	s.registerIngest()
	s.registerReports()
	s.registerEarnings()
	s.registerDiscrepancies()
	s.registerConversions()
	s.registerPostbackAddress()
	s.registerPayouts()
	s.registerRates()
	s.registerWebhooks()
	s.registerCluster()
	s.registerStatus()
}
