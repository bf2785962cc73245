package ingest

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/journal"
	"github.com/sluicehq/sluice/internal/routing"
)

// noon is the time of all tests.
var noon = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)

var blogKey = []byte("0123456789abcdef0123456789abcdef")

// rig is an Intake on a real table and a real journal.
type rig struct {
	t       testing.TB
	intake  *Intake
	journal *journal.Journal
	dir     string
	options Options
	keys    atomic.Int64 // look-ups
}

func newRig(t testing.TB, change func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, dir: filepath.Join(t.TempDir(), "journal")}
	tables, err := routing.Open(routing.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tables.Close() })
	changes := links()
	for i := range changes {
		changes[i].Seq = int64(i + 1)
	}
	must(t, tables.Apply(changes))
	r.journal, err = journal.Open(r.dir, journal.Options{SegmentBytes: 4 << 20})
	must(t, err)
	t.Cleanup(func() { must(t, r.journal.Close()) })
	r.options = Options{
		Table: tables.Current, Journal: r.journal,
		Keys: func(_ context.Context, site string, number int) ([]byte, error) {
			r.keys.Add(1)
			switch {
			case site == "blog" && number == 1:
				return blogKey, nil
			case site == "broken":
				return nil, errors.New("the store is closed")
			}
			return nil, affiliate.Errorf(affiliate.NotFound, "no such key")
		},
		Anonymous: func(c *affiliate.Click, _ time.Time) affiliate.VisitorID {
			return affiliate.NewVisitorID(7, uint64(len(c.Agent)))
		},
		SiteOfLink: func(_ context.Context, link int64) (string, error) {
			return map[int64]string{1: "blog", 2: "blog", 9: "shop"}[link], nil
		},
		Now: func() time.Time { return noon },
	}
	if change != nil {
		change(&r.options)
	}
	r.intake = New(r.options)
	return r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// links are two sites: the blog has hosts, the shop answers for all others.
func links() []routing.Change {
	site := func(s affiliate.Site) routing.Change { s.Normalize(); return routing.Change{Site: &s} }
	link := func(l affiliate.Link) routing.Change { l.Normalize(); return routing.Change{Link: &l} }
	to := func(url string) []affiliate.Destination { return []affiliate.Destination{{URL: url}} }
	return []routing.Change{
		site(affiliate.Site{ID: "blog", Hosts: []string{"blog.example"}}),
		site(affiliate.Site{ID: "shop"}),
		link(affiliate.Link{ID: 1, Site: "blog", Slug: "the-thing-17", Page: "/reviews/", Destinations: to("https://www.awin1.com/cread.php?awinmid=1234&awinaffid=98765&clickref={click_id}&ued=https%3A%2F%2Fshop.example%2Fthings%2F17")}),
		link(affiliate.Link{ID: 2, Site: "blog", Slug: "paused", Status: affiliate.Paused, Destinations: to("https://shop.example/")}),
		link(affiliate.Link{ID: 9, Site: "shop", Slug: "other", Destinations: to("https://other.example/")}),
	}
}

// stored are the clicks in the journal.
func (r *rig) stored() (clicks []affiliate.Click) {
	r.t.Helper()
	reader, err := r.journal.Reader(journal.Position{})
	must(r.t, err)
	defer func() { _ = reader.Close() }()
	for {
		record, err := reader.Next()
		if err != nil {
			return clicks
		}
		var c affiliate.Click
		must(r.t, c.DecodeRecord(record.Payload))
		clicks = append(clicks, c)
	}
}
