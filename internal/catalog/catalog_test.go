package catalog_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/catalog"
	"github.com/sluicehq/sluice/internal/store/sqlite"
)

var (
	operator = catalog.Actor{Name: "ada", Operator: true}
	writer   = catalog.Actor{Name: "bob"}
	start    = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
)

// office is a catalog over a real store, with a clock that tests move and a
// publisher that keeps what it is told.
type office struct {
	*catalog.Catalog
	t     *testing.T
	store *sqlite.Store

	mu        sync.Mutex
	time      time.Time
	published []catalog.Change
	calls     int
}

func (o *office) now() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.time
}

func (o *office) pass(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.time = o.time.Add(d)
}

func (o *office) Publish(changes []catalog.Change) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.published = append(o.published, changes...)
	o.calls++
}

// heard returns what was published since the last call, as "action kind key".
func (o *office) heard() (lines []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.published {
		lines = append(lines, strings.TrimSpace(c.Action+" "+c.Kind+" "+c.Key))
	}
	o.published = nil
	return lines
}

func open(t *testing.T) *office {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "store.db"))
}

func openAt(t *testing.T, path string) *office {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	o := &office{t: t, store: s, time: start}
	if o.Catalog, err = catalog.Open(t.Context(), catalog.Options{Store: s, Publisher: o, Now: o.now}); err != nil {
		t.Fatal(err)
	}
	o.heard()
	return o
}

func (o *office) program(id string, change ...func(*affiliate.Program)) affiliate.Program {
	o.t.Helper()
	p := affiliate.Program{ID: id}
	for _, c := range change {
		c(&p)
	}
	p, err := o.CreateProgram(o.t.Context(), operator, p)
	if err != nil {
		o.t.Fatal(err)
	}
	return p
}

func (o *office) link(slug string, change ...func(*affiliate.Link)) affiliate.Link {
	o.t.Helper()
	l, _, err := o.CreateLink(o.t.Context(), operator, newLink(slug, change...))
	if err != nil {
		o.t.Fatal(err)
	}
	return l
}

func newLink(slug string, change ...func(*affiliate.Link)) affiliate.Link {
	l := affiliate.Link{Slug: slug, Destinations: []affiliate.Destination{{URL: "https://shop.example/" + strings.Trim(slug, " /")}}}
	for _, c := range change {
		c(&l)
	}
	return l
}

func ofProgram(id string) func(*affiliate.Link) {
	return func(l *affiliate.Link) { l.Program = id }
}

func wantCode(t *testing.T, err error, code affiliate.Code, words ...string) {
	t.Helper()
	if err == nil || affiliate.CodeOf(err) != code {
		t.Fatalf("got the error %v, want one of code %q", err, code)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error %q does not say %q", err, w)
		}
	}
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func TestFirstStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	o := openAt(t, path)
	sites, err := o.Sites(t.Context())
	if err != nil || len(sites) != 1 || sites[0].ID != "main" || len(sites[0].Hosts) != 0 || sites[0].Prefix != "/go/" || sites[0].Version != 1 {
		t.Fatalf("got %+v, %v", sites, err)
	}
	changes, err := o.Changes(t.Context(), 0, 10)
	if err != nil || len(changes) != 1 || changes[0].Actor != "sluice" || changes[0].Action != catalog.ActionCreate {
		t.Fatalf("got %+v, %v", changes, err)
	}
	if err := o.store.Close(); err != nil {
		t.Fatal(err)
	}
	o = openAt(t, path)
	if seq, err := o.LastSeq(t.Context()); err != nil || seq != 1 {
		t.Fatalf("opening again changed something: seq %d, %v", seq, err)
	}
}

