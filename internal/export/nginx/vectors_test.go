package nginx

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/export"
	"github.com/sluicehq/sluice/internal/ingest"
)

var update = flag.Bool("update", false, "write docs/targets.md anew")

// vectorFile is one file of testdata/decisions; see docs/formats/decisions.md.
type vectorFile struct {
	name     string
	About    string
	Sites    []affiliate.Site
	Programs []affiliate.Program
	Partners []affiliate.Partner
	Links    []affiliate.Link
	Cases    []vector
}

type vector struct {
	Name   string
	Links  *[]affiliate.Link
	Visit  vectorVisit
	Expect struct {
		Outcome, URL, Variant, Rule string
		Code                        int
		Link                        int64
		Site, Slug                  string
		Program, Partner            string
		Why                         []string
	}
}

type vectorVisit struct {
	Host, Path, Query  string
	Time               time.Time
	ClickID            string `json:"click_id"`
	Visitor            string
	Returning          bool
	Action             string
	Language, Referrer string
	Country, Device    string
}

func readVectors(t *testing.T) (files []*vectorFile) {
	t.Helper()
	paths, err := filepath.Glob("../../../testdata/decisions/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no decision vectors found: %v", err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f := &vectorFile{name: strings.TrimSuffix(filepath.Base(path), ".json")}
		if err := json.Unmarshal(b, f); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		files = append(files, f)
	}
	return files
}

// source is the file's documents as they would be saved.
func (f *vectorFile) source(links []affiliate.Link) *export.Source {
	for i := range f.Sites {
		f.Sites[i].Normalize()
	}
	for i := range f.Programs {
		f.Programs[i].Normalize()
	}
	for i := range f.Partners {
		f.Partners[i].Normalize()
	}
	return &export.Source{Sites: f.Sites, Programs: f.Programs, Partners: f.Partners, Links: each(links)}
}

func each(links []affiliate.Link) func(func(*affiliate.Link, error) bool) {
	return func(yield func(*affiliate.Link, error) bool) {
		for _, l := range links {
			l.Normalize()
			if !yield(&l, nil) {
				return
			}
		}
	}
}

// group is the cases of a file that one export can answer: the same links at the same time.
type group struct {
	links []affiliate.Link
	at    time.Time
	cases []*vector
}

func (f *vectorFile) groups() (groups []*group) {
	byKey := map[string]*group{}
	for i := range f.Cases {
		c := &f.Cases[i]
		links := f.Links
		if c.Links != nil {
			links = *c.Links
		}
		b, _ := json.Marshal(links)
		key := string(b) + c.Visit.Time.String()
		if byKey[key] == nil {
			byKey[key] = &group{links: links, at: c.Visit.Time}
			groups = append(groups, byKey[key])
		}
		byKey[key].cases = append(byKey[key].cases, c)
	}
	return groups
}

// agents make a device by what a visitor says of itself.
var agents = map[string]string{
	"":        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
	"desktop": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
	"phone":   "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
	"tablet":  "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/604.1",
	"tv":      "Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.0) AppleWebKit/537.36 (KHTML, like Gecko) Version/6.0 Safari/537.36",
	"bot":     "curl/8.5.0", // a bot by class that is not declared one, and so is let pass
	"other":   "Sluice-Test",
}

const declaredBot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

// visitorCookie is a valid id for any name of a visitor.
func visitorCookie(name string) string {
	id := affiliate.NewVisitorID(uint16(len(name)), nginxHash(name)*0x9e3779b97f4a7c15)
	return id.String()
}

// tally counts the vectors of one file.
type tally struct {
	alike, listed int
	reasons       map[string]int
}

// alikeMin is the least share of vectors that nginx must answer alike, in percent.
const alikeMin = 70

