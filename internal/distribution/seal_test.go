package distribution

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/routing"
)

func TestSeal(t *testing.T) {
	key := Key(bytes.Repeat([]byte{7}, 32))
	changes := []routing.Change{{Seq: 6, SiteGone: "main"}, {Seq: 7, ProgramGone: "acme"}}
	s, err := key.Step(1, 5, 7, changes)
	if err != nil {
		t.Fatal(err)
	}
	got, err := key.Changes(1, &s)
	if err != nil || len(got) != 2 || got[1].ProgramGone != "acme" || got[1].Seq != 7 {
		t.Fatalf("got %+v, %v", got, err)
	}
	for name, change := range map[string]func(epoch *int64, s *Step, k *Key){
		"another epoch":  func(epoch *int64, _ *Step, _ *Key) { *epoch = 2 },
		"another start":  func(_ *int64, s *Step, _ *Key) { s.From = 4 },
		"another end":    func(_ *int64, s *Step, _ *Key) { s.To = 8 },
		"another target": func(_ *int64, s *Step, _ *Key) { s.Body = bytes.Replace(s.Body, []byte("main"), []byte("evil"), 1) },
		"another secret": func(_ *int64, _ *Step, k *Key) { *k = bytes.Repeat([]byte{8}, 32) },
		"a cut":          func(_ *int64, s *Step, _ *Key) { s.Body = s.Body[:70] },
		"nothing":        func(_ *int64, s *Step, _ *Key) { s.Body = nil },
	} {
		epoch, forged, other := int64(1), Step{s.From, s.To, false, bytes.Clone(s.Body)}, key
		change(&epoch, &forged, &other)
		if _, err := other.Changes(epoch, &forged); affiliate.CodeOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An older version says that it must be upgraded, and does not guess.
func TestStepOfNewerVersion(t *testing.T) {
	key := Key("secret")
	doc := `{"version":2,"changes":[{"seq":6,"site_gone":"main"}]}`
	s := Step{From: 5, To: 6, Body: append(key.seal(stepText(1, 5, 6), []byte(doc)), " "+doc...)}
	if _, err := key.Changes(1, &s); err == nil || !strings.Contains(err.Error(), "upgrade this node") {
		t.Fatalf("got %v", err)
	}
	// A field that it does not know is no reason.
	doc = `{"version":1,"lately":true,"changes":[{"seq":6,"site_gone":"main","newer":{"a":1}}]}`
	s.Body = append(key.seal(stepText(1, 5, 6), []byte(doc)), " "+doc...)
	if got, err := key.Changes(1, &s); err != nil || len(got) != 1 || got[0].SiteGone != "main" {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestSealOfSnapshot(t *testing.T) {
	key := Key("secret")
	s := Snapshot{Seq: 5, Format: 2, Links: 7, Bytes: 100, SHA256: "ab"}
	key.Seal(1, &s)
	if err := key.Check(1, &s); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(s *Snapshot){
		"number": func(s *Snapshot) { s.Seq++ }, "format": func(s *Snapshot) { s.Format++ }, "links": func(s *Snapshot) { s.Links++ },
		"bytes": func(s *Snapshot) { s.Bytes++ }, "sum": func(s *Snapshot) { s.SHA256 = "ac" }, "seal": func(s *Snapshot) { s.Seal = "" },
	} {
		forged := s
		change(&forged)
		if err := key.Check(1, &forged); affiliate.CodeOf(err) != affiliate.Unsigned {
			t.Errorf("another %s: %v", name, err)
		}
	}
	if err := key.Check(2, &s); err == nil {
		t.Error("another epoch")
	}
}