func TestLinkLife(t *testing.T) {
	o, ctx := open(t), t.Context()
	given := newLink(" Best-Kettle/ ", func(l *affiliate.Link) {
		l.Tags = []string{"Kitchen", "kitchen"}
		l.ID, l.Version, l.CreatedAt = 77, 9, start.Add(-time.Hour)
		l.Code = 301
	})
	made, warnings, err := o.CreateLink(ctx, writer, given)
	if err != nil {
		t.Fatal(err)
	}
	if made.ID != 1 || made.Version != 1 || made.Site != "main" || made.Slug != "best-kettle" || !made.CreatedAt.Equal(start) || !made.UpdatedAt.Equal(start) {
		t.Errorf("made %+v", made)
	}
	if len(warnings) != 1 || warnings[0].Field != "code" {
		t.Errorf("warnings %v, want one about the code", warnings)
	}
	if given.Tags[0] != "Kitchen" || given.Destinations[0].ID != "" {
		t.Error("the caller's link was changed in place")
	}
	for _, spelling := range []string{"best-kettle", "BEST-kettle", "best-kettle/"} {
		if got, err := o.LinkBySlug(ctx, "", spelling); err != nil || got.ID != made.ID {
			t.Errorf("%q finds %+v, %v", spelling, got, err)
		}
	}

	o.pass(time.Hour)
	next := made
	next.Slug = "kettle"
	changed, _, err := o.UpdateLink(ctx, operator, next, made.Version)
	if err != nil || changed.Version != 2 || !changed.CreatedAt.Equal(start) || !changed.UpdatedAt.Equal(start.Add(time.Hour)) {
		t.Fatalf("changed %+v, %v", changed, err)
	}
	o.pass(time.Hour)
	if again, _, err := o.UpdateLink(ctx, operator, changed, 0); err != nil || again.Version != 2 || !again.UpdatedAt.Equal(changed.UpdatedAt) {
		t.Errorf("an update without difference gave %+v, %v", again, err)
	}
	_, _, err = o.UpdateLink(ctx, operator, changed, 1)
	wantCode(t, err, affiliate.Stale, "version 1 is now 2")
	wantCode(t, o.DeleteLink(ctx, operator, made.ID, 1), affiliate.Stale)
	if err := o.DeleteLink(ctx, operator, made.ID, 2); err != nil {
		t.Fatal(err)
	}
	_, err = o.Link(ctx, made.ID)
	wantCode(t, err, affiliate.NotFound)
	if l := o.link("kettle"); l.ID != 2 {
		t.Errorf("the next link has id %d, want 2", l.ID)
	}

	wantLines(t, o.heard(), "create link 1", "update link 1", "delete link 1", "create link 2")
	history, err := o.History(ctx, catalog.KindLink, "1", 0, 10)
	if err != nil || len(history) != 3 {
		t.Fatalf("history %+v, %v", history, err)
	}
	update := history[1]
	var before, after affiliate.Link
	if err := errors.Join(json.Unmarshal(update.Before, &before), json.Unmarshal(update.After, &after)); err != nil {
		t.Fatal(err)
	}
	if update.Actor != "ada" || !update.At.Equal(start.Add(time.Hour)) || before.Slug != "best-kettle" || after.Slug != "kettle" || history[2].Actor != "bob" ||
		history[2].Before != nil || history[0].After != nil {
		t.Errorf("the change is recorded as %+v", update)
	}
}