func TestDecisionVectors(t *testing.T) {
	binary := needNginx(t)
	var rows []row
	alike, all := 0, 0
	for _, f := range readVectors(t) {
		got := tally{reasons: map[string]int{}}
		t.Run(f.name, func(t *testing.T) {
			for _, g := range f.groups() {
				f.check(t, binary, g, &got)
			}
		})
		rows = append(rows, row{f.name, len(f.Cases), got})
		alike += got.alike
		all += len(f.Cases)
	}
	t.Logf("nginx answers %d of %d vectors alike", alike, all)
	if flag.Lookup("test.run").Value.String() != "" && !t.Failed() && alike < all/2 {
		return // some files only were asked for
	}
	if all < 500 || 100*alike < alikeMin*all {
		t.Errorf("nginx answers %d of %d decision vectors alike; at least %d %% is promised", alike, all, alikeMin)
	}
	if !t.Failed() {
		checkTable(t, rows)
	}
}

func (f *vectorFile) check(t *testing.T, binary string, g *group, got *tally) {
	dir := t.TempDir()
	target, err := New(Options{CountryHeader: "X-Country", Log: filepath.Join(dir, "visits.log")})
	if err != nil {
		t.Fatal(err)
	}
	source := f.source(g.links)
	report, err := target.Export(t.Context(), source, g.at, dir)
	if err != nil {
		t.Fatal(err)
	}
	server := startNginx(t, binary, dir)
	for _, c := range g.cases {
		dealt := c.Expect.Outcome == "redirect" && slices.Contains(c.Expect.Why, "shared") // alike by chance only
		if why := f.ask(t, server, g, c); why == "" && !dealt {
			got.alike++
		} else if kind := excuse(report, source, c); kind != "" {
			if kind == weights {
				f.checkShared(t, server, g, c)
			}
			got.listed++
			got.reasons[kind]++
		} else {
			t.Errorf("%s: %s", c.Name, why)
		}
	}
	server.stop(t)
}

// checkShared wants a visitor whom nginx's hash deals to a destination to get the same one each time,
// one that has a share and is up, and all else as decided.
func (f *vectorFile) checkShared(t *testing.T, s *server, g *group, c *vector) {
	t.Helper()
	var destinations []affiliate.Destination
	for i := range g.links {
		if l := &g.links[i]; l.ID == c.Expect.Link {
			destinations = l.Destinations
			for _, r := range l.Rules {
				if r.ID == c.Expect.Rule {
					destinations = r.Destinations
				}
			}
		}
	}
	first := ""
	for range 3 {
		got, line := f.send(t, s, g, c)
		if line == nil || line.Link != c.Expect.Link || line.Rule != c.Expect.Rule || got.code != c.Expect.Code {
			t.Errorf("%s: nginx answers %d and logs %+v", c.Name, got.code, line)
			return
		}
		if first == "" {
			first = line.Variant
		}
		// A visitor without a cookie is a new one each time.
		known := c.Visit.Visitor != "" || c.Visit.Returning
		if known && line.Variant != first {
			t.Errorf("%s: the same visitor got %q and then %q", c.Name, first, line.Variant)
		}
		at := slices.IndexFunc(destinations, func(d affiliate.Destination) bool { return d.ID == line.Variant })
		if at < 0 || destinations[at].Weight == 0 {
			t.Errorf("%s: the visitor got %q, which has no share", c.Name, line.Variant)
			return
		}
		if someUp := slices.ContainsFunc(destinations, func(d affiliate.Destination) bool { return !d.Down && d.Weight > 0 }); destinations[at].Down && someUp {
			t.Errorf("%s: the visitor got %q, which is down", c.Name, line.Variant)
		}
		if want, _, _ := strings.Cut(destinations[at].URL, "{"); !strings.HasPrefix(got.location, want) {
			t.Errorf("%s: destination %q leads to %q", c.Name, line.Variant, got.location)
		}
	}
}

