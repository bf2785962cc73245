package storetest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

func testDocuments(t *testing.T, s *suite) {
	s.update(func(w store.Writer) error {
		d := w.Documents()
		wantCode(t, d.Delete(store.User, "ada"), affiliate.NotFound)
		if err := d.Put(store.User, store.Document{Key: "ada", Body: json.RawMessage(`{"n":1}`)}); err != nil {
			return err
		}
		if err := d.Put(store.User, store.Document{Key: "ada", Body: json.RawMessage(`{"n":2}`)}); err != nil {
			return err
		}
		if err := d.Put(store.Token, store.Document{Key: "ada", Body: json.RawMessage(`{"n":3}`)}); err != nil {
			return err
		}
		got, err := d.Get(store.User, "ada")
		if err != nil || string(got.Body) != `{"n":2}` {
			t.Errorf("the transaction does not see its own write: %s, %v", got.Body, err)
		}
		return d.Delete(store.Token, "ada")
	})
	s.view(func(r store.Reader) error {
		got, err := r.Documents().Get(store.User, "ada")
		if err != nil || got.Key != "ada" || string(got.Body) != `{"n":2}` || !got.Expires.IsZero() {
			t.Errorf("got %+v, %v", got, err)
		}
		_, err = r.Documents().Get(store.Token, "ada")
		wantCode(t, err, affiliate.NotFound)
		_, err = r.Documents().Get(store.User, "ADA") // keys are bytes
		wantCode(t, err, affiliate.NotFound)
		return nil
	})
}

func testPrefix(t *testing.T, s *suite) {
	s.update(func(w store.Writer) error {
		for _, key := range []string{"shop/b", "shop/a", "shop", "shop-2/a", "sho%", "SHOP/c", "été/a", "shop/é"} {
			if err := w.Documents().Put(store.Partner, store.Document{Key: key, Body: json.RawMessage(`{}`)}); err != nil {
				return err
			}
		}
		return w.Documents().Put(store.User, store.Document{Key: "shop/x", Body: json.RawMessage(`{}`)})
	})
	for _, c := range []struct {
		prefix string
		want   []string
	}{
		{"shop/", []string{"shop/a", "shop/b", "shop/é"}},
		{"shop", []string{"shop", "shop-2/a", "shop/a", "shop/b", "shop/é"}},
		{"sho%", []string{"sho%"}},
		{"été", []string{"été/a"}},
		{"zzz", nil},
		{"", []string{"SHOP/c", "sho%", "shop", "shop-2/a", "shop/a", "shop/b", "shop/é", "été/a"}},
	} {
		s.view(func(r store.Reader) error {
			docs, err := r.Documents().List(store.Partner, c.prefix)
			if err != nil {
				return err
			}
			var got []string
			for _, d := range docs {
				got = append(got, d.Key)
			}
			wantSame(t, "keys under "+c.prefix, got, c.want)
			return nil
		})
	}
}

func testSweep(t *testing.T, s *suite) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	s.update(func(w store.Writer) error {
		for key, expires := range map[string]time.Time{
			"never": {}, "past": now.Add(-time.Hour), "now": now, "soon": now.Add(time.Millisecond)} {
			if err := w.Documents().Put(store.Session, store.Document{Key: key, Body: json.RawMessage(`{}`), Expires: expires}); err != nil {
				return err
			}
		}
		got, err := w.Documents().Get(store.Session, "now")
		if err != nil || !got.Expires.Equal(now) {
			t.Errorf("got %v, %v, want it to be there until it is swept", got.Expires, err)
		}
		n, err := w.Documents().Sweep(now)
		if err != nil || n != 2 {
			t.Errorf("swept %d, %v, want 2", n, err)
		}
		docs, err := w.Documents().List(store.Session, "")
		if err != nil {
			return err
		}
		var got2 []string
		for _, d := range docs {
			got2 = append(got2, d.Key)
		}
		wantSame(t, "what a sweep leaves", got2, []string{"never", "soon"})
		return nil
	})
}

func testChanges(t *testing.T, s *suite) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	first := []store.Change{
		{At: at, Actor: "ada", Kind: "link", Action: "create", Key: "1", After: json.RawMessage(`{"a":1}`)},
		{At: at, Actor: "ada", Kind: "site", Action: "update", Key: "1", Before: json.RawMessage(`{"b":1}`), After: json.RawMessage(`{"b":2}`)},
	}
	s.update(func(w store.Writer) error {
		if err := w.Changes().Append(first); err != nil {
			return err
		}
		if last, err := w.Changes().Last(); err != nil || last != 2 {
			t.Errorf("within the transaction the last change is %d, %v", last, err)
		}
		return w.Changes().Append([]store.Change{{At: at, Actor: "bob", Kind: "link", Action: "delete", Key: "1", Before: json.RawMessage(`{"a":1}`)}})
	})
	many := make([]store.Change, 200)
	for i := range many {
		many[i] = store.Change{At: at, Actor: "bob", Kind: "program", Action: "create", Key: "p"}
	}
	s.update(func(w store.Writer) error { return w.Changes().Append(many) })
	s.view(func(r store.Reader) error {
		all, err := r.Changes().Find(store.ChangeQuery{Limit: 1000})
		if err != nil {
			return err
		}
		for i, c := range all {
			if c.Seq != int64(i+1) {
				t.Fatalf("place %d holds number %d", i, c.Seq)
			}
		}
		if len(all) != 203 {
			t.Fatalf("%d changes, want 203", len(all))
		}
		got, want := all[1], first[1]
		if !got.At.Equal(want.At) || got.Actor != want.Actor || got.Kind != want.Kind || got.Action != want.Action || got.Key != want.Key ||
			string(got.Before) != string(want.Before) || string(got.After) != string(want.After) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if len(all[0].Before) != 0 || len(all[2].After) != 0 {
			t.Errorf("what was empty is %s and %s", all[0].Before, all[2].After)
		}
		return nil
	})
	for _, c := range []struct {
		name  string
		query store.ChangeQuery
		want  []int64
	}{
		{"after", store.ChangeQuery{After: 201, Limit: 10}, []int64{202, 203}},
		{"after, limited", store.ChangeQuery{After: 1, Limit: 2}, []int64{2, 3}},
		{"beyond the end", store.ChangeQuery{After: 203, Limit: 2}, nil},
		{"newest", store.ChangeQuery{Newest: true, Limit: 2}, []int64{203, 202}},
		{"before", store.ChangeQuery{Newest: true, Before: 3, Limit: 5}, []int64{2, 1}},
		{"of a kind", store.ChangeQuery{Kind: "link", Limit: 5}, []int64{1, 3}},
		{"of a thing", store.ChangeQuery{Kind: "site", Key: "1", Limit: 5}, []int64{2}},
		{"of a thing, newest", store.ChangeQuery{Kind: "link", Key: "1", Newest: true, Limit: 5}, []int64{3, 1}},
		{"of nothing", store.ChangeQuery{Kind: "link", Key: "2", Limit: 5}, nil},
	} {
		s.view(func(r store.Reader) error {
			found, err := r.Changes().Find(c.query)
			if err != nil {
				return err
			}
			var got []int64
			for _, ch := range found {
				got = append(got, ch.Seq)
			}
			wantSame(t, c.name, got, c.want)
			return nil
		})
	}
}