func TestLinkRefusals(t *testing.T) {
	o, ctx := open(t), t.Context()
	o.program("shop")
	o.program("strict", func(p *affiliate.Program) { p.Policy = &affiliate.Policy{Redirect: affiliate.Denied} })
	if _, err := o.CreatePartner(ctx, operator, affiliate.Partner{Program: "shop", Code: "eve"}); err != nil {
		t.Fatal(err)
	}
	there := o.link("there")
	before, err := o.LastSeq(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		actor catalog.Actor
		link  affiliate.Link
		code  affiliate.Code
		words string
	}{
		{"slug taken", operator, newLink("There"), affiliate.Conflict, fmt.Sprintf("by link %d", there.ID)},
		{"no such site", operator, newLink("x", func(l *affiliate.Link) { l.Site = "blog" }), affiliate.Invalid, "there are: main"},
		{"no such program", operator, newLink("x", ofProgram("sho")), affiliate.Invalid, `no program "sho"`},
		{"no such partner", operator, newLink("x", ofProgram("shop"), func(l *affiliate.Link) { l.Partner = "bob" }), affiliate.Invalid, `no partner "bob"`},
		{"forbidden by its program", operator, newLink("x", ofProgram("strict")), affiliate.Invalid, "redirect"},
		{"javascript", operator, newLink("x", func(l *affiliate.Link) { l.Destinations[0].URL = "javascript:alert(1)" }), affiliate.Invalid, "destinations[0].url"},
		{"raw macro of a partner", writer, newLink("x", func(l *affiliate.Link) { l.Destinations[0].URL = "https://shop.example/?q={raw:sub1}" }), affiliate.Invalid, "operators only"},
		{"nobody", catalog.Actor{}, newLink("x"), affiliate.Forbidden, "nobody"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := o.CreateLink(ctx, c.actor, c.link)
			wantCode(t, err, c.code, c.words)
		})
	}
	_, _, err = o.UpdateLink(ctx, operator, affiliate.Link{ID: 99}, 0)
	wantCode(t, err, affiliate.NotFound)
	wantCode(t, o.DeleteLink(ctx, operator, 99, 0), affiliate.NotFound)
	if seq, err := o.LastSeq(ctx); err != nil || seq != before {
		t.Errorf("refusals moved the log from %d to %d, %v", before, seq, err)
	}
}

func TestIfMatchRaceHasOneWinner(t *testing.T) {
	o, ctx := open(t), t.Context()
	link := o.link("kettle")
	for round := range 10 {
		const racers = 8
		errs := make(chan error, racers)
		for i := range racers {
			go func() {
				mine := link
				mine.Note = fmt.Sprintf("round %d, racer %d", round, i)
				_, _, err := o.UpdateLink(ctx, operator, mine, link.Version)
				errs <- err
			}()
		}
		won := 0
		for range racers {
			if err := <-errs; err == nil {
				won++
			} else if affiliate.CodeOf(err) != affiliate.Stale {
				t.Fatal(err)
			}
		}
		if won != 1 {
			t.Fatalf("%d of %d updates of one version went through", won, racers)
		}
		var err error
		if link, err = o.Link(ctx, link.ID); err != nil || link.Version != int64(round+2) {
			t.Fatalf("version %d after round %d, %v", link.Version, round, err)
		}
	}
}

