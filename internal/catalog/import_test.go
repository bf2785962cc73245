package catalog_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/catalog"
)

// file is a source of "slug url" lines. An empty line ends the file with the error
// that a cut-off file gives.
type file struct {
	lines []string
	at    int
}

var errTruncated = errors.New("the file ends in the middle of a record")

func (f *file) Next() (int64, string, affiliate.Link, error) {
	if f.at == len(f.lines) {
		return 0, "", affiliate.Link{}, io.EOF
	}
	text := f.lines[f.at]
	f.at++
	n := int64(f.at)
	slug, url, ok := strings.Cut(text, " ")
	switch {
	case text == "":
		return n, text, affiliate.Link{}, errTruncated
	case !ok:
		return n, text, affiliate.Link{}, affiliate.Errorf(affiliate.Invalid, "there is no URL")
	}
	return n, text, affiliate.Link{Slug: slug, Destinations: []affiliate.Destination{{URL: url}}}, nil
}

func linesOf(text string) *file {
	return &file{lines: strings.Split(strings.TrimSpace(text), "\n")}
}

const threeGood = `
kettle https://shop.example/kettle
mug https://shop.example/mug
pan https://shop.example/pan`

const someBad = `
kettle https://shop.example/kettle
mug
Kettle/ https://shop.example/kettle2
b!ad https://shop.example/bad
there https://shop.example/there
pan https://shop.example/pan
pan javascript:alert(1)
pan https://shop.example/pan`

// badOfSome are the bad lines of someBad on a site that has the link "there".
var badOfSome = []struct {
	line   int64
	reason string
}{{2, "no URL"}, {3, "line 1 already"}, {4, "b!ad"}, {5, "by link 1"}, {7, "javascript"}, {8, "line 6 already"}}

func TestImport(t *testing.T) {
	o, ctx := open(t), t.Context()
	var progress []int64
	report, err := o.ImportLinks(ctx, writer, linesOf(threeGood), catalog.ImportOptions{Progress: func(n int64) { progress = append(progress, n) }})
	if err != nil || !report.Applied || report.Read != 3 || report.Created != 3 || report.Bad != 0 {
		t.Fatalf("got %+v, %v", report, err)
	}
	if len(progress) == 0 || progress[len(progress)-1] != 3 {
		t.Errorf("progress was told as %v", progress)
	}
	wantLines(t, o.heard(), "create link 1", "create link 2", "create link 3")
	if l, err := o.LinkBySlug(ctx, "main", "mug"); err != nil || l.Version != 1 || !l.CreatedAt.Equal(start) {
		t.Errorf("got %+v, %v", l, err)
	}
	if h, err := o.History(ctx, catalog.KindLink, "2", 0, 10); err != nil || len(h) != 1 || h[0].Actor != "bob" || len(h[0].After) == 0 {
		t.Errorf("recorded as %+v, %v", h, err)
	}
}

func TestImportWithBadLinesChangesNothing(t *testing.T) {
	o, ctx := open(t), t.Context()
	o.link("there")
	o.heard()
	before, err := o.LastSeq(ctx)
	if err != nil {
		t.Fatal(err)
	}
	report, err := o.ImportLinks(ctx, operator, linesOf(someBad), catalog.ImportOptions{})
	if err != nil || report.Applied || report.Read != 8 || report.Created != 2 || report.Bad != 6 {
		t.Fatalf("got %+v, %v", report, err)
	}
	wantBad(t, report.BadLines)
	if page, err := o.FindLinks(ctx, catalog.LinkFilter{}); err != nil || page.Total != 1 {
		t.Errorf("%d links afterwards, %v", page.Total, err)
	}
	if after, err := o.LastSeq(ctx); err != nil || after != before {
		t.Errorf("the log went from %d to %d, %v", before, after, err)
	}
	wantLines(t, o.heard())
}

func wantBad(t *testing.T, got []catalog.BadLine) {
	t.Helper()
	if len(got) != len(badOfSome) {
		t.Fatalf("%d bad lines, want %d: %+v", len(got), len(badOfSome), got)
	}
	for i, want := range badOfSome {
		if got[i].Line != want.line || !strings.Contains(got[i].Reason, want.reason) || got[i].Text != strings.Split(someBad, "\n")[want.line] {
			t.Errorf("got %+v, want line %d with %q", got[i], want.line, want.reason)
		}
	}
}

