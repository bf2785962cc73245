package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

func testRejections(t *testing.T, s *suite) {
	long := strings.Repeat("x", store.RejectionRawBytesMax-1) + "é" // its last character is cut in two
	first := store.Rejection{ID: "r1", At: day, Program: "shop", Source: affiliate.ByPostback, Reason: "signature", Message: "The signature is wrong.",
		Raw: "click_id=\xff\x00", Remote: "192.0.2.1"}
	s.update(func(w store.Writer) error {
		for i, r := range []store.Rejection{first,
			{ID: "r2", At: day.Add(time.Hour), Program: "shop", Reason: "amount", Raw: long},
			{ID: "r3", At: day.Add(-time.Hour), Reason: "amount"},
			{ID: "r1", At: day, Reason: "again"}} {
			if err := w.Books().Refuse(r); err != nil {
				t.Fatal(i, err)
			}
		}
		return nil
	})
	find := func(r store.Reader, name string, q store.RejectionQuery, want ...string) []store.Rejection {
		got, err := r.Books().Rejections(q)
		if err != nil {
			t.Fatal(name, err)
		}
		ids := make([]string, 0, len(got))
		for _, r := range got {
			ids = append(ids, r.ID)
		}
		wantSame(t, name, ids, want)
		return got
	}
	s.view(func(r store.Reader) error {
		all := find(r, "all", store.RejectionQuery{Limit: 9}, "r3", "r2", "r1")
		if all[2] != first {
			t.Errorf("got %+v, want %+v", all[2], first)
		}
		if got := all[1].Raw; got != long[:store.RejectionRawBytesMax-1] {
			t.Errorf("a long one was cut to %d bytes", len(got))
		}
		find(r, "limit", store.RejectionQuery{Limit: 1}, "r3")
		find(r, "before", store.RejectionQuery{Before: "r3", Limit: 9}, "r2", "r1")
		find(r, "program", store.RejectionQuery{Program: "shop", Limit: 9}, "r2", "r1")
		find(r, "reason", store.RejectionQuery{Reason: "amount", Limit: 9}, "r3", "r2")
		find(r, "program and reason", store.RejectionQuery{Program: "shop", Reason: "amount", Limit: 9}, "r2")
		_, err := r.Books().Rejections(store.RejectionQuery{Before: "nowhere", Limit: 1})
		wantCode(t, err, affiliate.NotFound)
		return nil
	})
	s.update(func(w store.Writer) error {
		n, err := w.Books().SweepRejections(day)
		if err != nil || n != 1 {
			t.Errorf("swept %d, %v, want 1", n, err)
		}
		find(reader{w}, "what a sweep leaves", store.RejectionQuery{Limit: 9}, "r2", "r1")
		return nil
	})
}

func testRejectionsMax(t *testing.T, s *suite) {
	s.update(func(w store.Writer) error {
		for i := range store.RejectionsMax + 3 {
			if err := w.Books().Refuse(store.Rejection{ID: fmt.Sprint(i), At: day}); err != nil {
				return err
			}
		}
		all, err := w.Books().Rejections(store.RejectionQuery{Limit: store.RejectionsMax + 10})
		if len(all) != store.RejectionsMax || all[len(all)-1].ID != "3" {
			t.Errorf("%d rejections are kept, want the newest %d", len(all), store.RejectionsMax)
		}
		return err
	})
}

func testOutbox(t *testing.T, s *suite) {
	due := func(r store.Reader, at time.Time, want ...string) []store.Message {
		t.Helper()
		got, err := r.Books().DueMessages(at, 10)
		if err != nil {
			t.Fatal(err)
		}
		wantMessages(t, "due", got, want...)
		return got
	}
	m1 := store.Message{ID: "m1", Kind: "postback", Target: "https://partner.example/", Body: []byte("a=\xff"), NotBefore: day, Attempts: 1, LastError: "refused"}
	s.update(func(w store.Writer) error {
		if err := w.Books().Enqueue([]store.Message{m1, {ID: "m2", NotBefore: day}, {ID: "m3"}, {ID: "m4", NotBefore: day.Add(time.Millisecond)}, {ID: "m1", Kind: "again"}}); err != nil {
			return err
		}
		if got := due(reader{w}, day, "m3", "m1", "m2"); !reflect.DeepEqual(got[1], m1) {
			t.Errorf("got %+v, want %+v", got[1], m1)
		}
		if one, err := w.Books().DueMessages(day, 1); err != nil || len(one) != 1 {
			t.Errorf("asked for one, got %v, %v", one, err)
		}
		return nil
	})
	s.update(func(w store.Writer) error {
		b := w.Books()
		if err := errors.Join(b.Retry("m1", day.Add(time.Hour), strings.Repeat("é", store.LastErrorBytesMax)), b.Done("m3"), b.Dead("m2", "gone"), b.Dead("m4", "gone too")); err != nil {
			return err
		}
		due(reader{w}, day)
		got := due(reader{w}, day.Add(time.Hour), "m1")
		if got[0].Attempts != 2 || got[0].LastError != strings.Repeat("é", store.LastErrorBytesMax/2) {
			t.Errorf("after a retry: %d attempts, an error of %d bytes", got[0].Attempts, len(got[0].LastError))
		}
		dead, err := b.DeadMessages("", 10)
		wantMessages(t, "dead", dead, "m4", "m2")
		if err != nil || dead[1].Attempts != 1 || dead[1].LastError != "gone" {
			t.Errorf("dead: %+v, %v", dead, err)
		}
		dead, err = b.DeadMessages("m4", 10)
		wantMessages(t, "dead before", dead, "m2")
		return err
	})
	s.update(func(w store.Writer) error {
		b := w.Books()
		for what, err := range map[string]error{
			"retry of a dead one": b.Retry("m2", day, ""), "death of a dead one": b.Dead("m2", ""), "replay of a waiting one": b.Replay("m1"),
			"retry of one that is done": b.Retry("m3", day, ""), "done twice": b.Done("m3"),
		} {
			t.Run(what, func(t *testing.T) { wantCode(t, err, affiliate.NotFound) })
		}
		if err := errors.Join(b.Replay("m2"), b.Done("m4")); err != nil {
			return err
		}
		got := due(reader{w}, day, "m2")
		if got[0].Attempts != 0 || got[0].LastError != "" {
			t.Errorf("after a replay: %+v", got[0])
		}
		dead, err := b.DeadMessages("", 10)
		wantMessages(t, "dead", dead)
		return err
	})
}

func wantMessages(t *testing.T, what string, got []store.Message, want ...string) {
	t.Helper()
	ids := make([]string, 0, len(got))
	for _, m := range got {
		ids = append(ids, m.ID)
	}
	wantSame(t, what, ids, want)
}
