package webhook

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
)

func (p *post) desk() *Desk {
	return NewDesk(DeskOptions{Store: p.store, Policy: loopback, Random: rand.Reader, Now: p.now})
}

// What the desk hands out has a secret only where it was made, and never the old one.
func TestTheDeskShowsSecretsOnce(t *testing.T) {
	p := open(t, nil)
	d := p.desk()
	ctx := t.Context()
	made, err := d.Create(ctx, "admin", Endpoint{ID: "shop", URL: "https://shop.example/hook", Secret: oldKey, OldSecret: newKey, OldUntil: begin})
	must(t, err)
	if made.Secret == oldKey || made.OldSecret != "" || secretFault(made.Secret) != "" {
		t.Errorf("made %+v: the secret should be a new one", made)
	}
	turned, err := d.Rotate(ctx, "admin", "shop", time.Hour)
	must(t, err)
	if turned.Secret == made.Secret || turned.OldSecret != "" || !turned.OldUntil.Equal(begin.Add(time.Hour)) {
		t.Errorf("turned %+v", turned)
	}
	changed, err := d.Update(ctx, "admin", Endpoint{ID: "shop", URL: "https://shop.example/hook2", Secret: oldKey}, turned.Version)
	must(t, err)
	one, err := d.Endpoint(ctx, "shop")
	must(t, err)
	all, err := d.List(ctx)
	must(t, err)
	for _, e := range append(all, changed, one) {
		if e.Secret != "" || e.OldSecret != "" || e.URL != "https://shop.example/hook2" {
			t.Errorf("shown %+v", e)
		}
	}
}

// Messages carry the signatures of both secrets until the time is over, as receivers see it.
func TestRotationAsReceiversSeeIt(t *testing.T) {
	r := receive(t, nil)
	p := open(t, nil)
	made, err := p.desk().Create(t.Context(), "admin", Endpoint{ID: "shop", URL: r.URL})
	must(t, err)
	turned, err := p.desk().Rotate(t.Context(), "admin", "shop", time.Hour)
	must(t, err)
	p.send("shop", 1)
	p.deliver()
	p.later(time.Hour)
	p.send("shop", 2)
	p.deliver()
	for i, d := range r.all() {
		h := d.header
		var want []string
		for _, secret := range []string{turned.Secret, made.Secret}[:2-min(i, 1)] {
			want = append(want, signature(t, secret, h.Get("webhook-id"), h.Get("webhook-timestamp"), d.body))
		}
		if got := h.Get("webhook-signature"); got != strings.Join(want, " ") {
			t.Errorf("message %d is signed %q, want %q", i, got, want)
		}
	}
	if len(r.all()) != 3 {
		t.Errorf("received %d", len(r.all()))
	}
}

// An endpoint that was disabled by its answer says why until it is enabled.
func TestWhyAnEndpointIsDisabled(t *testing.T) {
	p := open(t, nil)
	d := p.desk()
	p.save(Endpoint{ID: "shop", URL: "https://shop.example/hook", Disabled: true, DisabledWhy: "it answered 410 Gone"})
	for _, c := range []struct {
		disabled bool
		why      string
	}{{true, "it answered 410 Gone"}, {false, ""}, {true, ""}} {
		e, err := d.Update(t.Context(), "admin", Endpoint{ID: "shop", URL: "https://shop.example/hook", Disabled: c.disabled, DisabledWhy: "forged"}, 0)
		must(t, err)
		if e.Disabled != c.disabled || e.DisabledWhy != c.why {
			t.Errorf("%+v: %+v", c, e)
		}
	}
}

func TestTheDeskRefuses(t *testing.T) {
	p := open(t, nil)
	d := p.desk()
	p.save(Endpoint{ID: "shop", URL: "https://shop.example/hook"})
	for _, keep := range []time.Duration{-1, KeepMax + 1} {
		if _, err := d.Rotate(t.Context(), "admin", "shop", keep); affiliate.CodeOf(err) != affiliate.Invalid {
			t.Errorf("kept for %s: %v", keep, err)
		}
	}
	broken := NewDesk(DeskOptions{Store: p.store, Random: bytes.NewReader(nil), Now: p.now})
	if _, err := broken.Create(t.Context(), "admin", Endpoint{ID: "two", URL: "https://shop.example/hook"}); err == nil {
		t.Error("a secret was made of nothing")
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.List(over); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}
