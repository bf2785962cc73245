// Command testreport reads what `go test -json` prints and shows what matters:
// a line for each package, everything that a failed test said, and at the end
// what was met and what was not: how many tests, which engines ran their
// contract's suite, and which tests were skipped and why. It fails when a test
// failed, when nothing was tested, and when an engine that the source declares
// ran no test.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const module = "github.com/sluicehq/sluice/"

// contractRooms hold a contract, its suite and its engines.
var contractRooms = []string{"store", "queue", "analytics", "distribution", "network", "export"}

func main() {
	declared, err := engines("internal")
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(2)
	}
	ok, err := report(os.Stdin, os.Stdout, declared)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

// engines lists the engines in the source, such as "store/sqlite".
func engines(internal string) ([]string, error) {
	var found []string
	for _, room := range contractRooms {
		files, err := filepath.Glob(filepath.Join(internal, room, "*", "*.go"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			name := path.Join(room, filepath.Base(filepath.Dir(file)))
			if !strings.HasSuffix(name, "test") && !slices.Contains(found, name) {
				found = append(found, name)
			}
		}
	}
	return found, nil
}

// event is one line of `go test -json`.
type event struct {
	Action     string
	Package    string
	ImportPath string // of build-output
	Test       string
	Elapsed    float64
	Output     string
}

// tally is what became of the tests.
type tally struct {
	out      io.Writer
	said     map[[2]string]string // by package and test, until its end
	built    map[string]string    // what the compiler said, by package
	passed   map[string]int       // by package
	skipped  []string
	failed   int
	packages int
}

func report(in io.Reader, out io.Writer, declared []string) (bool, error) {
	began := time.Now()
	t := &tally{out: out, said: map[[2]string]string{}, built: map[string]string{}, passed: map[string]int{}}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				_, _ = out.Write(line) // the go command's own words
			} else {
				t.take(e)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return false, err
		}
	}
	return t.finish(time.Since(began), declared), nil
}

func (t *tally) take(e event) {
	name := strings.TrimPrefix(e.Package, module)
	key := [2]string{name, e.Test}
	switch e.Action {
	case "build-output":
		t.built[e.ImportPath] += e.Output
	case "build-fail":
		t.print("%s", t.built[e.ImportPath])
	case "output":
		t.said[key] += e.Output
	case "pass", "fail", "skip":
		if e.Test == "" {
			t.endPackage(name, e)
		} else {
			t.endTest(name, e)
		}
		delete(t.said, key)
	}
}

func (t *tally) endTest(name string, e event) {
	switch e.Action {
	case "pass":
		t.passed[name]++
	case "skip":
		t.skipped = append(t.skipped, fmt.Sprintf("%s %s: %s", name, e.Test, reason(t.said[[2]string{name, e.Test}])))
	case "fail":
		t.failed++
		t.print("--- FAIL: %s %s\n%s", name, e.Test, t.said[[2]string{name, e.Test}])
	}
}

func (t *tally) endPackage(name string, e event) {
	switch e.Action {
	case "pass":
		t.packages++
		t.print("ok    %-28s %5d tests %7.1f s\n", strings.TrimPrefix(name, "internal/"), t.passed[name], e.Elapsed)
	case "fail":
		t.packages++
		t.failed++
		// What was said outside of a finished test: a panic, a race, a timeout.
		for key, said := range t.said {
			if key[0] == name {
				t.print("%s", said)
			}
		}
		t.print("FAIL  %-28s %5d tests passed %7.1f s\n", strings.TrimPrefix(name, "internal/"), t.passed[name], e.Elapsed)
	}
}

// reason is what a skipped test said, without the go command's frame around it.
func reason(said string) string {
	var kept []string
	for _, line := range strings.Split(said, "\n") {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") {
			kept = append(kept, line)
		}
	}
	if len(kept) == 0 {
		return "no reason given"
	}
	return strings.Join(kept, " ")
}

func (t *tally) finish(took time.Duration, declared []string) bool {
	total := 0
	for _, passed := range t.passed {
		total += passed
	}
	var met, absent []string
	for _, engine := range declared {
		if passed := t.passed["internal/"+engine]; passed > 0 {
			met = append(met, fmt.Sprintf("%s (%d tests)", engine, passed))
		} else {
			absent = append(absent, engine)
		}
	}
	t.print("%d tests passed in %d packages, %d failed, %d skipped, %.0f s\n", total, t.packages, t.failed, len(t.skipped), took.Seconds())
	t.print("engines met: %s\n", strings.Join(met, ", "))
	for _, skipped := range t.skipped {
		t.print("skipped: %s\n", skipped)
	}
	for _, engine := range absent {
		t.print("FAIL: the engine %s ran no test: run its contract's suite in internal/%s\n", engine, engine)
	}
	if total == 0 {
		t.print("FAIL: no test passed\n")
	}
	return t.failed == 0 && len(absent) == 0 && total > 0
}

func (t *tally) print(format string, values ...any) {
	_, _ = fmt.Fprintf(t.out, format, values...)
}