func TestEditIsOne(t *testing.T) {
	o, ctx := open(t), t.Context()
	err := o.Edit(ctx, operator, func(e *catalog.Edit) error {
		if _, err := e.CreateProgram(affiliate.Program{ID: "shop"}); err != nil {
			return err
		}
		if _, _, err := e.CreateLink(newLink("kettle", ofProgram("shop"))); err != nil {
			return err
		}
		_, _, err := e.CreateLink(newLink("kettle"))
		return err
	})
	wantCode(t, err, affiliate.Conflict)
	wantLines(t, o.heard())
	_, err = o.Program(ctx, "shop")
	wantCode(t, err, affiliate.NotFound)

	calls := o.calls
	err = o.Edit(ctx, operator, func(e *catalog.Edit) error {
		if _, err := e.CreateProgram(affiliate.Program{ID: "shop"}); err != nil {
			return err
		}
		_, _, err := e.CreateLink(newLink("kettle", ofProgram("shop")))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	wantLines(t, o.heard(), "create program shop", "create link 1")
	if o.calls != calls+1 {
		t.Errorf("one edit was published in %d calls", o.calls-calls)
	}
}

func TestOnce(t *testing.T) {
	o, ctx := open(t), t.Context()
	create := func(slug string) func(*catalog.Edit) (any, error) {
		return func(e *catalog.Edit) (any, error) {
			l, _, err := e.CreateLink(newLink(slug))
			return l, err
		}
	}
	first, again, err := o.Once(ctx, operator, catalog.Request{Key: "k1", Hash: "h1"}, create("kettle"))
	if err != nil || again {
		t.Fatal(again, err)
	}
	second, again, err := o.Once(ctx, operator, catalog.Request{Key: "k1", Hash: "h1"}, create("kettle"))
	if err != nil || !again || string(second) != string(first) {
		t.Fatalf("the repeated request got %s, %t, %v, want %s", second, again, err, first)
	}
	_, _, err = o.Once(ctx, operator, catalog.Request{Key: "k1", Hash: "h2"}, create("mug"))
	wantCode(t, err, affiliate.Conflict, "another request")
	_, _, err = o.Once(ctx, writer, catalog.Request{Key: "k1", Hash: "h1"}, create("kettle"))
	wantCode(t, err, affiliate.Conflict, "taken") // keys are an actor's own
	_, _, err = o.Once(ctx, operator, catalog.Request{Key: "k2", Hash: "h"}, create("kettle"))
	wantCode(t, err, affiliate.Conflict, "taken")
	_, again, err = o.Once(ctx, operator, catalog.Request{Key: "k2", Hash: "h"}, create("mug"))
	if err != nil || again {
		t.Fatalf("a request that failed was remembered: %t, %v", again, err)
	}
	_, _, err = o.Once(ctx, operator, catalog.Request{}, create("x"))
	wantCode(t, err, affiliate.Invalid)

	o.pass(catalog.RequestLifetime)
	_, _, err = o.Once(ctx, operator, catalog.Request{Key: "k1", Hash: "h1"}, create("kettle"))
	wantCode(t, err, affiliate.Conflict, "taken") // forgotten: it runs again
}

func TestFindLinksPages(t *testing.T) {
	o, ctx := open(t), t.Context()
	for i := range 25 {
		o.link(fmt.Sprintf("link-%d", i))
	}
	var got []int64
	filter := catalog.LinkFilter{Text: "LINK-", Limit: 10}
	for n := 0; ; n++ {
		page, err := o.FindLinks(ctx, filter)
		if err != nil {
			t.Fatal(err)
		}
		if want := int64(25 + n); page.Total != want {
			t.Errorf("page %d says %d in all, want %d", n, page.Total, want)
		}
		for _, l := range page.Links {
			got = append(got, l.ID)
		}
		if page.Next == "" {
			break
		}
		filter.Cursor = page.Next
		o.link(fmt.Sprintf("link-new-%d", n)) // must not disturb
	}
	if len(got) != 25 || got[0] != 25 || got[24] != 1 {
		t.Errorf("paged through %v", got)
	}
	if page, err := o.FindLinks(ctx, catalog.LinkFilter{Text: "link-7"}); err != nil || page.Total != 1 || len(page.Links) != 1 || page.Next != "" {
		t.Errorf("got %+v, %v", page, err)
	}
	for name, f := range map[string]catalog.LinkFilter{
		"limit":          {Limit: 1001},
		"negative limit": {Limit: -1},
		"cursor":         {Cursor: "17"},
		"empty cursor":   {Cursor: "b"},
		"status":         {Status: "open"},
		"lone partner":   {Partner: "eve"},
		"long text":      {Text: strings.Repeat("x", 201)},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := o.FindLinks(ctx, f)
			wantCode(t, err, affiliate.Invalid)
		})
	}
}

func TestSnapshotMeetsPublisher(t *testing.T) {
	o, ctx := open(t), t.Context()
	o.program("shop")
	if _, err := o.CreatePartner(ctx, operator, affiliate.Partner{Program: "shop", Code: "eve"}); err != nil {
		t.Fatal(err)
	}
	o.link("a")
	o.link("b")
	var got []string
	seq, err := o.Snapshot(ctx, catalog.Visitor{
		Site:    func(s affiliate.Site) error { got = append(got, "site "+s.ID); return nil },
		Program: func(p affiliate.Program) error { got = append(got, "program "+p.ID); return nil },
		Partner: func(p affiliate.Partner) error { got = append(got, "partner "+p.Code); return nil },
		Link: func(l affiliate.Link) error {
			if len(got) == 3 {
				o.heard()
				o.link("c") // in the middle of it
			}
			got = append(got, "link "+l.Slug)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	wantLines(t, got, "site main", "program shop", "partner eve", "link a", "link b")
	if next, err := o.Changes(ctx, seq, 10); err != nil || len(next) != 1 || next[0].Key != "3" {
		t.Errorf("after the snapshot comes %+v, %v", next, err)
	}
	wantLines(t, o.heard(), "create link 3")
}
