package certificate

import (
	"context"
	"crypto/tls"
	"net"
	"strconv"
	"sync"

	"github.com/caddyserver/certmagic"
)

// authority obtains certificates over ACME, keeps them in its folder and renews
// them in time.
type authority struct {
	options *Options
	cache   *certmagic.Cache
	config  *certmagic.Config

	mu      sync.Mutex
	trouble map[string]string // by domain, from the last attempt
}

func newAuthority(o *Options) *authority {
	a := &authority{options: o, trouble: map[string]string{}}
	logger := newLogger(o.Logger)
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return a.config, nil },
		Logger:           logger,
	})
	a.config = certmagic.New(a.cache, certmagic.Config{
		Storage: &certmagic.FileStorage{Path: o.ACME.Dir}, DefaultServerName: o.ACME.Domains[0], OnEvent: a.event, Logger: logger,
	})
	issuer := certmagic.ACMEIssuer{
		CA: o.ACME.Directory, Email: o.ACME.Email, Agreed: true, TrustedRoots: o.ACME.Roots,
		DisableHTTPChallenge: true, Logger: logger,
	}
	// The library opens a door of its own for the challenge unless it finds ours.
	if host, port, err := net.SplitHostPort(o.ACME.Listen.String()); err == nil {
		issuer.ListenHost = host
		issuer.AltTLSALPNPort, _ = strconv.Atoi(port)
	}
	a.config.Issuers = []certmagic.Issuer{certmagic.NewACMEIssuer(a.config, issuer)}
	return a
}

// obtain loads what is in the folder and gets the rest, trying again for as long as
// it takes; the library bounds how often it asks.
func (a *authority) obtain(ctx context.Context) {
	if err := a.config.ManageAsync(ctx, a.options.ACME.Domains); err != nil && ctx.Err() == nil {
		a.options.Logger.Error("certificates cannot be obtained", "reason", err)
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, domain := range a.options.ACME.Domains {
			a.trouble[domain] = err.Error()
		}
	}
}

// event remembers how the last attempt ended.
func (a *authority) event(_ context.Context, name string, data map[string]any) error {
	domain, _ := data["identifier"].(string)
	a.mu.Lock()
	defer a.mu.Unlock()
	switch name {
	case "cert_failed":
		a.trouble[domain] = "it could not be obtained"
		if err, ok := data["error"].(error); ok {
			a.trouble[domain] = err.Error()
		}
	case "cert_obtained":
		delete(a.trouble, domain)
	}
	return nil
}

func (a *authority) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return a.config.GetCertificate(hello)
}

func (a *authority) states() []State {
	a.mu.Lock()
	defer a.mu.Unlock()
	var states []State
	for _, domain := range a.options.ACME.Domains {
		s := State{Name: domain, Trouble: a.trouble[domain]}
		for _, c := range a.cache.AllMatchingCertificates(domain) {
			if c.Leaf != nil && c.Leaf.NotAfter.After(s.Expires) {
				s.Issued, s.Expires = c.Leaf.NotBefore, c.Leaf.NotAfter
			}
		}
		states = append(states, s)
	}
	return states
}

// close ends renewals. An exchange with the authority that is under way is cut off
// by its context and taken up again at the next start.
func (a *authority) close() { a.cache.Stop() }
