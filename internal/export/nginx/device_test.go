package nginx

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/export"
	"github.com/sluicehq/sluice/internal/useragent"
)

// nginx tells the classes of devices apart as useragent does, also of user agents that nobody has.
func TestDevices(t *testing.T) {
	binary := needNginx(t)
	dir := t.TempDir()
	target, err := New(Options{Log: dir + "/visits.log"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := target.Export(t.Context(), &export.Source{Links: each(nil)}, time.Now(), dir); err != nil {
		t.Fatal(err)
	}
	s := startNginxWith(t, binary, dir, `location = /device { return 200 "$sluice_device,$sluice_bot"; }`, "master_process off;")
	defer s.stop(t)
	b, err := os.ReadFile("../../../testdata/devices.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases []struct{ Name, UA, Mobile string }
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	var words []string
	ask := func(ua, mobile string) {
		t.Helper()
		class, isTool := useragent.Classify(ua, mobile)
		want := class.String() + ","
		if class == useragent.Bot && !isTool {
			want += "1"
		}
		got := s.get(t, "/device", []string{"User-Agent: " + ua, "Sec-CH-UA-Mobile: " + mobile})
		if got.body != want {
			t.Errorf("%q, %q: nginx says %q, want %q", ua, mobile, got.body, want)
		}
	}
	for _, c := range file.Cases {
		if strings.ContainsAny(c.UA, "\r\n\x00") || len(c.UA) > 1024 || c.UA != strings.TrimSpace(c.UA) {
			continue // cannot be sent, or only its beginning counts
		}
		ask(c.UA, c.Mobile)
		words = append(words, regexp.MustCompile(`[A-Za-z0-9.]+|[^A-Za-z0-9.]+`).FindAllString(c.UA, -1)...)
	}
	if len(file.Cases) < 50 {
		t.Fatalf("only %d devices", len(file.Cases))
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	for range 1500 {
		var ua strings.Builder
		for range 1 + random.IntN(8) {
			w := words[random.IntN(len(words))]
			from := random.IntN(len(w))
			ua.WriteString(w[from/3:])
		}
		text := strings.TrimSpace(ua.String())
		if len(text) < 1000 && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			ask(text, []string{"", "?0", "?1"}[random.IntN(3)])
		}
	}
	if t.Failed() {
		fmt.Println("seed", seed)
	}
}