func TestImportSkipsBadLines(t *testing.T) {
	o, ctx := open(t), t.Context()
	o.link("there")
	var bad []catalog.BadLine
	report, err := o.ImportLinks(ctx, operator, linesOf(someBad), catalog.ImportOptions{SkipBad: true,
		OnBad: func(b catalog.BadLine) error { bad = append(bad, b); return nil }})
	if err != nil || !report.Applied || report.Created != 2 || report.Bad != 6 {
		t.Fatalf("got %+v, %v", report, err)
	}
	wantBad(t, bad)
	if l, err := o.LinkBySlug(ctx, "", "kettle"); err != nil || l.Destinations[0].URL != "https://shop.example/kettle" {
		t.Errorf("got %+v, %v", l, err)
	}
}

func TestImportUpdates(t *testing.T) {
	o, ctx := open(t), t.Context()
	o.link("kettle", func(l *affiliate.Link) { l.Tags, l.Destinations[0].URL = []string{"kitchen"}, "https://old.example/" })
	o.link("mug")
	o.link("strict")
	o.heard()
	text := threeGood + "\nkettle https://shop.example/again\nmug https://shop.example/mug\nstrict https://shop.example/strict\nnew https://shop.example/new"
	report, err := o.ImportLinks(ctx, operator, linesOf(text), catalog.ImportOptions{Update: true, SkipBad: true})
	if err != nil || report.Created != 2 || report.Updated != 1 || report.Unchanged != 2 || report.Bad != 2 ||
		!strings.Contains(report.BadLines[0].Reason, "line 1 already") || !strings.Contains(report.BadLines[1].Reason, "line 2 already") {
		t.Fatalf("got %+v, %v", report, err)
	}
	wantLines(t, o.heard(), "create link 6", "create link 10", "update link 1")
	l, err := o.LinkBySlug(ctx, "", "kettle")
	if err != nil || l.ID != 1 || l.Version != 2 || l.Tags != nil || l.Destinations[0].URL != "https://shop.example/kettle" {
		t.Errorf("got %+v, %v", l, err)
	}
}

func TestImportMerges(t *testing.T) {
	o, ctx := open(t), t.Context()
	o.link("kettle", func(l *affiliate.Link) { l.Tags = []string{"kitchen"} })
	report, err := o.ImportLinks(ctx, operator, linesOf("kettle https://new.example/"), catalog.ImportOptions{Update: true,
		Merge: func(there, read affiliate.Link) affiliate.Link {
			there.Destinations = read.Destinations
			return there
		}})
	if err != nil || report.Updated != 1 {
		t.Fatalf("got %+v, %v", report, err)
	}
	l, err := o.Link(ctx, 1)
	if err != nil || len(l.Tags) != 1 || l.Destinations[0].URL != "https://new.example/" {
		t.Errorf("got %+v, %v", l, err)
	}
}

func TestImportDryRun(t *testing.T) {
	o, ctx := open(t), t.Context()
	report, err := o.ImportLinks(ctx, operator, linesOf(threeGood), catalog.ImportOptions{DryRun: true})
	if err != nil || report.Applied || report.Created != 3 {
		t.Fatalf("got %+v, %v", report, err)
	}
	if page, err := o.FindLinks(ctx, catalog.LinkFilter{}); err != nil || page.Total != 0 {
		t.Errorf("%d links afterwards, %v", page.Total, err)
	}
	wantLines(t, o.heard())
}

