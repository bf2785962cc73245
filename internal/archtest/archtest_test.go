package archtest

import (
	"path"
	"slices"
	"strings"
	"testing"
)

func report(t *testing.T, faults []string) {
	t.Helper()
	for _, fault := range faults {
		t.Error(fault)
	}
}

func TestRoomsImportInOneDirection(t *testing.T) {
	packages := list(t, "./internal/...", "./cmd/...", "./scripts/...", "./test/...")
	if len(packages) < 20 {
		t.Fatalf("go list found %d packages: is this the whole module?", len(packages))
	}
	report(t, checkRooms(packages, rooms))
	report(t, checkImporters(packages))
}

func TestPromisesHoldThroughEveryImport(t *testing.T) {
	report(t, checkNevers(list(t, "-deps", "./internal/...")))
}

func TestLibrariesStayAtHome(t *testing.T) {
	report(t, checkLibraries(list(t, "./internal/...", "./cmd/...", "./scripts/...", "./test/...")))
}

// A row that cannot be met any more is a rule that guards nothing. Rooms may
// stand in the table before they are built.
func TestTablesNameWhatExists(t *testing.T) {
	for _, r := range rooms {
		if r.why == "" {
			t.Errorf("the row of %s gives no reason", r.pkg)
		}
	}
	named := func(name string) bool {
		return slices.ContainsFunc(rooms, func(r room) bool { return r.pkg == name || matches(name, []string{r.pkg}) })
	}
	for _, row := range nevers {
		if !named(row.pkg) || row.why == "" {
			t.Errorf("nevers: %q is no room, or without a reason", row.pkg)
		}
		for _, never := range row.never {
			if !named(strings.TrimSuffix(never, "/*")) && !strings.Contains(never, ".") && !knownStandard[never] {
				t.Errorf("nevers: %q, which %s must never reach, is nothing we know", never, row.pkg)
			}
		}
	}
	for _, row := range importers {
		if !named(row.pkg) || row.why == "" {
			t.Errorf("importers: %q is no room, or without a reason", row.pkg)
		}
	}
}

var knownStandard = map[string]bool{"database/sql": true, "encoding/csv": true, "html/template": true, "net/http": true}

// Each rule is broken on purpose, so that we know that it would speak.
func TestEachRuleCanBeBroken(t *testing.T) {
	of := func(name string, imports ...string) pkg {
		p := pkg{ImportPath: module + "/internal/" + name, Name: path.Base(name)}
		for _, imported := range imports {
			if inner, ok := strings.CutPrefix(imported, "our "); ok {
				imported = module + "/internal/" + inner
			}
			p.Imports = append(p.Imports, imported)
		}
		return p
	}
	check := func(packages []pkg) []string { return checkRooms(packages, rooms) }
	for name, c := range map[string]struct {
		check    func([]pkg) []string
		packages []pkg
		want     string // start of the only fault; "" for none
	}{
		"allowed imports":            {check, []pkg{of("redirect", "our routing", "our affiliate", "net/http")}, ""},
		"the hot path asks a store":  {check, []pkg{of("redirect", "our store")}, "redirect must not import store: visitors are answered"},
		"an engine asks another":     {check, []pkg{of("store/postgres", "our store/sqlite")}, "store/postgres must not import store/sqlite: an engine never"},
		"an engine asks its room":    {check, []pkg{of("store/postgres", "our store", "our affiliate", "database/sql")}, ""},
		"an engine asks a room":      {check, []pkg{of("store/postgres", "our queue")}, "store/postgres must not import queue"},
		"a suite asks an engine":     {check, []pkg{of("queue/queuetest", "our queue/inproc")}, "queue/queuetest must not import queue/inproc: a suite"},
		"the nouns read a file":      {check, []pkg{of("affiliate", "os")}, "affiliate must not import os of the standard library"},
		"a package without a row":    {check, []pkg{of("newcomer")}, `newcomer has no row: add {pkg: "newcomer"`},
		"a folder too deep":          {check, []pkg{of("store/sqlite/tables")}, "store/sqlite/tables has no row"},
		"the wiring is imported":     {checkImporters, []pkg{of("api", "our app")}, "api must not import app: nothing depends"},
		"configuration is imported":  {checkImporters, []pkg{of("journal", "our config")}, "journal must not import config: a package takes its own Options"},
		"a test kit in the program":  {checkImporters, []pkg{of("api", "our testkit")}, "api must not import testkit outside"},
		"a store behind a friend":    {checkNevers, []pkg{of("redirect", "our geo"), of("geo", "our store")}, "redirect must never reach store: visitors are answered while the database is down (redirect -> geo -> store)"},
		"a library behind a friend":  {checkNevers, []pkg{of("api", "our catalog"), of("catalog", "github.com/mattn/go-sqlite3")}, "api must never reach github.com/mattn/go-sqlite3"},
		"a library away from home":   {checkLibraries, []pkg{of("api", "github.com/mattn/go-sqlite3")}, "api must not import github.com/mattn/go-sqlite3: SQLite is one engine"},
		"a library at home":          {checkLibraries, []pkg{of("store/sqlite", "github.com/mattn/go-sqlite3")}, ""},
		"a library without a home":   {checkLibraries, []pkg{of("api", "github.com/gin-gonic/gin")}, "api imports github.com/gin-gonic/gin, which has no home"},
		"a test library in the code": {checkLibraries, []pkg{of("api", "github.com/google/go-cmp/cmp")}, "api must not import github.com/google/go-cmp/cmp: comparing"},
	} {
		t.Run(name, func(t *testing.T) {
			faults := c.check(c.packages)
			if c.want == "" && len(faults) == 0 {
				return
			}
			if c.want == "" || len(faults) != 1 || !strings.HasPrefix(faults[0], c.want) {
				t.Errorf("faults %q, want one that starts %q", faults, c.want)
			}
		})
	}
}
