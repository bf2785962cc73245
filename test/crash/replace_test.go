package crash

import (
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/testkit"
	"github.com/sluicehq/sluice/test/crowd"
	"github.com/sluicehq/sluice/test/load"
)

// clicksPerSecondReplaced is the load under which servers take over from each other.
const clicksPerSecondReplaced = 10_000

// A server is replaced by the next one under load, again and again: no request
// fails, and each click is in the reports once.
func TestReplacedUnderLoad(t *testing.T) {
	data := t.TempDir()
	testkit.Must(t, "link", "import", portfolio(t, links), "--data", data)
	server := testkit.StartServer(t, data)
	c := crowd.Arrive(t, server.Links, links, clicksPerSecondReplaced, 1, "-renew", "5000")
	const replacements = 3
	for range replacements {
		time.Sleep(500 * time.Millisecond)
		next := testkit.StartServer(t, data, "--replace")
		if next.Links != server.Links || next.Admin != server.Admin {
			t.Fatalf("the successor listens on %s and %s, the first on %s and %s", next.Links, next.Admin, server.Links, server.Admin)
		}
		if code := server.Ended(t); code != 0 {
			t.Errorf("the server that was replaced ended with exit code %d\n%s", code, server.Output())
		}
		server = next
	}
	time.Sleep(300 * time.Millisecond)
	r, given := c.Leave(t)
	t.Logf("%d replacements, %d visits", replacements, r.Sent)
	if r.Broken+r.Refused+r.Wrong+r.NotConnected > 0 || r.Answered == 0 {
		t.Errorf("requests failed: %s", &r)
	}
	server.Reported(t, len(given))
	if found := load.Compare(given, exported(t, server)); found.Lost+found.Doubled+found.Extra+found.Reused > 0 {
		t.Errorf("the reports: %s", found)
	}
}