func TestImportOfBrokenFileChangesNothing(t *testing.T) {
	o, ctx := open(t), t.Context()
	_, err := o.ImportLinks(ctx, operator, linesOf(threeGood+"\n\nx https://shop.example/"), catalog.ImportOptions{SkipBad: true})
	if !errors.Is(err, errTruncated) || !strings.Contains(err.Error(), "line 4") {
		t.Fatalf("got %v", err)
	}
	stop := errors.New("the disk for bad lines is full")
	_, err = o.ImportLinks(ctx, operator, linesOf(someBad), catalog.ImportOptions{SkipBad: true, OnBad: func(catalog.BadLine) error { return stop }})
	if !errors.Is(err, stop) {
		t.Fatalf("got %v", err)
	}
	if page, err := o.FindLinks(ctx, catalog.LinkFilter{}); err != nil || page.Total != 0 {
		t.Errorf("%d links afterwards, %v", page.Total, err)
	}
}

// TestLargeImport crosses the batches of the import, the report's limit of bad lines,
// and the number of notices that are published one by one.
func TestLargeImport(t *testing.T) {
	o, ctx := open(t), t.Context()
	var lines []string
	for i := range catalog.ReloadAbove + 5000 {
		lines = append(lines, fmt.Sprintf("link-%d https://shop.example/%d", i, i))
		if i%4 == 3 {
			lines = append(lines, fmt.Sprintf("link-%d https://shop.example/%d", i/2, i))
		}
	}
	handed := int64(0)
	last := int64(0)
	report, err := o.ImportLinks(ctx, operator, &file{lines: lines}, catalog.ImportOptions{SkipBad: true, OnBad: func(b catalog.BadLine) error {
		// Line b repeats link-(i/2): name n stood in line n + n/4 + 1.
		var n, i int64
		if _, err := fmt.Sscanf(b.Text, "link-%d https://shop.example/%d", &n, &i); err != nil {
			return err
		}
		if want := fmt.Sprintf("line %d already", n+n/4+1); !strings.Contains(b.Reason, want) {
			t.Fatalf("line %d is bad because %s, want %s", b.Line, b.Reason, want)
		}
		if b.Line <= last {
			t.Fatalf("line %d comes after line %d", b.Line, last)
		}
		handed, last = handed+1, b.Line
		return nil
	}})
	bad := int64(catalog.ReloadAbove+5000) / 4
	if err != nil || report.Created != catalog.ReloadAbove+5000 || report.Bad != bad || handed != bad || len(report.BadLines) != catalog.BadLinesMax {
		t.Fatalf("got %d created, %d bad, %d handed out, %d kept, %v", report.Created, report.Bad, handed, len(report.BadLines), err)
	}
	o.mu.Lock()
	notice := o.published[0]
	o.mu.Unlock()
	wantLines(t, o.heard(), "reload")
	seq, err := o.LastSeq(ctx)
	if err != nil || notice.Seq != seq || seq != 1+report.Created {
		t.Errorf("the reload has number %d, the log ends at %d, %v", notice.Seq, seq, err)
	}
	// Again: nothing differs, so nothing is recorded.
	report, err = o.ImportLinks(ctx, operator, &file{lines: lines}, catalog.ImportOptions{SkipBad: true, Update: true})
	if err != nil || report.Unchanged != catalog.ReloadAbove+5000 || report.Updated != 0 || report.Bad != bad {
		t.Fatalf("the second time: %d unchanged, %d updated, %d bad, %v", report.Unchanged, report.Updated, report.Bad, err)
	}
	wantLines(t, o.heard())
}

// portfolio is a source of n links like those of a large publisher: names in no
// order, a network's click URL, tags, a page.
type portfolio struct {
	n, at   int
	program string
}

func (p *portfolio) Next() (int64, string, affiliate.Link, error) {
	if p.at == p.n {
		return 0, "", affiliate.Link{}, io.EOF
	}
	p.at++
	i := p.at
	slug := fmt.Sprintf("product-%x-%d", affiliate.Bucket("slug", fmt.Sprint(i)), i)
	return int64(i), slug, affiliate.Link{
		Slug: slug, Program: p.program, Tags: []string{"kitchen", fmt.Sprintf("batch-%d", i%100)}, Page: fmt.Sprintf("/reviews/%d", i%5000),
		Destinations: []affiliate.Destination{{URL: fmt.Sprintf("https://www.awin1.com/cread.php?awinmid=123&awinaffid=456&ued=https%%3A%%2F%%2Fshop.example%%2Fp%%2F%d", i)}},
	}, nil
}
