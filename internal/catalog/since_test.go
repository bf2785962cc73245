package catalog_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/catalog"
)

// Whoever was away hears what a Publisher has heard.
func TestSinceTellsWhatPublishersHear(t *testing.T) {
	o, ctx := open(t), t.Context()
	var heard []catalog.Change
	listen := func() {
		o.mu.Lock()
		heard = append(heard, o.published...)
		o.published = nil
		o.mu.Unlock()
	}
	begin, err := o.LastSeq(ctx)
	if err != nil {
		t.Fatal(err)
	}
	shop := o.program("shop")
	o.link("a", ofProgram("shop"))
	o.link("b", ofProgram("shop"))
	listen()
	shop.Name = "The Shop"
	if shop, err = o.UpdateProgram(ctx, operator, shop, 0); err != nil {
		t.Fatal(err)
	}
	listen()
	shop.SubID = &affiliate.SubID{Param: "clickref"}
	if _, err = o.UpdateProgram(ctx, operator, shop, 0); err != nil {
		t.Fatal(err)
	}
	listen()
	if err := o.DeleteLink(ctx, operator, 3, 0); affiliate.CodeOf(err) != affiliate.NotFound {
		t.Fatal(err)
	}
	o.link("c")
	listen()
	for from := begin; from <= heard[len(heard)-1].Seq; from++ {
		var want []catalog.Change
		for _, c := range heard {
			if c.Seq > from {
				want = append(want, c)
			}
		}
		got, last, err := o.Since(ctx, from)
		if err != nil || last != heard[len(heard)-1].Seq {
			t.Fatalf("since %d: up to %d, %v", from, last, err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("since %d:\n%s", from, diff)
		}
	}
	// A store that knows less says so.
	if got, last, err := o.Since(ctx, 1000); err != nil || len(got) != 0 || last >= 1000 {
		t.Fatalf("got %v up to %d, %v", got, last, err)
	}
}

func TestSinceOfTooMuchIsAReload(t *testing.T) {
	o, ctx := open(t), t.Context()
	begin, err := o.LastSeq(ctx)
	if err != nil {
		t.Fatal(err)
	}
	shop := o.program("shop")
	err = o.Edit(ctx, operator, func(e *catalog.Edit) error {
		for i := range catalog.ReloadAbove - 1 {
			if _, _, err := e.CreateLink(newLink(fmt.Sprintf("link-%d", i), ofProgram("shop"))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got, last, err := o.Since(ctx, begin)
	if err != nil || len(got) != catalog.ReloadAbove || last != begin+catalog.ReloadAbove {
		t.Fatalf("%d notices up to %d, %v", len(got), last, err)
	}
	// Few changes may bring many links along.
	shop.SubID = &affiliate.SubID{Param: "clickref"}
	if _, err = o.UpdateProgram(ctx, operator, shop, 0); err != nil {
		t.Fatal(err)
	}
	reload := func(from int64) {
		t.Helper()
		if got, last, err := o.Since(ctx, from); err != nil || len(got) != 1 || got[0].Action != catalog.ActionReload || got[0].Seq != last {
			t.Fatalf("since %d: %d notices up to %d, %v", from, len(got), last, err)
		}
	}
	reload(begin)
	if got, _, err := o.Since(ctx, last); err != nil || len(got) != catalog.ReloadAbove {
		t.Fatalf("a program and its links: %d notices, %v", len(got), err)
	}
	o.link("one-more", ofProgram("shop"))
	reload(last)
}
