package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sluicehq/sluice"

// pkg is what `go list -json` says of one package.
type pkg struct {
	ImportPath   string
	Name         string
	Dir          string
	Doc          string
	GoFiles      []string
	CgoFiles     []string
	TestGoFiles  []string
	XTestGoFiles []string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Error        *struct{ Err string }
}

// ours turns an import path into the name that the tables use: "redirect" for
// internal/redirect, "cmd" and "test" for all that is below those folders. The
// answer for anything else is "".
func ours(importPath string) string {
	rest, ok := strings.CutPrefix(importPath, module+"/")
	if !ok {
		return ""
	}
	if inner, ok := strings.CutPrefix(rest, "internal/"); ok {
		return inner
	}
	first, _, _ := strings.Cut(rest, "/")
	return first
}

// matches tries a name against patterns: exact names, "store/*", "…" for all.
func matches(name string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, err := path.Match(pattern, name)
		if err != nil {
			panic(fmt.Sprintf("BUG: pattern %q: %v", pattern, err))
		}
		return ok || pattern == anyOfOurs
	})
}

// standard reports whether an import path belongs to Go itself: its first
// element has no dot.
func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

// root is the folder of go.mod.
func root(t testing.TB) string {
	t.Helper()
	folder, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(folder, "go.mod")); err != nil {
		t.Fatal(err)
	}
	return folder
}

// list asks the go command for packages of this module.
func list(t testing.TB, arguments ...string) []pkg {
	t.Helper()
	command := exec.Command("go", append([]string{"list", "-e", "-json=ImportPath,Name,Dir,Doc,GoFiles,CgoFiles,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports,Error"}, arguments...)...)
	command.Dir = root(t)
	var complaints bytes.Buffer
	command.Stderr = &complaints
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &complaints)
	}
	var found []pkg
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if p.Error != nil && ours(p.ImportPath) != "" {
			t.Errorf("go list: %s: %s", p.ImportPath, p.Error.Err)
		}
		found = append(found, p)
	}
	return found
}

// checkRooms returns one sentence for each import that the rooms do not allow,
// and for each package without a row.
func checkRooms(packages []pkg, rows []room) []string {
	var faults []string
	for _, p := range packages {
		name := ours(p.ImportPath)
		if name == "cmd" || name == "scripts" || name == "test" {
			continue
		}
		at := slices.IndexFunc(rows, func(r room) bool { return matches(name, []string{r.pkg}) })
		if at < 0 {
			faults = append(faults, fmt.Sprintf("%s has no row: add {pkg: %q, may: …, why: …} to rooms in internal/archtest/table_test.go, and the package to docs/architecture.md", name, name))
			continue
		}
		row := rows[at]
		may := slices.Clone(row.may)
		if i := slices.Index(may, ownRoom); i >= 0 {
			may[i] = path.Dir(name)
		}
		for _, imported := range p.Imports {
			switch other := ours(imported); {
			case other != "" && !matches(other, may):
				faults = append(faults, fmt.Sprintf("%s must not import %s: %s", name, other, row.why))
			case slices.Contains(row.std, imported):
				faults = append(faults, fmt.Sprintf("%s must not import %s of the standard library: %s", name, imported, row.why))
			}
		}
	}
	return faults
}

// checkImporters returns a sentence for each import by someone who may not.
func checkImporters(packages []pkg) []string {
	var faults []string
	for _, p := range packages {
		name := ours(p.ImportPath)
		for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			for _, row := range importers {
				if ours(imported) == row.pkg && name != row.pkg && !matches(name, row.by) {
					faults = append(faults, fmt.Sprintf("%s must not import %s: %s", name, row.pkg, row.why))
				}
			}
		}
		for _, imported := range p.Imports {
			if ours(imported) == "testkit" && name != "test" && !strings.HasSuffix(path.Base(name), "test") {
				faults = append(faults, fmt.Sprintf("%s must not import testkit outside of its test files: it is no part of the program", name))
			}
		}
	}
	return faults
}

// checkNevers follows imports to their end and returns a sentence, with the way
// there, for each promise that is broken.
func checkNevers(packages []pkg) []string {
	byPath := map[string]pkg{}
	for _, p := range packages {
		byPath[p.ImportPath] = p
	}
	var faults []string
	for _, row := range nevers {
		from := module + "/internal/" + row.pkg
		way := map[string]string{from: row.pkg}
		for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
			for _, imported := range byPath[queue[0]].Imports {
				if _, seen := way[imported]; seen {
					continue
				}
				short := ours(imported)
				if short == "" {
					short = imported
				}
				way[imported] = way[queue[0]] + " -> " + short
				queue = append(queue, imported)
				if reaches(imported, row.never) {
					faults = append(faults, fmt.Sprintf("%s must never reach %s: %s (%s)", row.pkg, short, row.why, way[imported]))
				}
			}
		}
	}
	return faults
}

func reaches(imported string, never []string) bool {
	if name := ours(imported); name != "" {
		return matches(name, never)
	}
	return slices.ContainsFunc(never, func(n string) bool {
		return imported == n || (strings.Contains(n, ".") && strings.HasPrefix(imported, n))
	})
}

// checkLibraries returns a sentence for each library that is met outside of its
// home or has none.
func checkLibraries(packages []pkg) []string {
	var faults []string
	for _, p := range packages {
		name := ours(p.ImportPath)
		check := func(imports []string, test bool) {
			for _, imported := range imports {
				if standard(imported) || ours(imported) != "" || imported == module {
					continue
				}
				at := -1
				for i, row := range libraries {
					if strings.HasPrefix(imported, row.library) {
						at = i
					}
				}
				switch {
				case at < 0:
					faults = append(faults, fmt.Sprintf("%s imports %s, which has no home: prefer the standard library, or add a row with its reason to libraries in internal/archtest/table_test.go", name, imported))
				case matches(name, libraries[at].only) || (test && matches(name, libraries[at].tests)):
				default:
					faults = append(faults, fmt.Sprintf("%s must not import %s: %s", name, imported, libraries[at].why))
				}
			}
		}
		check(p.Imports, false)
		check(slices.Concat(p.TestImports, p.XTestImports), true)
	}
	return faults
}
