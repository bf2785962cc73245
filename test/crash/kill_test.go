// Package crash proves by violence that no click is lost and none counted twice:
// the real program is killed under load, and what its visitors were told is
// compared with what its journal and its reports say.
package crash

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/testkit"
	"github.com/sluicehq/sluice/test/crowd"
	"github.com/sluicehq/sluice/test/load"
)

// links that are clicked.
const links = 1000

// rounds is how often the data plane is killed; SLUICE_CRASH_ROUNDS changes it.
const rounds = 10

// The load under which servers are killed, in clicks a second. The machine may not
// be able to make or to answer so many: what was reached is in the log.
const (
	clicksPerSecond      = 60_000 // of the data plane alone
	clicksPerSecondWhole = 5_000  // of everything in one process
)

func roundsWanted(t *testing.T) int {
	s := os.Getenv("SLUICE_CRASH_ROUNDS")
	if s == "" {
		return rounds
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("SLUICE_CRASH_ROUNDS: %q is not a number of rounds", s)
	}
	return n
}

// A data plane that is killed again and again, at any moment of its life, leaves
// every click that reached a visitor in its journal, and the next whole process
// brings each into the reports, once.
func TestDataPlaneKilledUnderLoad(t *testing.T) {
	data := t.TempDir()
	testkit.Must(t, "link", "import", portfolio(t, links), "--data", data)
	r, given := killed(t, data, roundsWanted(t), clicksPerSecond, testkit.StartRedirect)

	// The last one dies in bed: it mends what the one before may have left half written.
	if code := testkit.StartRedirect(t, data).Stop(t); code != 0 {
		t.Errorf("the last data plane stopped with exit code %d", code)
	}
	kept := journaled(t, data)
	c := load.Compare(given, kept)
	t.Logf("the journal: %s", c)
	if c.Lost+c.Doubled+c.Reused > 0 {
		t.Errorf("clicks were lost, doubled, or share an id: %s", c)
	}
	if int64(c.Extra) > r.Broken {
		t.Errorf("%d clicks were recorded without an answer, but only %d visits were broken off", c.Extra, r.Broken)
	}

	began := time.Now()
	server := testkit.StartServer(t, data)
	server.Reported(t, len(kept))
	t.Logf("in the reports after %.1f s", time.Since(began).Seconds())
	c = load.Compare(kept, exported(t, server))
	t.Logf("the reports: %s", c)
	if c.Lost+c.Doubled+c.Extra > 0 {
		t.Errorf("the reports are not what the journal held: %s", c)
	}
}

// The same of everything in one process, which also dies between storing clicks and
// releasing them from the journal.
func TestWholeServerKilledUnderLoad(t *testing.T) {
	data := t.TempDir()
	testkit.Must(t, "link", "import", portfolio(t, links), "--data", data)
	r, given := killed(t, data, min(max(roundsWanted(t)/5, 3), 20), clicksPerSecondWhole, testkit.StartServer)

	server := testkit.StartServer(t, data)
	server.Reported(t, len(given))
	c := load.Compare(given, exported(t, server))
	t.Logf("the reports: %s", c)
	if c.Lost+c.Doubled+c.Reused > 0 {
		t.Errorf("clicks were lost, doubled, or share an id: %s", c)
	}
	if int64(c.Extra) > r.Broken {
		t.Errorf("%d clicks are reported without an answer, but only %d visits were broken off", c.Extra, r.Broken)
	}
}

// killed runs servers on a data folder, one after the other, and kills each at a
// random moment under load. It returns what the visitors met and the ids of all
// clicks that reached them; the last server is dead too.
func killed(t *testing.T, data string, rounds, rate int, start func(testing.TB, string, ...string) *testkit.Server) (load.Result, load.IDs) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	server := start(t, data)
	c := crowd.Arrive(t, server.Links, links, rate, seed, "-renew", "5000")
	up := time.Duration(0) // the time in which the server could be reached
	for n := range rounds {
		if n > 0 {
			server = start(t, data)
			c.Follow(t, server.Links)
		}
		began := time.Now()
		time.Sleep(time.Duration(200+random.IntN(600)) * time.Millisecond)
		server.Kill()
		up += time.Since(began)
	}
	r, given := c.Leave(t)
	t.Logf("%d kills in %.1f s of service: %d visits, %d answered (%.0f/s while it was up), %d broken off by the kills",
		rounds, up.Seconds(), r.Sent, r.Answered, float64(r.Answered)/up.Seconds(), r.Broken)
	if r.Answered == 0 {
		t.Error("no visit was answered")
	}
	if r.Refused+r.Wrong > 0 {
		t.Errorf("%d visits were refused and %d answered wrongly; the first fault: %s", r.Refused, r.Wrong, r.FirstFault)
	}
	return r, given
}

// journaled reads the ids of all clicks in a journal that nobody serves from.
func journaled(t *testing.T, data string) (ids load.IDs) {
	t.Helper()
	cmd := exec.Command(testkit.Binary(t), "journal", "dump", data)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		rest, ok := bytes.CutPrefix(lines.Bytes(), []byte(`{"id":"`))
		id, _, _ := bytes.Cut(rest, []byte(`"`))
		if err := ids.Add(id); err != nil || !ok {
			t.Errorf("the journal has a line %.200q", lines.Bytes())
			break
		}
	}
	_, _ = io.Copy(io.Discard, out)
	if err := errors.Join(lines.Err(), cmd.Wait()); err != nil {
		t.Errorf("the journal cannot be read: %v\n%s", err, &said)
	}
	return ids
}

// exported reads the ids of all clicks in the reports.
func exported(t *testing.T, s *testkit.Server) (ids load.IDs) {
	t.Helper()
	s.Stream(t, "/api/v1/clicks/export?format=csv", func(body io.Reader) (err error) {
		ids, err = load.ReadExport(body)
		return err
	})
	return ids
}
