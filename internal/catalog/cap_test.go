package catalog_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/catalog"
)

func capOf(clicks int64, per affiliate.CapPeriod) *affiliate.ClickCap {
	return &affiliate.ClickCap{Clicks: clicks, Per: per}
}

func (o *office) capped() []catalog.Capped {
	o.t.Helper()
	list, _, err := o.Capped(o.t.Context(), 0)
	if err != nil {
		o.t.Fatal(err)
	}
	return list
}

// reach closes the only link that has a cap.
func (o *office) reach(clicks int64) {
	o.t.Helper()
	until := o.now().Add(time.Hour)
	next := &affiliate.CapReached{At: o.now(), Until: &until, Clicks: clicks}
	if n, err := o.ObeyCaps(o.t.Context(), []catalog.CapVerdict{{Capped: o.capped()[0], Next: next}}); n != 1 || err != nil {
		o.t.Fatalf("%d links were closed, %v", n, err)
	}
}

func TestALinkIsClosedByItsCap(t *testing.T) {
	o, ctx := open(t), t.Context()
	o.link("free")
	l := o.link("dear", func(l *affiliate.Link) {
		l.Cap = capOf(10, "Day")
		l.CapReached = &affiliate.CapReached{Clicks: 99} // not for others to say
	})
	if l.Cap.Per != affiliate.CapPerDay || l.CapReached != nil || len(o.capped()) != 1 || o.capped()[0].Link != l.ID {
		t.Fatalf("made %+v; capped are %+v", l, o.capped())
	}
	stale := o.capped()[0]
	o.heard()
	o.reach(12)
	wantLines(t, o.heard(), "update link 2")
	l, err := o.Link(ctx, l.ID)
	if err != nil || l.Status != affiliate.Active || l.Serving() != affiliate.Paused || l.CapReached.Clicks != 12 || l.Version != 2 {
		t.Fatalf("it is %+v, %v", l, err)
	}
	changes, err := o.History(ctx, catalog.KindLink, "2", 0, 1)
	var after affiliate.Link
	if err != nil || changes[0].Actor != "cap" || json.Unmarshal(changes[0].After, &after) != nil || after.CapReached == nil {
		t.Errorf("the log says %+v, %v", changes, err)
	}

	// What was judged before somebody else closed it is not done.
	if n, err := o.ObeyCaps(ctx, []catalog.CapVerdict{{Capped: stale}, {Capped: catalog.Capped{Link: 77}}}); n != 0 || err != nil {
		t.Errorf("%d links were changed, %v", n, err)
	}
	// It opens again.
	if n, err := o.ObeyCaps(ctx, []catalog.CapVerdict{{Capped: o.capped()[0]}}); n != 1 || err != nil {
		t.Errorf("%d links were opened, %v", n, err)
	}
	if l, err = o.Link(ctx, l.ID); err != nil || l.Serving() != affiliate.Active {
		t.Errorf("it is %+v, %v", l, err)
	}
}

func TestEditsOfALinkThatItsCapHasClosed(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*affiliate.Link)
		closed bool
	}{
		"a note":                         {func(l *affiliate.Link) { l.Note = "x" }, true},
		"the state left out":             {func(l *affiliate.Link) { l.Note, l.CapReached = "x", nil }, true},
		"a pause":                        {func(l *affiliate.Link) { l.Status = affiliate.Paused }, true},
		"a lower cap":                    {func(l *affiliate.Link) { l.Cap.Clicks = 5 }, true},
		"a cap below what was counted":   {func(l *affiliate.Link) { l.Cap.Clicks = 12 }, true},
		"a cap that was not reached":     {func(l *affiliate.Link) { l.Cap.Clicks = 13 }, false},
		"another period":                 {func(l *affiliate.Link) { l.Cap.Per = affiliate.CapPerMonth }, false},
		"another zone":                   {func(l *affiliate.Link) { l.Cap.Zone = "Europe/Berlin" }, false},
		"no cap":                         {func(l *affiliate.Link) { l.Cap = nil }, false},
		"a state that nobody has looked": {func(l *affiliate.Link) { l.Note, l.CapReached = "x", &affiliate.CapReached{Clicks: 1} }, true},
	} {
		o := open(t)
		l := o.link("dear", func(l *affiliate.Link) { l.Cap = capOf(10, affiliate.CapPerDay) })
		o.reach(12)
		l, err := o.Link(t.Context(), l.ID)
		if err != nil {
			t.Fatal(err)
		}
		reached := *l.CapReached
		c.change(&l)
		after, _, err := o.UpdateLink(t.Context(), writer, l, 0)
		if err != nil {
			t.Fatal(err)
		}
		if closed := after.CapReached != nil; closed != c.closed || closed && *after.CapReached.Until != *reached.Until {
			t.Errorf("%s leaves it %+v", name, after.CapReached)
		}
		if list := o.capped(); (len(list) == 1) != (after.Cap != nil) || len(list) == 1 && (list[0].Reached != nil) != c.closed {
			t.Errorf("%s: capped are %+v", name, list)
		}
	}
}
