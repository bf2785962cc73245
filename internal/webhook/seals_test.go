package webhook

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

func sealsOf(secrets ...byte) *Seals {
	var ring affiliate.Keyring
	for i, b := range secrets {
		ring = append(ring, affiliate.Key{Number: uint8(i + 1), Secret: bytes.Repeat([]byte{b}, 32)})
	}
	return NewSeals("keys/webhook", ring, nil)
}

func TestASealFitsItsEndpointAndKey(t *testing.T) {
	s := sealsOf(1)
	sealed, err := s.seal("webhook/shop", newKey)
	if err != nil || !isSealed(sealed) || strings.Contains(sealed, newKey) {
		t.Fatalf("sealed %q, %v", sealed, err)
	}
	for name, c := range map[string]struct {
		seals         *Seals
		endpoint, one string
		fits          bool
	}{
		"the same":         {s, "webhook/shop", sealed, true},
		"a newer key":      {sealsOf(2, 1), "webhook/shop", sealed, true},
		"another key":      {sealsOf(2), "webhook/shop", sealed, false},
		"another endpoint": {s, "webhook/other", sealed, false},
		"a bit":            {s, "webhook/shop", sealedPrefix + "A" + sealed[len(sealedPrefix)+1:], sealed[len(sealedPrefix)] == 'A'},
		"cut":              {s, "webhook/shop", sealedPrefix + "AAAA", false},
		"no key":           {NewSeals("keys/webhook", nil, errors.New("permission denied")), "webhook/shop", sealed, false},
		"in the clear":     {s, "webhook/shop", newKey, true},
	} {
		got, err := c.seals.open(c.endpoint, c.one)
		if (err == nil) != c.fits || c.fits && got != newKey {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if err != nil && (!strings.Contains(err.Error(), "keys/webhook") || !strings.Contains(err.Error(), "nothing is lost")) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewSeals("keys/webhook", nil, errors.New("gone")).seal("webhook/shop", newKey); affiliate.CodeOf(err) != affiliate.Unavailable {
		t.Errorf("sealed without a key: %v", err)
	}
}

// An earlier version's secrets are encrypted at the start; with a wrong key messages wait, without
// being counted, and are delivered once the key is back.
func TestDeliveriesWaitForTheKey(t *testing.T) {
	r := receive(t, nil)
	p := open(t, nil)
	p.save(Endpoint{ID: "shop", URL: r.URL, Secret: newKey, OldSecret: oldKey, OldUntil: begin.Add(time.Hour)}) // in the clear
	right, wrong := sealsOf(1), sealsOf(2)
	for i, want := range []int{1, 0} {
		if n, err := SealStored(t.Context(), p.store, right); err != nil || n != want {
			t.Errorf("start %d changed %d, %v", i, n, err)
		}
	}
	p.update(func(w store.Writer) error {
		d, err := w.Documents().Get(store.Endpoint, "webhook/shop")
		if text := string(d.Body); strings.Contains(text, newKey) || strings.Contains(text, oldKey) || !strings.Contains(text, sealedPrefix) {
			t.Errorf("stored %s", text)
		}
		return err
	})
	if n, err := SealStored(t.Context(), p.store, wrong); err != nil || n != 0 || strings.Join(wrong.Closed(), " ") != "shop" {
		t.Errorf("with another key: %d changed, %v, closed %v", n, err, wrong.Closed())
	}
	p.send("shop", 1)
	p.options.Seals = wrong
	p.deliver()
	if w := p.waiting(); len(r.all()) != 0 || len(w) != 1 || w[0].Attempts != 0 {
		t.Fatalf("%d arrived, waiting %+v", len(r.all()), w)
	}
	p.later(sealedWait)
	p.options.Seals = right
	p.deliver()
	all := r.all()
	if len(all) != 1 {
		t.Fatalf("%d arrived", len(all))
	}
	h := all[0].header
	if want := signature(t, newKey, h.Get("webhook-id"), h.Get("webhook-timestamp"), all[0].body); !strings.HasPrefix(h.Get("webhook-signature"), want+" ") {
		t.Errorf("signed %q, want %q first", h.Get("webhook-signature"), want)
	}

	// Who has lost the key gives a new secret: it signs alone, at once.
	d := NewDesk(DeskOptions{Store: p.store, Policy: loopback, Random: rand.Reader, Now: p.now, Seals: wrong})
	turned, err := d.Rotate(t.Context(), "admin", "shop", time.Hour)
	must(t, err)
	if secretFault(turned.Secret) != "" || len(wrong.Closed()) != 0 || isSealed(p.endpoint("shop").OldSecret) {
		t.Errorf("turned %+v, closed %v", turned, wrong.Closed())
	}
	p.update(func(w store.Writer) error {
		return w.Books().Enqueue([]store.Message{{ID: "msg_new", Kind: KindWebhook, Target: "webhook/shop", Body: []byte(`{}`)}})
	})
	p.options.Seals = wrong
	p.deliver()
	if all = r.all(); len(all) != 2 {
		t.Fatalf("%d arrived", len(all))
	}
	h = all[1].header
	if want := signature(t, turned.Secret, h.Get("webhook-id"), h.Get("webhook-timestamp"), all[1].body); h.Get("webhook-signature") != want {
		t.Errorf("signed %q, want %q", h.Get("webhook-signature"), want)
	}

	made, err := d.Create(t.Context(), "admin", Endpoint{ID: "new", URL: r.URL})
	must(t, err)
	if stored := p.endpoint("new").Secret; secretFault(made.Secret) != "" || !isSealed(stored) {
		t.Errorf("made %+v, stored %q", made, stored)
	}
	if _, err := d.Update(t.Context(), "admin", Endpoint{ID: "new", URL: r.URL, Disabled: true}, 0); err != nil {
		t.Errorf("an endpoint whose secret is encrypted cannot be changed: %v", err)
	}
}
