package catalog_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/catalog"
	"github.com/sluicehq/sluice/internal/store/sqlite"
)

const (
	crashFile  = "SLUICE_TEST_CRASH_FILE" // set in the child that is to be killed
	crashLinks = 20_000
)

// TestCrashChild is not a test: it is the process that the next test kills.
func TestCrashChild(t *testing.T) {
	path := os.Getenv(crashFile)
	if path == "" {
		t.Skip("it runs only as the child of TestKilledImport")
	}
	o := openAt(t, path)
	report, err := o.ImportLinks(t.Context(), operator, &portfolio{n: crashLinks}, catalog.ImportOptions{
		Progress: func(read int64) { fmt.Printf("read %d\n", read) }})
	if err != nil || !report.Applied {
		t.Fatal(report, err)
	}
	fmt.Println("imported")
	select {} // until it is killed
}

// TestKilledImport kills a process at a random moment of an import. What it leaves
// must be all or nothing, and all once it has said so.
func TestKilledImport(t *testing.T) {
	if testing.Short() {
		t.Skip("it wants several seconds")
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for round := range 3 {
		path := filepath.Join(t.TempDir(), "store.db")
		at := fmt.Sprintf("read %d", 10_000*(1+random.IntN(crashLinks/10_000)))
		if round == 0 {
			at = "imported"
		}
		heard := killAt(t, path, at)
		links, changes := survivors(t, path)
		t.Logf("killed at %q: %d links, %d changes", at, links, changes)
		if links != 0 && links != crashLinks || changes != links {
			t.Errorf("killed at %q, it left %d of %d links and %d changes", at, links, crashLinks, changes)
		}
		if heard && links != crashLinks {
			t.Errorf("it said that the import was stored, and %d of %d links are there", links, crashLinks)
		}
	}
}

// killAt runs the child and kills it when it prints a line; imported says whether
// it had finished.
func killAt(t *testing.T, path, line string) (imported bool) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestCrashChild$")
	child.Env = append(os.Environ(), crashFile+"="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(out)
	for scanner.Scan() && !strings.HasPrefix(scanner.Text(), line) {
		if strings.HasPrefix(scanner.Text(), "---") {
			t.Errorf("the child failed: %s", scanner.Text())
		}
	}
	imported = strings.HasPrefix(scanner.Text(), "imported")
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed; that is its error
	return imported
}

// survivors counts the links that are there and the changes that tell of them, each
// of which must be readable.
func survivors(t *testing.T, path string) (links, changes int) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	c, err := catalog.Open(t.Context(), catalog.Options{Store: s})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Snapshot(t.Context(), catalog.Visitor{Link: func(affiliate.Link) error { links++; return nil }}); err != nil {
		t.Fatal(err)
	}
	if page, err := c.FindLinks(t.Context(), catalog.LinkFilter{Limit: 1}); err != nil || page.Total != int64(links) {
		t.Errorf("a snapshot has %d links, a search finds %d, %v", links, page.Total, err)
	}
	for after := int64(0); ; {
		found, err := c.Changes(t.Context(), after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) == 0 {
			return links, changes
		}
		for _, ch := range found {
			if ch.Seq != after+1 {
				t.Fatalf("after change %d comes %d", after, ch.Seq)
			}
			after = ch.Seq
			if ch.Kind == catalog.KindLink {
				changes++
			}
		}
	}
}
