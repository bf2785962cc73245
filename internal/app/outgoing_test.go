package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/store"
)

// A secret is never in the store in the clear, and another key in the file becomes an alarm
// that ends with a new secret.
func TestSecretsOfWebhooksNeedTheirKey(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	var made struct{ Secret string }
	if status := p.call("POST", "/api/v1/webhooks", `{"id": "shop", "url": "https://shop.example/hook"}`, &made); status != 201 || made.Secret == "" {
		t.Fatalf("%d, %+v", status, made)
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(p.app.office.get().store.View(t.Context(), func(r store.Reader) error {
		d, err := r.Documents().Get(store.Endpoint, "webhook/shop")
		if strings.Contains(string(d.Body), made.Secret) || !strings.Contains(string(d.Body), "sealed1:") {
			t.Errorf("stored %s", d.Body)
		}
		return err
	}))
	p.stop()
	key := filepath.Join(dir, "keys", "webhook")
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", info, err)
	}
	check(os.WriteFile(key, []byte("1 "+strings.Repeat("ab", 32)+"\n"), 0o600))
	p = start(t, dir)
	raised := func() string {
		for _, a := range p.app.alarms() {
			if a.Name == alarmSecrets {
				return a.What + "; " + a.Remedy
			}
		}
		return ""
	}
	for _, want := range []string{key, "shop", "nothing is lost"} {
		if got := raised(); !strings.Contains(got, want) {
			t.Errorf("the alarm %q does not say %q", got, want)
		}
	}
	if status := p.call("POST", "/api/v1/webhooks/shop/rotate", `{}`, &made); status != 200 || raised() != "" {
		t.Errorf("a new secret: %d, alarm %q", status, raised())
	}
}
