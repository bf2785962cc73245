// Package certificate keeps the certificates that visitors are shown over TLS: from
// files, read again when they change, or obtained and renewed over ACME.
//
// A new pair of files that cannot be used never replaces one that can. Choosing a
// certificate reads memory only. What is wrong is told by States, and to the log
// when it begins, not with every visitor.
package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options of a Keeper. Files or ACME.Domains must name something.
type Options struct {
	// Files are tried in order; the first is shown to who asks for a name that no
	// certificate has.
	Files []Pair
	ACME  ACME
	// LookEvery is how often the files are looked at; 5 s when zero.
	LookEvery time.Duration
	Now       func() time.Time
	Logger    *slog.Logger
}

// Pair is a certificate with what leads to its root, and its key, both in PEM.
type Pair struct{ Cert, Key string }

// ACME says whom to ask for certificates, and for which names.
type ACME struct {
	Domains   []string
	Email     string // told when something is wrong with a certificate; may be empty
	Directory string // of the authority
	// Roots vouch for the authority's own address; nil: the system's.
	Roots *x509.CertPool
	// Dir keeps account and certificates, for this user's eyes only.
	Dir string
	// Listen is where the Keeper's TLS configuration is served. The authority comes
	// there, by way of port 443, to see that the name is ours (TLS-ALPN-01).
	Listen net.Addr
}

// Keeper holds the certificates. It is safe for concurrent use.
type Keeper struct {
	options Options
	files   *files
	acme    *authority // nil without domains
	stop    context.CancelFunc
	done    sync.WaitGroup
}

// Open reads the files. The error says everything that is wrong with them.
func Open(o Options) (*Keeper, error) {
	if o.LookEvery == 0 {
		o.LookEvery = 5 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	k := &Keeper{options: o}
	var err error
	if k.files, err = openFiles(&k.options); err != nil {
		return nil, err
	}
	if len(o.ACME.Domains) > 0 {
		k.acme = newAuthority(&k.options)
	}
	return k, nil
}

// Start begins to look after the certificates, in the background. The listener must
// be open by then. Close ends it.
func (k *Keeper) Start() {
	ctx, stop := context.WithCancel(context.Background())
	k.stop = stop
	k.done.Go(func() { k.files.watch(ctx) })
	if k.acme != nil {
		k.done.Go(func() { k.acme.obtain(ctx) })
	}
}

// Close ends what Start began.
func (k *Keeper) Close() {
	if k.stop != nil {
		k.stop()
	}
	k.done.Wait()
	if k.acme != nil {
		k.acme.close()
	}
}

// challengeProtocol is what an authority asks for that wants to see whether a name
// is ours (RFC 8737).
const challengeProtocol = "acme-tls/1"

// TLS is the configuration to serve with: TLS 1.2 and later, HTTP/2 and HTTP/1.1.
func (k *Keeper) TLS() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: k.choose}
	if k.acme != nil {
		c.NextProtos = append(c.NextProtos, challengeProtocol)
	}
	return c
}

// errNoName is the answer to who asks for a name that is not served here.
var errNoName = errors.New("no certificate has the name that the visitor asked for")

// choose finds the certificate for a visitor: one from a file that has the name and
// that the visitor's software can check, else ACME's, else the first file's.
func (k *Keeper) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.TrimSuffix(strings.ToLower(hello.ServerName), ".")
	ours := k.acme != nil && slices.Contains(k.options.ACME.Domains, name)
	if slices.Contains(hello.SupportedProtos, challengeProtocol) {
		if !ours {
			return nil, errNoName
		}
		return k.acme.choose(hello)
	}
	all := k.files.current()
	for _, c := range all {
		if hello.SupportsCertificate(c) == nil {
			return c, nil
		}
	}
	switch {
	case ours, name == "" && k.acme != nil && len(all) == 0:
		return k.acme.choose(hello)
	case len(all) > 0:
		return all[0], nil
	}
	return nil, errNoName
}

// State is how it stands with one certificate.
type State struct {
	// Name is the first of its names, or the domain that has none yet.
	Name    string
	Issued  time.Time
	Expires time.Time // zero while there is none
	// Trouble is why it could not be read or obtained the last time; the one before
	// is in use as long as it is good.
	Trouble string
}

// renewalMargin is how long before its end a certificate should have been replaced at
// the latest, if it does not live so short that a fifth of its life is less. ACME's
// are renewed when a third is left.
const renewalMargin = 14 * 24 * time.Hour

// Due says that the certificate should have been replaced by now and was not.
func (s State) Due(now time.Time) bool {
	margin := min(renewalMargin, s.Expires.Sub(s.Issued)/5)
	return !s.Expires.IsZero() && now.After(s.Expires.Add(-margin))
}

// States lists the certificates, files first.
func (k *Keeper) States() []State {
	states := k.files.states()
	if k.acme != nil {
		states = append(states, k.acme.states()...)
	}
	return states
}
