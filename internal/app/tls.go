package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/sluicehq/sluice/internal/certificate"
	"github.com/sluicehq/sluice/internal/config"
	"github.com/sluicehq/sluice/internal/redirect"
)

// secureDoor is the listener for HTTPS. It runs net/http, HTTP/2 included, with the
// same decisions and the same journal as the event loops.
type secureDoor struct {
	keeper   *certificate.Keeper
	listener *countedListener
	server   *http.Server
}

// openSecureDoor opens the listener for HTTPS, if there is to be one.
func (a *App) openSecureDoor(l *listeners) error {
	if a.config.TLS.Listen == "" {
		return nil
	}
	inner, err := a.listenSecure(a.config.TLS.Listen)
	if err != nil {
		return err
	}
	keeper, err := a.openCertificates(inner.Addr())
	if err != nil {
		return errors.Join(err, inner.Close())
	}
	d := &secureDoor{keeper: keeper, listener: &countedListener{Listener: a.announced(inner), max: int64(a.config.TLS.Connections)}}
	d.server = a.secureServer(keeper)
	a.ops.secure.Store(d)
	l.open(door{name: "tls", configured: a.config.TLS.Listen, address: inner.Addr(), serve: d.serve, shutdown: d.shutdown, sockets: socketOf(inner)})
	return nil
}

func (a *App) listenSecure(address string) (net.Listener, error) {
	if files := a.predecessor.take("tls", address); len(files) > 0 {
		defer closeFiles(files)
		return net.FileListener(files[0])
	}
	l, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("tls.listen: the address %s is in use by another program; stop it, or choose another address", address)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("tls.listen: cannot listen on %s: %w; ports below 1024 need a privilege (CAP_NET_BIND_SERVICE)", address, err)
	case err != nil:
		return nil, fmt.Errorf("tls.listen: cannot listen on %s: %w", address, err)
	}
	return l, nil
}

func (a *App) openCertificates(listen net.Addr) (*certificate.Keeper, error) {
	t := &a.config.TLS
	o := certificate.Options{Now: a.options.Now, Logger: a.options.Logger}
	for _, pair := range t.Certificates {
		o.Files = append(o.Files, certificate.Pair(pair))
	}
	for _, domain := range t.ACME.Domains {
		o.ACME.Domains = append(o.ACME.Domains, strings.ToLower(domain))
	}
	o.ACME.Email, o.ACME.Directory, o.ACME.Listen = t.ACME.Email, t.ACME.Directory, listen
	o.ACME.Dir = a.folder.at("certificates")
	var rootsErr error
	if t.ACME.CAFile != "" {
		o.ACME.Roots, rootsErr = readRoots(t.ACME.CAFile)
	}
	k, err := certificate.Open(o)
	if err := errors.Join(rootsErr, err); err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	return k, nil
}

// announced reads the PROXY protocol header with which trusted proxies begin a
// connection, if they are to. Nobody else's is looked for: it is no TLS.
func (a *App) announced(l net.Listener) net.Listener {
	if !a.config.ProxyProtocol {
		return l
	}
	trusted := redirect.Proxies(a.config.TrustedProxies)
	return &proxyproto.Listener{Listener: l, ReadHeaderTimeout: secureHeadTimeout,
		ConnPolicy: func(o proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
			if from, ok := o.Upstream.(*net.TCPAddr); ok && trusted.Trusts(from.AddrPort().Addr().WithZone("")) {
				return proxyproto.REQUIRE, nil
			}
			return proxyproto.SKIP, nil
		},
	}
}

func readRoots(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("acme.ca_file cannot be read: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("acme.ca_file: there is no certificate in %s; it must be PEM", file)
	}
	return roots, nil
}

// Limits of one visitor over TLS. Those that the event loops have too are the same.
const (
	secureHeadTimeout  = 10 * time.Second // handshake, and then the head of a request
	secureReadTimeout  = 15 * time.Second // the whole of a request: nobody has reason to send more than a head
	secureWriteTimeout = 10 * time.Second
	secureIdleTimeout  = 2 * time.Minute
	secureStreams      = 64 // requests at the same time on one HTTP/2 connection
)

func (a *App) secureServer(k *certificate.Keeper) *http.Server {
	h := a.others(&a.config)
	if a.config.TLS.HSTS > 0 {
		h = strictly(h, a.config.TLS.HSTS)
	}
	return &http.Server{
		Handler: h, TLSConfig: k.TLS(), MaxHeaderBytes: int(a.config.Limits.HeaderBytes),
		ReadHeaderTimeout: secureHeadTimeout, ReadTimeout: secureReadTimeout, WriteTimeout: secureWriteTimeout, IdleTimeout: secureIdleTimeout,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: secureStreams, MaxDecoderHeaderTableSize: 4 << 10, MaxEncoderHeaderTableSize: 4 << 10,
			MaxReadFrameSize: 16 << 10, MaxReceiveBufferPerConnection: 64 << 10, MaxReceiveBufferPerStream: 16 << 10,
			SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second, WriteByteTimeout: secureWriteTimeout,
		},
		ErrorLog: seldom(a.options.Logger, a.options.Now, "visitors over TLS"),
	}
}

// strictly tells browsers to come over HTTPS only from now on.
func strictly(h http.Handler, age config.Duration) http.Handler {
	value := []string{"max-age=" + strconv.FormatInt(int64(age.Std()/time.Second), 10)}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Strict-Transport-Security"] = value
		h.ServeHTTP(w, r)
	})
}

func (d *secureDoor) serve() error {
	d.keeper.Start()
	if err := d.server.ServeTLS(d.listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (d *secureDoor) shutdown(ctx context.Context) error {
	err := d.server.Shutdown(ctx)
	if err != nil {
		err = fmt.Errorf("requests under way were cut off: %w", errors.Join(err, d.server.Close()))
	}
	d.keeper.Close()
	return errors.Join(err, ignoreClosed(d.listener.Close()))
}

// certificates tells how it stands with those that visitors are shown.
func (a *App) certificates() []certificate.State {
	if d := a.ops.secure.Load(); d != nil {
		return d.keeper.States()
	}
	return nil
}