// excuse is the kind of shortfall that the report lists and that concerns a visit.
func excuse(report *export.Report, source *export.Source, c *vector) string {
	var link *affiliate.Link
	for l := range source.Links {
		if l.ID == c.Expect.Link {
			link = l
		}
	}
	action, _ := affiliate.ParseAction(c.Visit.Action)
	device, _ := affiliate.ParseDevice(c.Visit.Device)
	v := affiliate.Visit{Action: action, Device: device, Host: c.Visit.Host, Path: c.Visit.Path, Query: c.Visit.Query, Language: c.Visit.Language, Referrer: c.Visit.Referrer, Country: c.Visit.Country}
	for _, k := range Kinds() {
		if !k.Concerns(link, &v) {
			continue
		}
		if slices.ContainsFunc(report.Shortfalls, func(s export.Shortfall) bool {
			return s.What == k.What && (s.Link == c.Expect.Link || s.Link == 0 || link == nil)
		}) {
			return k.What
		}
	}
	return ""
}

// ask sends a vector's visit and says what differs in the answer, "" for nothing.
func (f *vectorFile) ask(t *testing.T, s *server, g *group, c *vector) string {
	v := &c.Visit
	if v.Action == "block" {
		return "nginx has no verdict that blocks"
	}
	got, line := f.send(t, s, g, c)
	want := c.Expect
	if got.code != want.Code {
		return fmt.Sprintf("it answers %d, want %d", got.code, want.Code)
	}
	url := want.URL
	if line != nil {
		if _, err := affiliate.ParseClickID(line.ID); err != nil {
			return fmt.Sprintf("the log has the click id %q: %v", line.ID, err)
		}
		if v.ClickID != "" {
			url = strings.ReplaceAll(url, v.ClickID, line.ID)
		}
		if ts := strconv.FormatInt(v.Time.Unix(), 10); strings.Contains(url, ts) {
			url = strings.ReplaceAll(url, ts, secondsOf(line.ID))
		}
	}
	if got.location != url {
		return fmt.Sprintf("it leads to\n %q, want\n %q", got.location, url)
	}
	if line == nil {
		if want.Link != 0 || want.URL != "" {
			return "nothing is logged"
		}
		return "" // not under a prefix
	}
	if line.Link != want.Link || line.Variant != want.Variant || line.Rule != want.Rule || line.Outcome != want.Outcome || line.Code != want.Code || line.URL != url ||
		line.Site != want.Site || line.Program != want.Program || line.Partner != want.Partner || want.Link != 0 && line.Slug != want.Slug {
		return fmt.Sprintf("the log says %+v, want %+v", *line, want)
	}
	if why := sortedWhy(line.Why); why != strings.Join(want.Why, ",") {
		return fmt.Sprintf("the log says why %q, want %v", why, want.Why)
	}
	return ""
}

// send makes the visit.
func (f *vectorFile) send(t *testing.T, s *server, g *group, c *vector) (response, *ingest.Click) {
	t.Helper()
	v := &c.Visit
	head := []string{"Connection: close", "Accept: text/html"}
	agent := agents[v.Device]
	if v.Action == "decoy" {
		agent = declaredBot
	}
	head = append(head, "User-Agent: "+agent)
	for name, value := range map[string]string{"Host": v.Host, "X-Country": v.Country, "Accept-Language": v.Language, "Referer": v.Referrer} {
		if value != "" {
			head = append(head, name+": "+value)
		}
	}
	if v.Returning || v.Visitor != "" && len(usesVisitor(g.links)) == 0 {
		head = append(head, "Cookie: sluice_v="+visitorCookie(v.Visitor))
	}
	target := v.Path
	if target == "" {
		target = "/"
	}
	if v.Query != "" {
		target += "?" + v.Query
	}
	return s.get(t, target, head), s.logged(t)
}

func usesVisitor(links []affiliate.Link) (found []string) {
	b, _ := json.Marshal(links)
	if bytes.Contains(b, []byte(`"on":"visitor"`)) {
		found = append(found, "visitor")
	}
	return found
}

// secondsOf is the time in an id that nginx made.
func secondsOf(id string) string { return "1" + id[1:10] }

// sortedWhy brings reasons into the order of their declaration.
func sortedWhy(s string) string {
	given := strings.Split(s, ",")
	var out []string
	for _, n := range affiliate.WhyNames() {
		if slices.Contains(given, n) {
			out = append(out, n)
		}
	}
	return strings.Join(out, ",")
}
