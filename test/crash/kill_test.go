package crash

import (
	"context"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/testkit"
)

// rounds is how often the server is killed; SLUICE_CRASH_ROUNDS changes it.
const rounds = 20

// clicksPerSecond is the load under which it is killed.
const clicksPerSecond = 5000

func TestKilledUnderLoad(t *testing.T) {
	n := rounds
	if s := os.Getenv("SLUICE_CRASH_ROUNDS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatalf("SLUICE_CRASH_ROUNDS: %v", err)
		}
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	data := t.TempDir()
	server := testkit.StartServer(t, data)
	for i := range 20 {
		link := map[string]any{"slug": fmt.Sprintf("link-%d", i), "url": fmt.Sprintf("https://shop.example/p/%d?sid={click_id}", i)}
		if status := server.API(t, "POST", "/api/v1/links", link, nil); status != 201 {
			t.Fatalf("a link could not be made: %d", status)
		}
	}
	v := newVisitors(clicksPerSecond, 16, func(n int) string { return fmt.Sprintf("/go/link-%d", n%20) })
	v.follow(server.Links)
	ctx, stop := context.WithCancel(t.Context())
	v.start(ctx)
	up := time.Duration(0) // the time in which the server could be reached
	for range n {
		began := time.Now()
		time.Sleep(time.Duration(300+random.IntN(1200)) * time.Millisecond)
		server.Kill()
		up += time.Since(began)
		server = testkit.StartServer(t, data)
		v.follow(server.Links)
	}
	stop()
	v.answers.Wait()
	server.Drained(t)

	counted := reported(t, server)
	lost, doubled, unasked := 0, 0, 0
	for id, times := range v.ids {
		if times > 1 {
			t.Errorf("the id %s was given to %d clicks", id, times)
		}
		if counted[id] == 0 {
			lost++
		}
	}
	for id, times := range counted {
		if times > 1 {
			doubled++
		}
		if v.ids[id] == 0 {
			unasked++ // recorded, but its 302 was cut off by the kill
		}
	}
	t.Logf("%d kills in %.1f s of service: %d clicks sent, %d answered (%.0f/s), %d reported, %d of those not answered; lost %d, doubled %d",
		n, up.Seconds(), v.sent.Load(), v.answered.Load(), float64(v.answered.Load())/up.Seconds(), len(counted), unasked, lost, doubled)
	if lost > 0 || doubled > 0 {
		t.Errorf("%d clicks were lost and %d counted twice", lost, doubled)
	}
	if v.answered.Load() == 0 {
		t.Error("no click was answered")
	}
	if unasked > n*v.lanes {
		t.Errorf("%d clicks are reported that nobody made", unasked-n*v.lanes)
	}
}

// reported exports the raw clicks and counts each id.
func reported(t *testing.T, s *testkit.Server) map[string]int {
	t.Helper()
	var text string
	if status := s.API(t, "GET", "/api/v1/clicks/export?format=csv", nil, &text); status != 200 {
		t.Fatalf("the clicks could not be exported: %d %.200s", status, text)
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := -1
	for i, name := range rows[0] {
		if name == "id" || name == "click_id" {
			column = i
		}
	}
	if column < 0 {
		t.Fatalf("no id among the columns %q", rows[0])
	}
	counted := make(map[string]int, len(rows))
	for _, row := range rows[1:] {
		counted[row[column]]++
	}
	return counted
}
