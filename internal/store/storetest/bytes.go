package storetest

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/sluicehq/sluice/internal/store"
)

// testBytes keeps what strangers may send: no character at all, the byte 0, and documents as they were spelled.
func testBytes(t *testing.T, s *suite) {
	odd := []string{"\x00", "a\x00b", "\xff\xfe", "\\x41", "é\x80", `"'%_\`}
	spelled := json.RawMessage("{ \"b\" : 1,\"a\":1e2, \"b\":\"\\u00e9\" }")
	c := conversion(odd[1])
	c.Tx, c.Event, c.Visitor, c.Coupon, c.Page, c.Sub1, c.ClickID, c.Evidence = odd[0], odd[1], odd[2], odd[3], odd[4], odd[5], odd[2], spelled
	rejected := store.Rejection{ID: odd[2], At: day, Program: odd[0], Reason: odd[3], Message: odd[4], Remote: odd[5], Raw: odd[1]}
	s.update(func(w store.Writer) error {
		for _, key := range odd {
			if err := w.Documents().Put(store.Setting, store.Document{Key: key, Body: spelled}); err != nil {
				return err
			}
		}
		put(t, w, c)
		if known, err := w.Books().AddReports([]store.Report{report(odd[0], odd[1], "r1", odd[2]), report(odd[0], odd[1], "r2", odd[3]), report(odd[0], odd[1], "r3", odd[2])}); err != nil || len(known) != 1 {
			t.Errorf("known reports: %v, %v", known, err)
		}
		if err := w.Books().Refuse(rejected); err != nil {
			return err
		}
		return w.Changes().Append([]store.Change{{Actor: odd[2], Kind: odd[1], Key: odd[0], After: spelled}})
	})
	s.view(func(r store.Reader) error {
		var keys []string
		docs, err := r.Documents().List(store.Setting, "")
		for _, d := range docs {
			keys = append(keys, d.Key)
			wantSame(t, "a document", []byte(d.Body), []byte(spelled))
		}
		wantSame(t, "keys in the order of bytes", keys, []string{odd[0], odd[5], odd[3], odd[1], odd[4], odd[2]})
		if err != nil {
			return err
		}
		if got, err := r.Books().Conversion(c.ID); err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("got %+v, want %+v, %v", got, c, err)
		}
		if got, err := r.Books().FindConversions(store.ConversionQuery{Click: odd[2], Limit: 2}); err != nil || len(got) != 1 {
			t.Errorf("by the click %q: %v, %v", odd[2], got, err)
		}
		if got, err := r.Books().Reports(odd[0], odd[1]); err != nil || len(got) != 2 {
			t.Errorf("%d reports, %v, want 2", len(got), err)
		}
		if got, err := r.Books().Rejections(store.RejectionQuery{Reason: odd[3], Limit: 2}); err != nil || len(got) != 1 || got[0] != rejected {
			t.Errorf("got %+v, want %+v, %v", got, rejected, err)
		}
		got, err := r.Changes().Find(store.ChangeQuery{Kind: odd[1], Key: odd[0], Limit: 2})
		if len(got) != 1 || got[0].Actor != odd[2] || string(got[0].After) != string(spelled) {
			t.Errorf("got the changes %+v", got)
		}
		return err
	})
}

// testNotKept overwrites what it has handed in, before the transaction ends.
func testNotKept(t *testing.T, s *suite) {
	body := func() json.RawMessage { return json.RawMessage(`{"n":1}`) }
	spoil := func(bodies ...[]byte) {
		for _, b := range bodies {
			copy(b, "#######")
		}
	}
	s.update(func(w store.Writer) error {
		doc, before, after, message := body(), body(), body(), body()
		c := conversion("c")
		c.Shares, c.Path, c.Rulings, c.Evidence = body(), body(), body(), body()
		l := link("main", "a")
		l.ID = 1
		if _, err := w.Links().Reserve(1); err != nil {
			return err
		}
		inserted := row(&l)
		_, err := w.Links().Insert([]store.Link{inserted})
		spoil(inserted.Body)
		if err != nil {
			return err
		}
		l.Version = 2
		replaced := row(&l)
		err = w.Links().Replace(replaced)
		spoil(replaced.Body)
		if err != nil {
			return err
		}
		if err := w.Documents().Put(store.Setting, store.Document{Key: "k", Body: doc}); err != nil {
			return err
		}
		if err := w.Changes().Append([]store.Change{{Kind: "k", Before: before, After: after}}); err != nil {
			return err
		}
		put(t, w, c)
		if err := w.Books().Enqueue([]store.Message{{ID: "m", Body: message}}); err != nil {
			return err
		}
		spoil(doc, before, after, message, c.Shares, c.Path, c.Rulings, c.Evidence)
		return nil
	})
	s.view(func(r store.Reader) error {
		want := string(body())
		if l, err := r.Links().Get(1); err != nil || l.Version != 2 {
			t.Errorf("the link is %+v, %v", l, err)
		}
		if d, err := r.Documents().Get(store.Setting, "k"); err != nil || string(d.Body) != want {
			t.Errorf("the document is %s, %v", d.Body, err)
		}
		if ch, err := r.Changes().Find(store.ChangeQuery{Limit: 1}); err != nil || len(ch) != 1 || string(ch[0].Before) != want || string(ch[0].After) != want {
			t.Errorf("the changes are %+v, %v", ch, err)
		}
		if m, err := r.Books().DueMessages(day, 1); err != nil || len(m) != 1 || string(m[0].Body) != want {
			t.Errorf("the messages are %+v, %v", m, err)
		}
		c, err := r.Books().Conversion("c")
		for _, got := range []json.RawMessage{c.Shares, c.Path, c.Rulings, c.Evidence} {
			if string(got) != want {
				t.Errorf("a document of the conversion is %s", got)
			}
		}
		return err
	})
}
