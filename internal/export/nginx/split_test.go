package nginx

import (
	"fmt"
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/export"
)

// Visitors are shared out by the weights, each stays where he is, and one that is down gives its
// own visitors to the others.
func TestShares(t *testing.T) {
	binary := needNginx(t)
	dir := t.TempDir()
	const visitors = 3000
	ds := func(down bool) []affiliate.Destination {
		return []affiliate.Destination{{ID: "a", URL: "https://shop.example/a", Weight: 1}, {ID: "b", URL: "https://shop.example/b", Weight: 2, Down: down}, {ID: "c", URL: "https://shop.example/c", Weight: 7}}
	}
	from := &export.Source{Sites: []affiliate.Site{{ID: "main", Prefix: "/go/"}}, Links: each([]affiliate.Link{
		{ID: 1, Site: "main", Slug: "up", Destinations: ds(false)}, {ID: 2, Site: "main", Slug: "down", Destinations: ds(true)}})}
	if _, err := newTarget(t, dir, "").Export(t.Context(), from, time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC), dir); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	s := startNginxWith(t, binary, dir, "listen "+address+";", "")
	defer s.stop(t)

	shares := func(slug string) map[string]int {
		counts := map[string]int{}
		for i := range visitors {
			visitor := fmt.Sprintf("%016x", i*7919)
			to := strings.TrimPrefix(s.get(t, "/go/"+slug, []string{"Cookie: sluice_v=" + visitor}).location, "https://shop.example/")
			counts[to]++
			if i%100 == 0 {
				if again := s.get(t, "/go/"+slug, []string{"Cookie: sluice_v=" + visitor}).location; again != "https://shop.example/"+to {
					t.Fatalf("visitor %s was sent to %q, and then to %s", visitor, to, again)
				}
			}
		}
		return counts
	}
	want := func(counts map[string]int, to string, share float64) {
		t.Helper()
		if got, sigma := float64(counts[to]), math.Sqrt(visitors*share*(1-share)); math.Abs(got-visitors*share) > 5*sigma {
			t.Errorf("%q has %v of %d visitors, want a share of %v", to, got, visitors, share)
		}
	}
	up := shares("up")
	want(up, "a", 0.1)
	want(up, "b", 0.2)
	want(up, "c", 0.7)
	down := shares("down")
	if down["b"] > 0 || len(down) != 2 {
		t.Errorf("with b down the visitors go to %v", down)
	}
	want(down, "a", 0.1+0.2/8)
	want(down, "c", 0.7+0.2*7/8)
}
