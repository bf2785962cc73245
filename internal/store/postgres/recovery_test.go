package postgres_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/store"
	"github.com/sluicehq/sluice/internal/store/postgres"
)

// TestServerIsKilled kills the server in the middle of an Update and starts it again: what was acknowledged is there, the Update is not,
// and the same store goes on.
func TestServerIsKilled(t *testing.T) {
	server := ownServer(t)
	s := open(t, postgres.Options{URL: server.url("postgres")})
	calls := make(chan struct{}, 100)
	go func() { _ = s.Watch(t.Context(), func() { calls <- struct{}{} }) }()
	<-calls
	for i := range 3 {
		if err := put(s, t, fmt.Sprint("acknowledged ", i)); err != nil {
			t.Fatal(err)
		}
	}
	err := s.Update(t.Context(), func(w store.Writer) error {
		for i := range 2000 { // enough for some to be sent
			if err := w.Documents().Put(store.Setting, store.Document{Key: fmt.Sprint(i), Body: json.RawMessage(`1`)}); err != nil {
				return err
			}
		}
		server.kill()
		return nil
	})
	var f *store.Failure
	if !errors.As(err, &f) || !errors.Is(err, store.ErrUnreachable) && !errors.Is(err, store.ErrUncertain) {
		t.Fatalf("got the error %v", err)
	}
	wantFailure(t, put(s, t, "while it is away"), store.ErrUnreachable, "start PostgreSQL")
	wantFailure(t, s.View(t.Context(), func(store.Reader) error { return nil }), store.ErrUnreachable)

	server.start()
	if err := put(s, t, "afterwards"); err != nil {
		t.Errorf("when the server is back: %v", err)
	}
	if got := strings.Join(keys(t, s), ", "); got != "acknowledged 0, acknowledged 1, acknowledged 2, afterwards" {
		t.Errorf("the store holds %s", got)
	}
	select {
	case <-calls:
	case <-time.After(20 * time.Second):
		t.Error("the watch does not say that its connection was lost meanwhile")
	}
}

// TestWrongServers sets a server up in the ways that lose something, and lets Open or Examine say so.
func TestWrongServers(t *testing.T) {
	server := ownServer(t)
	for _, c := range []struct{ name, password, word string }{{"a wrong password", "hush", "password authentication failed"}, {"no password", "", "empty password"}} {
		_, err := postgres.Open(t.Context(), postgres.Options{URL: server.url("locked"), Password: c.password})
		wantFailure(t, err, nil, "locked@127.0.0.1", "correct user and password")
		if strings.Contains(err.Error(), "hush") {
			t.Errorf("the password is in %q", err)
		}
	}
	within := strings.Replace(server.url("locked"), "locked@", "locked:se%3Fcret@", 1)
	for _, options := range []postgres.Options{{URL: server.url("locked"), Password: "se?cret", Schema: "locked"}, {URL: within, Schema: "locked"}} {
		if s := open(t, options); put(s, t, "k") != nil || s.Close() != nil {
			t.Error("the right password does not let in, or not into a schema that somebody else has made")
		}
	}
	_, err := postgres.Open(t.Context(), postgres.Options{URL: within, Schema: "another"})
	wantFailure(t, err, nil, "permission denied", "CREATE SCHEMA another AUTHORIZATION")

	server.stop()
	server.start("fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=8")
	s := open(t, postgres.Options{URL: server.url("postgres"), ConnectionsMax: 3})
	if got, err := s.WriterSetting(t.Context(), "synchronous_commit"); err != nil || got != "on" {
		t.Errorf("a change waits for the disk: %s, %v", got, err)
	}
	found, err := s.Examine(t.Context(), time.Now().Add(-time.Hour))
	wantFinding(t, found, err, true, "fsync is off")
	wantFinding(t, found, err, true, "full_page_writes is off")
	wantFinding(t, found, err, false, "synchronous_commit is off")
	wantFinding(t, found, err, false, "clock is 1h0m0s off")
	others := open(t, postgres.Options{URL: server.url("locked"), Password: "se?cret", Schema: "locked"})
	hold := make(chan struct{})
	held := make(chan error, 2)
	for range 2 {
		go func() {
			held <- others.View(t.Context(), func(store.Reader) error { <-hold; return nil })
		}()
	}
	for n := 0; n < 5; time.Sleep(10 * time.Millisecond) {
		found, err = s.Examine(t.Context(), time.Now())
		if len(found) == 4 || n == 4 {
			break
		}
		n++
	}
	wantFinding(t, found, err, false, "of the server's 5 connections are in use")
	close(hold)
	for range 2 {
		if err := <-held; err != nil {
			t.Error(err)
		}
	}
	_ = others.Close()

	server.stop()
	server.standby()
	server.start()
	wantFailure(t, put(s, t, "k"), store.ErrReadOnly, "target_session_attrs")
	found, err = s.Examine(t.Context(), time.Now())
	wantFinding(t, found, err, true, "the server is a standby")
	_, err = postgres.Open(t.Context(), postgres.Options{URL: server.url("postgres")})
	wantFailure(t, err, store.ErrReadOnly, "standby")
}

// TestSoundServer finds nothing.
func TestSoundServer(t *testing.T) {
	s := open(t, postgres.Options{Schema: schema(t)})
	found, err := s.Examine(t.Context(), time.Now())
	for _, f := range found {
		if !strings.Contains(f.Problem, "no more fixes") && !strings.Contains(f.Problem, "fsync") { // of the server that the tests are given
			t.Errorf("found %+v", f)
		}
	}
	if err != nil {
		t.Error(err)
	}
}
