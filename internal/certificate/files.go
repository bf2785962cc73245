package certificate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// fileBytesMax is the length limit of a certificate or key file.
const fileBytesMax = 1 << 20

// files are the pairs that an operator provides.
type files struct {
	options *Options
	shown   atomic.Pointer[[]*tls.Certificate]

	mu    sync.Mutex
	pairs []*watched
}

// watched is one pair, and what was seen of it.
type watched struct {
	Pair
	cert    *tls.Certificate
	seen    string // size, time and identity of both files, as they were read last
	trouble string
	told    bool // trouble is in the log
}

func openFiles(o *Options) (*files, error) {
	f := &files{options: o}
	var faults []error
	for _, pair := range o.Files {
		w := &watched{Pair: pair, seen: pair.look()}
		var err error
		if w.cert, err = pair.read(); err != nil {
			faults = append(faults, err)
			continue
		}
		f.pairs = append(f.pairs, w)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	f.publish()
	return f, nil
}

func (f *files) current() []*tls.Certificate { return *f.shown.Load() }

func (f *files) publish() {
	shown := make([]*tls.Certificate, len(f.pairs))
	for i, w := range f.pairs {
		shown[i] = w.cert
	}
	f.shown.Store(&shown)
}

// watch reads pairs again that have changed, until the context ends. Files are
// looked at rather than subscribed to: a mount that is switched over as a whole, as
// Kubernetes does, or a network file system sends no reliable word.
func (f *files) watch(ctx context.Context) {
	tick := time.NewTicker(f.options.LookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			f.look()
		case <-ctx.Done():
			return
		}
	}
}

func (f *files) look() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.pairs {
		seen := w.look()
		if seen == w.seen && w.trouble == "" {
			continue
		}
		again := seen == w.seen
		w.seen = seen
		cert, err := w.read()
		if err != nil {
			f.keep(w, err, again)
			continue
		}
		w.cert, w.trouble, w.told = cert, "", false
		f.publish()
		f.options.Logger.Info("a changed certificate is in use", "file", w.Cert, "names", strings.Join(cert.Leaf.DNSNames, " "), "expires", cert.Leaf.NotAfter)
	}
}

// keep goes on with the pair from before. Two files are not replaced in the same
// moment, so trouble that is over at the next look is not worth a line.
func (f *files) keep(w *watched, err error, again bool) {
	if w.trouble != err.Error() {
		w.trouble, w.told = err.Error(), false
	}
	if again && !w.told {
		w.told = true
		f.options.Logger.Error("a changed certificate cannot be used; the one before stays in use", "expires", w.cert.Leaf.NotAfter, "reason", err)
	}
}

func (f *files) states() []State {
	f.mu.Lock()
	defer f.mu.Unlock()
	states := make([]State, len(f.pairs))
	for i, w := range f.pairs {
		states[i] = State{Name: firstName(w.cert), Issued: w.cert.Leaf.NotBefore, Expires: w.cert.Leaf.NotAfter, Trouble: w.trouble}
	}
	return states
}

func firstName(c *tls.Certificate) string {
	if len(c.Leaf.DNSNames) > 0 {
		return c.Leaf.DNSNames[0]
	}
	return c.Leaf.IPAddresses[0].String() // read refuses those with neither
}

// look returns something that changes when a file does.
func (p Pair) look() string {
	var seen strings.Builder
	for _, name := range []string{p.Cert, p.Key} {
		info, err := os.Stat(name)
		if err != nil {
			fmt.Fprintf(&seen, "%v;", err)
			continue
		}
		fmt.Fprintf(&seen, "%d %d %v;", info.Size(), info.ModTime().UnixNano(), identity(info))
	}
	return seen.String()
}

// identity tells two files of one name apart, even of the same size and time.
func identity(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Ino
	}
	return 0
}

// read loads the pair and looks whether browsers could take it.
func (p Pair) read() (*tls.Certificate, error) {
	certText, certErr := readBounded("certificate", p.Cert)
	keyText, keyErr := readBounded("key", p.Key)
	if err := errors.Join(certErr, keyErr); err != nil {
		return nil, err
	}
	c, err := tls.X509KeyPair(certText, keyText)
	switch {
	case err != nil && strings.Contains(err.Error(), "private key does not match"):
		return nil, fmt.Errorf("the key %s does not belong to the certificate %s; name the key that the certificate was made for, and put the server's own certificate first in its file", p.Key, p.Cert)
	case err != nil:
		return nil, fmt.Errorf("the certificate %s with the key %s cannot be used: %w; both must be PEM, the key without a password", p.Cert, p.Key, err)
	case len(c.Leaf.DNSNames)+len(c.Leaf.IPAddresses) == 0:
		return nil, fmt.Errorf("the certificate %s names no host (subject alternative names); browsers refuse it", p.Cert)
	}
	return &c, nil
}

func readBounded(what, name string) (_ []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("the %s %s cannot be read: %w; name a file that the user who runs Sluice may read", what, name, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	text, err := io.ReadAll(io.LimitReader(f, fileBytesMax+1))
	if err == nil && len(text) > fileBytesMax {
		err = fmt.Errorf("it is longer than %d bytes", fileBytesMax)
	}
	if err != nil {
		return nil, fmt.Errorf("the %s %s cannot be read: %w", what, name, err)
	}
	return text, nil
}
