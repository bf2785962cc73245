package nginx

import (
	"bufio"
	"fmt"
	"hash/maphash"
	"io"
	"strconv"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/export"
)

// site is a site and its number, which stands for it in keys.
type site struct {
	*affiliate.Site
	number int
}

// missing is what a visitor gets who cannot be sent to a destination.
func (s *site) missing() (outcome string, code int, url value) {
	if s.DefaultURL == "" {
		return "not_found", 404, nil
	}
	return "default", 302, value{}.with(s.DefaultURL)
}

// writer makes one export. Links go to the spool as they come; what they share is kept and
// written around them.
type writer struct {
	at       time.Time
	report   *export.Report
	siteList []*site
	sites    map[string]*site
	programs map[string]*affiliate.Program
	partners map[string]affiliate.Status // by partnerKey

	spool  *bufio.Writer
	err    error // of the spool
	line   []byte
	keys   hashSizes           // of the map of links, and of every other map
	names  map[uint64]struct{} // hashes of the links' names
	seed   maphash.Seed        // of names
	blocks []byte              // maps that links share

	httpTrailer string // the last line of the first file

	variables  int // named so far
	conditions map[string]string
	timed      map[string]bool
	ruleSets   map[string]string
	splits     map[string]string
	params     map[string]string
	handOns    map[string]string
	longs      map[string]string
	pages      map[string]string
}

func newWriter(spool io.Writer, from *export.Source, at time.Time) *writer {
	w := &writer{
		at: at, report: &export.Report{}, spool: bufio.NewWriterSize(spool, 1<<20),
		sites: map[string]*site{}, programs: map[string]*affiliate.Program{}, partners: map[string]affiliate.Status{},
		names: map[uint64]struct{}{}, seed: maphash.MakeSeed(), conditions: map[string]string{}, timed: map[string]bool{}, ruleSets: map[string]string{},
		splits: map[string]string{}, params: map[string]string{}, handOns: map[string]string{}, longs: map[string]string{}, pages: map[string]string{},
	}
	for i := range from.Sites {
		s := &site{&from.Sites[i], i + 1}
		w.siteList = append(w.siteList, s)
		w.sites[s.ID] = s
	}
	for i := range from.Programs {
		w.programs[from.Programs[i].ID] = &from.Programs[i]
	}
	for i := range from.Partners {
		p := &from.Partners[i]
		w.partners[partnerKey(p.Program, p.Code)] = p.Status
	}
	return w
}

func partnerKey(program, code string) string { return program + "|" + code }

// variable names a new variable; letter says what for.
func (w *writer) variable(letter string) string {
	w.variables++
	return "sluice_" + letter + strconv.Itoa(w.variables)
}

// define adds a map that links share.
func (w *writer) define(m *mapping) {
	for _, k := range m.keys {
		w.keys.add(k)
	}
	w.blocks = m.appendTo(w.blocks)
}

// entry writes one line of the map of links.
func (w *writer) entry(key string, v value) {
	w.keys.add(key)
	b := append(w.line[:0], '\t')
	b = append(word(b, key), ' ')
	if v.isPlain() && len(v) == 1 {
		b = word(b, v[0].text)
	} else {
		b = values(b, v)
	}
	w.line = append(b, ";\n"...)
	if _, err := w.spool.Write(w.line); err != nil && w.err == nil {
		w.err = err
	}
}

// named writes the entries of a link's name in all its spellings.
func (w *writer) named(l *affiliate.Link, s *site, v value) {
	all, complete := affiliate.Spellings(l.Slug)
	if !complete {
		w.short(l, "", unicodeNames, "spellings in mixed case beyond the usual ones are not found")
	}
	for _, name := range all {
		w.entry(strconv.Itoa(s.number)+s.Prefix+name, v)
	}
}

// simple writes a link with one answer for all.
func (w *writer) simple(l *affiliate.Link, s *site, own string, a answer) {
	w.named(l, s, w.record(l, own, a))
}

// fit keeps a value within one word: what is too long is put into variables.
func (w *writer) fit(v value) value {
	if len(values(nil, v)) <= wordBytesMax {
		return v
	}
	var out value
	for _, p := range v {
		for len(p.text) > 200 {
			part := p.text[:min(len(p.text), wordBytesMax/2)]
			out = out.withVar(w.long(part))
			p.text = p.text[len(part):]
		}
		if p.text != "" || p.variable != "" {
			out = append(out, p)
		}
	}
	return out
}

// long returns a variable that holds text. The values of geo are never interpolated, so "$" may be in it.
func (w *writer) long(text string) string {
	if name, ok := w.longs[text]; ok {
		return name
	}
	name := w.variable("l")
	w.longs[text] = name
	w.blocks = append(append(append(w.blocks, "geo $"+name+" { default "...), word(nil, text)...), "; }\n"...)
	return name
}

// short reports something of a link that nginx answers otherwise.
func (w *writer) short(l *affiliate.Link, rule, what, consequence string) {
	w.report.Add(export.Shortfall{Link: l.ID, Site: l.Site, Slug: l.Slug, Rule: rule, What: what, Consequence: consequence})
}

func (w *writer) refuse(l *affiliate.Link, why string) {
	w.report.Refused++
	w.short(l, "", refused, why)
}

// finish adds what the export as a whole needs.
func (w *writer) finish() {
	for _, s := range w.siteList {
		for _, h := range s.Hosts {
			w.keys.add(h)
		}
	}
	for key := range w.partners {
		w.keys.add(key)
	}
	for _, k := range Kinds() {
		if !k.PerLink {
			w.report.Add(export.Shortfall{What: k.What, Consequence: k.Consequence})
		}
	}
}

// trailer is the last line of a file, by which Check knows it.
func (w *writer) trailer(sum string) string {
	until := "-"
	if !w.report.Until.IsZero() {
		until = w.report.Until.UTC().Format(time.RFC3339)
	}
	line := fmt.Sprintf("%s sum=%s links=%d at=%s until=%s\n", trailerMark, sum, w.report.Links, w.at.UTC().Format(time.RFC3339), until)
	if w.httpTrailer == "" {
		w.httpTrailer = line
	}
	return line
}

const trailerMark = "# sluice-export"
