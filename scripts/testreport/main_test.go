package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const m = `"Package":"github.com/sluicehq/sluice/internal/`

var passing = []string{
	`{"Action":"run",` + m + `store/sqlite","Test":"TestA"}`,
	`{"Action":"output",` + m + `store/sqlite","Test":"TestA","Output":"chatter\n"}`,
	`{"Action":"pass",` + m + `store/sqlite","Test":"TestA"}`,
	`{"Action":"pass",` + m + `store/sqlite","Elapsed":1.5}`,
}

func TestReport(t *testing.T) {
	for name, c := range map[string]struct {
		lines []string
		ok    bool
		has   []string
		hasNo []string
	}{
		"all well": {nil, true, []string{"ok    store/sqlite", "1 tests passed in 1 packages, 0 failed", "engines met: store/sqlite (1 tests)"}, []string{"chatter"}},
		"a failed test is quoted": {[]string{
			`{"Action":"output",` + m + `api","Test":"TestB","Output":"want 1\n"}`,
			`{"Action":"fail",` + m + `api","Test":"TestB"}`,
			`{"Action":"fail",` + m + `api"}`,
		}, false, []string{"--- FAIL: internal/api TestB\nwant 1", "FAIL  api"}, nil},
		"a panic outside of a test": {[]string{
			`{"Action":"output",` + m + `api","Output":"panic: in TestMain\n"}`,
			`{"Action":"fail",` + m + `api"}`,
		}, false, []string{"panic: in TestMain"}, nil},
		"a package that does not compile": {[]string{
			`{"ImportPath":"x/api","Action":"build-output","Output":"api.go:1: undefined: y\n"}`,
			`{"ImportPath":"x/api","Action":"build-fail"}`,
			`{"Action":"fail",` + m + `api","FailedBuild":"x/api"}`,
		}, false, []string{"api.go:1: undefined: y"}, nil},
		"a skip says why": {[]string{
			`{"Action":"output",` + m + `api","Test":"TestC","Output":"=== RUN   TestC\n"}`,
			`{"Action":"output",` + m + `api","Test":"TestC","Output":"    a_test.go:3: needs a browser\n"}`,
			`{"Action":"skip",` + m + `api","Test":"TestC"}`,
		}, true, []string{"1 skipped", "skipped: internal/api TestC: a_test.go:3: needs a browser"}, nil},
		"words of the go command": {[]string{"go: downloading x v1"}, true, []string{"go: downloading x v1"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			in := strings.Join(append(append([]string(nil), passing...), c.lines...), "\n")
			ok, err := report(strings.NewReader(in), &out, []string{"store/sqlite"})
			if err != nil || ok != c.ok {
				t.Errorf("ok = %v, %v; want %v", ok, err, c.ok)
			}
			for _, text := range c.has {
				if !strings.Contains(out.String(), text) {
					t.Errorf("%q is not in:\n%s", text, out.String())
				}
			}
			for _, text := range c.hasNo {
				if strings.Contains(out.String(), text) {
					t.Errorf("%q is in:\n%s", text, out.String())
				}
			}
		})
	}
}

func TestDeclaredEnginesMustBeMet(t *testing.T) {
	internal := t.TempDir()
	for _, file := range []string{"store/sqlite/a.go", "store/sqlite/b.go", "store/postgres/a.go", "store/storetest/a.go", "store/store.go", "queue/notes/README.md"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(internal, file)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(internal, file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	declared, err := engines(internal)
	if err != nil || strings.Join(declared, " ") != "store/postgres store/sqlite" {
		t.Fatalf("engines = %q, %v", declared, err)
	}
	var out strings.Builder
	ok, err := report(strings.NewReader(strings.Join(passing, "\n")), &out, declared)
	if ok || err != nil || !strings.Contains(out.String(), "the engine store/postgres ran no test") {
		t.Errorf("ok = %v, %v:\n%s", ok, err, out.String())
	}
}

func TestNothingTestedFails(t *testing.T) {
	var out strings.Builder
	if ok, _ := report(strings.NewReader(""), &out, nil); ok {
		t.Errorf("an empty run passed:\n%s", out.String())
	}
}
