// Package nginx writes links as a configuration of nginx, so that nginx answers them without
// Sluice: two files to include, one at the level of http and one at that of a server.
//
// It is made from the same routing.Plan as the routing table. A link whose answer is the same
// for everybody costs nginx one look-up in one map. Conditions, weights and sub-IDs become
// variables that nginx works out only for the links that ask for them. What depends on the
// time is decided when the export is made; the report and the files say until when it holds.
// What nginx answers otherwise than Sluice is told by Kinds, and for each link by the report.
//
// Text of links and visitors cannot leave the words that it is written in; what cannot be
// written is refused, by name.
package nginx

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/maphash"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/export"
	"github.com/sluicehq/sluice/internal/routing"
)

// The files of an export.
const (
	HTTPFile   = "sluice-http.conf"   // to be included in http { }
	ServerFile = "sluice-server.conf" // to be included in each server { } that serves links
)

// Options of a Target.
type Options struct {
	// CountryHeader is a request header in which a trusted proxy tells the visitor's country.
	CountryHeader string
	// CountryVariable is a variable of nginx that holds it, such as $geoip2_data_country_code. With neither the country is not known.
	CountryVariable string
	// Log is where nginx writes visits, "/var/log/nginx/sluice.log" by default.
	Log string
}

// DefaultLog is where visits are written.
const DefaultLog = "/var/log/nginx/sluice.log"

// Target writes exports.
type Target struct{ options Options }

var (
	headerName   = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
	variableName = regexp.MustCompile(`^\$[A-Za-z0-9_]{1,64}$`)
	logPath      = regexp.MustCompile(`^[A-Za-z0-9_./-]{1,500}$`)
)

// New returns a Target.
func New(o Options) (*Target, error) {
	if o.Log == "" {
		o.Log = DefaultLog
	}
	switch {
	case o.CountryHeader != "" && o.CountryVariable != "":
		return nil, affiliate.Errorf(affiliate.Invalid, "the country comes from a header or from a variable, not from both")
	case o.CountryHeader != "" && !headerName.MatchString(o.CountryHeader):
		return nil, affiliate.Errorf(affiliate.Invalid, "%q is not the name of a header, such as CF-IPCountry", o.CountryHeader)
	case o.CountryVariable != "" && !variableName.MatchString(o.CountryVariable):
		return nil, affiliate.Errorf(affiliate.Invalid, "%q is not a variable of nginx, such as $geoip2_data_country_code", o.CountryVariable)
	case !logPath.MatchString(o.Log):
		return nil, affiliate.Errorf(affiliate.Invalid, "the log's path %q may contain letters, digits and _ . / -", o.Log)
	}
	return &Target{o}, nil
}

var _ export.Target = (*Target)(nil)

// Export writes the two files into dir. It takes about a second for 200,000 links, and memory for each
// of some forty bytes.
func (t *Target) Export(ctx context.Context, from *export.Source, at time.Time, dir string) (*export.Report, error) {
	if err := sourceFault(from); err != nil {
		return nil, fmt.Errorf("nginx export: %w", err)
	}
	spool, err := os.CreateTemp(dir, ".links-*")
	if err != nil {
		return nil, fmt.Errorf("nginx export: %w", err)
	}
	defer func() {
		_ = spool.Close()
		_ = os.Remove(spool.Name())
	}()
	w := newWriter(spool, from, at)
	if err := w.links(ctx, from); err != nil {
		return nil, fmt.Errorf("nginx export: %w", err)
	}
	w.finish()
	if err := w.spool.Flush(); err != nil {
		return nil, fmt.Errorf("nginx export: %w", err)
	}
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("nginx export: %w", err)
	}
	sum := sha256.New()
	if err := writeFile(filepath.Join(dir, HTTPFile), sum, func(b *bufio.Writer) error { return t.writeHTTP(b, w, spool) }, w.trailer); err != nil {
		return nil, err
	}
	if err := writeFile(filepath.Join(dir, ServerFile), sum, func(b *bufio.Writer) error { return t.writeServer(b, w) }, w.serverTrailer); err != nil {
		return nil, err
	}
	return w.report, nil
}

// writeFile writes one of the files. Its last line, which is not in the sum, says what the file is.
func writeFile(path string, sum hash.Hash, write func(*bufio.Writer) error, trailer func(sum string) string) error {
	err := export.WriteFile(path, 0o644, func(b *bufio.Writer) error {
		summed := bufio.NewWriterSize(io.MultiWriter(b, sum), 1<<16)
		if err := errors.Join(write(summed), summed.Flush()); err != nil {
			return err
		}
		_, err := b.WriteString(trailer(hex.EncodeToString(sum.Sum(nil)[:16])))
		return err
	})
	if err != nil {
		return fmt.Errorf("nginx export: %w", err)
	}
	return nil
}

// links writes every link's entries.
func (w *writer) links(ctx context.Context, from *export.Source) error {
	n := 0
	for l, err := range from.Links {
		if err != nil {
			return err
		}
		if n++; n%1000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := w.oneLink(l); err != nil {
			w.refuse(l, err.Error())
		} else {
			w.report.Links++
		}
		if w.err != nil {
			return w.err
		}
	}
	return nil
}

// oneLink writes a link, or returns why not.
func (w *writer) oneLink(l *affiliate.Link) error {
	site := w.sites[l.Site]
	if site == nil {
		return errors.New("its site is not there")
	}
	if err := writable(l); err != nil {
		return err
	}
	if !w.fresh(l) {
		return errors.New("another link has its name")
	}
	own := l.Partner
	if status, known := w.partners[partnerKey(l.Program, own)]; known && status != affiliate.Active && status != "" {
		own = inactive
	}
	plan, err := routing.NewPlan(l, w.programs[l.Program])
	if err != nil {
		return err
	}
	if w.variables > variablesMax && needsVariables(plan) {
		return errors.New("the links before it take all the variables that nginx is given")
	}
	w.noteBeyond(l)
	return w.link(plan, site, own)
}

// fresh notes a link's name, and is false when it is there already: nginx refuses a map with one key twice.
func (w *writer) fresh(l *affiliate.Link) bool {
	key := maphash.String(w.seed, l.Site+" "+l.Slug)
	if _, there := w.names[key]; there {
		return false
	}
	w.names[key] = struct{}{}
	return true
}

// variablesMax bounds the variables of an export: nginx keeps sixteen bytes for each of them in every request.
const variablesMax = 10_000

// needsVariables says that a link may need variables of its own.
func needsVariables(plan *routing.Plan) bool {
	if plan.Link.DeepLink || len(plan.Rules) > 0 || len(plan.Destinations) > 1 || plan.Link.Query.Mode == affiliate.QueryPass || plan.Link.Query.Mode == affiliate.QueryOnly {
		return true
	}
	templates := []*routing.Template{&plan.Destinations[0].Plain}
	if plan.Fallback != nil {
		templates = append(templates, plan.Fallback)
	}
	for _, t := range templates {
		for _, p := range append(append([]affiliate.Part(nil), t.Head...), t.Tail...) {
			if p.Macro == affiliate.MacroSub || p.Macro == affiliate.MacroQuery || len(p.Literal) > wordBytesMax/2 {
				return true
			}
		}
	}
	return false
}
