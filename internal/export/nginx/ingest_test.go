package nginx

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/export"
	"github.com/sluicehq/sluice/internal/ingest"
	"github.com/sluicehq/sluice/internal/routing"
)

// kept is a journal in memory.
type kept struct{ records [][]byte }

func (k *kept) AppendAll(records [][]byte) (int, error) {
	for _, r := range records {
		k.records = append(k.records, slices.Clone(r))
	}
	return len(records), nil
}

func (k *kept) Sync() error { return nil }

// Sluice takes in every line of the log, whatever visitors send, and knows of each what nginx did.
func TestLogIsTakenIn(t *testing.T) {
	binary := needNginx(t)
	dir := t.TempDir()
	source := &export.Source{Sites: []affiliate.Site{{ID: "main", Hosts: []string{"blog.example"}, Prefix: "/go/", DefaultURL: "https://blog.example/"}}, Links: each([]affiliate.Link{
		{ID: 1, Site: "main", Slug: "thing", Destinations: []affiliate.Destination{{URL: "https://shop.example/?c={click_id}&s={sub1}"}}, Query: affiliate.QueryPolicy{Mode: affiliate.QueryPass}},
		{ID: 2, Site: "main", Slug: "closed", Status: affiliate.Paused, Destinations: []affiliate.Destination{{URL: "https://shop.example/"}}},
		{ID: 3, Site: "main", Slug: "test", Destinations: []affiliate.Destination{{URL: "https://shop.example/a", Weight: 1}, {URL: "https://shop.example/b", Weight: 1}},
			Rules: []affiliate.Rule{{When: []affiliate.Condition{{On: affiliate.OnLanguage, In: []string{"de"}}}, Destinations: []affiliate.Destination{{URL: "https://shop.example/de"}}}}},
	})}
	began := time.Now()
	if _, err := newTarget(t, dir, "").Export(t.Context(), source, began, dir); err != nil {
		t.Fatal(err)
	}
	s := startNginx(t, binary, dir)
	type answer struct {
		url  string
		code int
	}
	var answers []answer
	ask := func(first string, head ...string) {
		t.Helper()
		got := s.do(t, first+" HTTP/1.0", append([]string{"Host: blog.example:8080"}, head...))
		if s.logged(t) == nil {
			t.Fatalf("%s is not logged", first)
		}
		answers = append(answers, answer{got.location, got.code})
	}
	ask("GET /go/thing?sub1=%C3%BC&a=%zz&b=\xff", "User-Agent: "+agents["phone"], "Referer: https://blog.example/page?x", "Sec-Fetch-Dest: document")
	ask("GET /go/thing?x=\"\\", "User-Agent: \"\\\t\x01\xff", "Cookie: sluice_v=0123456789abcdef")
	ask("HEAD /go/test", "User-Agent: "+agents["desktop"], "Accept-Language: de", "DNT: 1")
	ask("GET /go/test", "User-Agent: "+agents["desktop"], "Accept: */*", "Cookie: sluice_v=0123456789abcdef")
	ask("GET /go/closed", "User-Agent: "+declaredBot)
	ask("GET /go/nothing-%FF")
	s.stop(t)

	log, err := os.ReadFile(dir + "/visits.log")
	if err != nil {
		t.Fatal(err)
	}
	table := routingTable(t, source, nil)
	var journal kept
	intake := ingest.New(ingest.Options{Table: func() *routing.Table { return table }, Journal: &journal,
		Anonymous: func(*affiliate.Click, time.Time) affiliate.VisitorID { return affiliate.NewVisitorID(1, 2) }})
	receipt, err := intake.TakeLog(t.Context(), ingest.JSONLines, "", log)
	if err != nil || receipt.Taken != len(answers) || receipt.Refused > 0 {
		t.Fatalf("Sluice takes in %+v (%v) of %d lines:\n%s", receipt, err, len(answers), log)
	}
	for i, r := range journal.records {
		var c affiliate.Click
		if err := c.DecodeRecord(r); err != nil {
			t.Fatal(err)
		}
		if c.Host != "blog.example" || c.Site != "main" || c.Code != answers[i].code || c.ID.Node() != 0xffff || c.Time().Before(began.Add(-time.Second)) || c.Time().After(time.Now()) {
			t.Errorf("line %d is taken in as %+v", i+1, c)
		}
		// A click id in the address is stored in the spelling that Sluice has for it.
		if c.URL != answers[i].url && len(c.URL) != len(answers[i].url) {
			t.Errorf("line %d led to %q, and is taken in with %q", i+1, answers[i].url, c.URL)
		}
	}
	decode := func(i int) (c affiliate.Click) {
		if err := c.DecodeRecord(journal.records[i]); err != nil {
			t.Fatal(err)
		}
		return c
	}
	if c := decode(0); c.Link != 1 || c.Slug != "thing" || c.Variant != "a" || c.Page != "/page" || c.Subs[0] != "ü" || c.Verdict == affiliate.VerdictBot || c.Outcome != affiliate.Redirected {
		t.Errorf("a visit is taken in as %+v", c)
	}
	if c := decode(1); c.Visitor.String() != "0123456789abcdef" || c.Signals&affiliate.SignalReturning == 0 {
		t.Errorf("a visitor who comes back is taken in as %+v", c)
	}
	if c := decode(2); c.Rule != "rule1" || c.Signals&affiliate.SignalHead == 0 || c.Signals&affiliate.SignalDoNotTrack == 0 {
		t.Errorf("a HEAD request is taken in as %+v", c)
	}
	if c := decode(4); c.Why&affiliate.WhyPaused == 0 || c.Outcome != affiliate.Defaulted || c.Verdict != affiliate.VerdictBot {
		t.Errorf("a bot at a paused link is taken in as %+v", c)
	}
	if c := decode(5); c.Link != 0 || c.Why&affiliate.WhyUnknownName == 0 {
		t.Errorf("an unknown name is taken in as %+v", c)
	}
}
