package app

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/config"
	"github.com/sluicehq/sluice/internal/ingest"
	"github.com/sluicehq/sluice/internal/postback"
	"github.com/sluicehq/sluice/internal/settlement"
)

// postbackPaths belong to no link, whatever prefix a site has.
var postbackPaths = []string{"/postback/", "/pixel/", "/sluice.js"}

// ownPaths are these and where clicks from elsewhere are sent.
var ownPaths = append([]string{ingest.Path}, postbackPaths...)

// postbackTimeout is how long a sender may take with its body.
const postbackTimeout = 10 * time.Second

// others answers visits through net/http, and what merchants and edge workers send beside them.
func (a *App) others(cfg *config.Config) http.Handler {
	visits := a.plane.others(cfg)
	if !a.hasOffice() {
		return visits
	}
	postbacks := http.MaxBytesHandler(postback.New(a.mailbox, postback.Options{Now: a.options.Now, Logger: a.options.Logger}), postback.BodyBytesMax+1)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == ingest.Path {
			a.serveIntake(w, r)
			return
		}
		for _, p := range postbackPaths {
			if strings.HasPrefix(r.URL.Path, p) {
				_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(postbackTimeout)) // not every connection has one
				postbacks.ServeHTTP(w, r)
				return
			}
		}
		visits.ServeHTTP(w, r)
	})
}

// otherPaths are handed to net/http by the event loops.
func (a *App) otherPaths() []string {
	if !a.hasOffice() {
		return nil
	}
	return ownPaths
}

// mailbox is where the reports of merchants and networks come in. Its tokens and
// secrets are derived from a key beside the database, so that nobody who reads the
// database can sign.
type mailbox struct {
	app    *App
	nonces nonces
}

func (a *App) openMailbox() error {
	if _, err := a.keys.ring(postbackKeys); err != nil {
		return err
	}
	a.mailbox = &mailbox{app: a, nonces: nonces{now: a.options.Now}}
	return nil
}

// The kinds of tokens: one stays between servers, the other stands in pages.
const (
	serverToken = "s"
	pageToken   = "p"
)

// Tokens are what a program's merchant is given.
func (m *mailbox) Tokens(p *affiliate.Program) (server, page string, secret []byte) {
	sum := m.derive("secret", p.ID, p.Settlement.TokenVersion)
	// Merchants' programs take a key as text; its hex has all of its strength.
	return m.token(serverToken, p), m.token(pageToken, p), []byte(hex.EncodeToString(sum[:]))
}

func (m *mailbox) token(kind string, p *affiliate.Program) string {
	mac := m.derive("token "+kind, p.ID, p.Settlement.TokenVersion)
	return p.ID + "." + kind + strings.ToLower(base32.HexEncoding.EncodeToString(mac[:15]))
}

func (m *mailbox) derive(purpose, program string, version int) [sha256.Size]byte {
	h := hmac.New(sha256.New, m.app.keys.secret(postbackKeys))
	_, _ = fmt.Fprintf(h, "sluice postback %s\n%s\n%d", purpose, program, version)
	return [sha256.Size]byte(h.Sum(nil))
}

// Program is postback.Taker's.
func (m *mailbox) Program(ctx context.Context, token string) (inbox postback.Inbox, err error) {
	unknown := affiliate.Errorf(affiliate.NotFound, "no program has this token")
	at := strings.LastIndexByte(token, '.')
	if at < 1 {
		return inbox, unknown
	}
	o := m.app.office.get()
	if o == nil {
		return inbox, affiliate.Errorf(affiliate.Unavailable, "the books are not open yet")
	}
	p, err := o.books.Program(ctx, token[:at])
	if err != nil {
		return inbox, err
	}
	server, page, secret := m.Tokens(p)
	inbox = postback.Inbox{Program: p.ID, Currency: p.Settlement.Currency, Secret: secret, StaticToken: p.Settlement.StaticToken}
	if subtle.ConstantTimeCompare([]byte(token), []byte(server)) == 1 {
		return inbox, nil
	}
	if subtle.ConstantTimeCompare([]byte(token), []byte(page)) != 1 {
		return postback.Inbox{}, unknown
	}
	inbox.Sources, inbox.StaticToken = []affiliate.Source{affiliate.ByPixel, affiliate.ByScript}, true
	return inbox, nil
}

// Take is postback.Taker's.
func (m *mailbox) Take(ctx context.Context, r affiliate.Report) (postback.Receipt, error) {
	o := m.app.office.get()
	if o == nil {
		return postback.Receipt{}, affiliate.Errorf(affiliate.Unavailable, "the books are not open yet; try again in a moment")
	}
	receipt, err := o.books.Take(ctx, r)
	return postback.Receipt{ID: receipt.Report, Duplicate: receipt.Duplicate, State: receipt.State, Conversion: receipt.Conversion}, err
}

// Refuse is postback.Taker's.
func (m *mailbox) Refuse(ctx context.Context, r postback.Rejection) {
	if o := m.app.office.get(); o != nil {
		o.books.Refuse(ctx, settlement.Rejection{At: r.At, Program: r.Program, Source: r.Source, Reason: string(r.Reason), Message: r.Message, Raw: r.Raw})
	}
}

// Nonce is postback.Taker's.
func (m *mailbox) Nonce(_ context.Context, program, nonce string, _ time.Time) (bool, error) {
	return m.nonces.claim(program + "\n" + nonce)
}

// nonces remembers what was used, for one to two windows. They are lost with the
// process: a replay of before a restart is a report that is known already.
type nonces struct {
	now      func() time.Time
	mu       sync.Mutex
	since    time.Time
	new, old map[string]struct{}
}

// noncesMax bounds what strangers with a valid signature can make us remember.
const noncesMax = 500_000

func (n *nonces) claim(nonce string) (fresh bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now := n.now(); now.Sub(n.since) > postback.NonceWindow || n.new == nil {
		n.old, n.new, n.since = n.new, map[string]struct{}{}, now
	}
	if _, used := n.new[nonce]; used {
		return false, nil
	}
	if _, used := n.old[nonce]; used {
		return false, nil
	}
	if len(n.new) >= noncesMax {
		return false, affiliate.Errorf(affiliate.Unavailable, "too many postbacks at a time; try again in some minutes")
	}
	n.new[nonce] = struct{}{}
	return true, nil
}

// dueEvery is how often the books look at the clock.
const dueEvery = 2 * time.Second

// openBooks begins to keep the books.
func (a *App) openBooks(o *office) {
	o.books = settlement.Open(settlement.Options{Store: o.store, Clicks: o.reports.analytics, Now: a.options.Now, Random: rand.Uint64, Outgoing: outgoing{}, Logger: a.options.Logger})
}

// runBooks does what falls due until the context ends.
func (o *office) runBooks(ctx context.Context, a *App) {
	tick := time.NewTicker(dueEvery)
	defer tick.Stop()
	for {
		if _, err := o.books.RunDue(ctx); err != nil && ctx.Err() == nil {
			a.options.Logger.Error("commissions that are due cannot be settled; they are tried again", "reason", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
