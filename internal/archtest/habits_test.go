package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// fileLinesMax is where a file asks to be two.
const fileLinesMax = 500

// longFiles are the files that are better whole, with the reason. Tests and
// suites are lists of cases and may be as long as they need.
var longFiles = map[string]string{
	"internal/linkfile/nginx.go": "the nginx grammar, read and written side by side",
}

// emptyNames say nothing about what a package is for.
var emptyNames = []string{"util", "utils", "common", "helper", "helpers", "manager", "misc", "shared", "types", "base", "lib", "core"}

// timeless packages are told the time, so that the past can be judged again and
// months run in milliseconds. The value says where the time comes from.
var timeless = map[string]string{
	"affiliate":  "Visit.Time, or an argument",
	"routing":    "Visit.Time",
	"fraud":      "Visit.Time",
	"commission": "Facts.Now",
	"ledger":     "Posting.At",
	"remittance": "Message.Created",
	"settlement": "Options.Now",
	"experiment": "an argument",
}

// environmentReaders may look at the process around them; everyone else takes Options.
var environmentReaders = []string{"config", "app", "cmd", "scripts", "test", "testkit", "archtest", "geo/mkasn", "*/*test"}

func TestFilesAreShortEnoughToRead(t *testing.T) {
	met := map[string]bool{}
	for _, file := range sources(t, ".go") {
		if strings.HasSuffix(file.name, "_test.go") || strings.HasSuffix(path.Dir(file.name), "test") || generated(file) {
			continue
		}
		_, excused := longFiles[file.name]
		lines := bytes.Count(file.text, []byte("\n"))
		if lines > fileLinesMax && !excused {
			t.Errorf("%s has %d lines, more than %d: split it by what a reader looks for, or name it in longFiles with a reason", file.name, lines, fileLinesMax)
		}
		met[file.name] = excused && lines > fileLinesMax
	}
	for name := range longFiles {
		if !met[name] {
			t.Errorf("%s is in longFiles but is absent or short enough now: remove the row", name)
		}
	}
}

func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	for _, p := range list(t, "./internal/...", "./cmd/...", "./scripts/...", "./test/...") {
		if fault := nameFault(p); fault != "" {
			t.Error(fault)
		}
		if fault := docFault(p); fault != "" {
			t.Error(fault)
		}
	}
}

func nameFault(p pkg) string {
	for _, name := range []string{p.Name, path.Base(p.ImportPath)} {
		if slices.Contains(emptyNames, name) {
			return fmt.Sprintf("%s: %q says nothing: name the package after what it provides", p.ImportPath, name)
		}
	}
	return ""
}

func docFault(p pkg) string {
	if len(p.GoFiles)+len(p.CgoFiles) == 0 {
		return "" // tests only
	}
	want := "Package " + p.Name + " "
	if p.Name == "main" {
		want = "Command " + path.Base(p.ImportPath) + " "
	}
	if !strings.HasPrefix(p.Doc, want) {
		return fmt.Sprintf("%s: the package comment is %q: open it with %q and what the package is for", p.ImportPath, p.Doc, want+"…")
	}
	return ""
}

func TestTimeIsAnArgument(t *testing.T) {
	for _, file := range sources(t, ".go") {
		name := ours(module + "/" + path.Dir(file.name))
		source, strict := timeless[name]
		if !strict || strings.HasSuffix(file.name, "_test.go") {
			continue
		}
		for _, use := range uses(t, file, "time", "Now", "Since", "Until", "Sleep", "After", "Tick", "NewTimer", "NewTicker", "AfterFunc") {
			t.Errorf("%s: %s must not look at the clock: use %s", use, name, source)
		}
	}
}

func TestPackagesReadNoEnvironment(t *testing.T) {
	for _, file := range sources(t, ".go") {
		name := ours(module + "/" + path.Dir(file.name))
		if strings.HasSuffix(file.name, "_test.go") || matches(name, environmentReaders) {
			continue
		}
		found := slices.Concat(
			uses(t, file, "os", "Getenv", "LookupEnv", "Environ", "Args", "Exit", "Stdin", "Stdout", "Stderr"),
			uses(t, file, "flag", "String", "Bool", "Int", "Duration", "Parse"),
			uses(t, file, "fmt", "Print", "Printf", "Println"),
		)
		for _, use := range found {
			t.Errorf("%s: %s must not reach for the process around it: take it in Options", use, name)
		}
	}
}

// A panic is our own fault and says so, or hands on what it caught, or is the
// way that net/http has of breaking off an answer.
func TestPanicsSayThatTheyAreOurs(t *testing.T) {
	for _, file := range sources(t, ".go") {
		if strings.HasSuffix(file.name, "_test.go") || strings.HasSuffix(path.Dir(file.name), "test") {
			continue
		}
		for _, found := range panics(t, file) {
			t.Errorf(`%s: a panic's text starts with "BUG: "; for anything that a user or the machine can cause, return an error`, found)
		}
	}
}

var postponed = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`)

func TestNothingIsPutOffInTheSource(t *testing.T) {
	for _, file := range sources(t, ".go", ".ts", ".tsx", ".js", ".css", ".sh", ".sql", "Makefile") {
		for i, line := range strings.Split(string(file.text), "\n") {
			if word := postponed.FindString(line); word != "" {
				t.Errorf("%s:%d: %s: do it, or open an issue and say here what is so today", file.name, i+1, word)
			}
		}
	}
}

// source is one file of ours, named from the root with slashes.
type source struct {
	name string
	text []byte
}

// folders with sources; what is built or fetched into them is passed over.
var folders = []string{"cmd", "internal", "test", "scripts", "web", "edge", "Makefile"}

var passedOver = []string{"node_modules", "dist", "testdata", "coverage"}

// sources reads all files of ours that end in one of the given ways.
func sources(t testing.TB, endings ...string) []source {
	t.Helper()
	top := root(t)
	var found []source
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(top, folder), func(full string, entry fs.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil // not built yet, or gone while we looked
			}
			if err != nil {
				return err
			}
			if entry.IsDir() && slices.Contains(passedOver, entry.Name()) {
				return fs.SkipDir
			}
			if entry.IsDir() || !slices.ContainsFunc(endings, func(e string) bool { return strings.HasSuffix(full, e) }) {
				return nil
			}
			text, err := os.ReadFile(full)
			if os.IsNotExist(err) {
				return nil
			}
			if err != nil {
				return err
			}
			relative, err := filepath.Rel(top, full)
			found = append(found, source{filepath.ToSlash(relative), text})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(found) == 0 {
		t.Fatalf("no files end in %v: is this the whole module?", endings)
	}
	return found
}

// generated files start their life elsewhere.
func generated(file source) bool {
	head := file.text[:min(len(file.text), 1000)]
	return bytes.Contains(head, []byte("// Code generated ")) && bytes.Contains(head, []byte(" DO NOT EDIT."))
}

// uses returns the places where a file mentions pkg.name for one of the names,
// under whatever name it imports the package.
func uses(t testing.TB, file source, importPath string, names ...string) []string {
	t.Helper()
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, file.name, file.text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	local := ""
	for _, imported := range parsed.Imports {
		if unquoted, err := strconv.Unquote(imported.Path.Value); err == nil && unquoted == importPath {
			local = path.Base(importPath)
			if imported.Name != nil {
				local = imported.Name.Name
			}
		}
	}
	if local == "" {
		return nil
	}
	var found []string
	ast.Inspect(parsed, func(node ast.Node) bool {
		if selector, ok := node.(*ast.SelectorExpr); ok {
			if left, ok := selector.X.(*ast.Ident); ok && left.Name == local && slices.Contains(names, selector.Sel.Name) {
				found = append(found, fmt.Sprintf("%s: %s.%s", files.Position(selector.Pos()), local, selector.Sel.Name))
			}
		}
		return true
	})
	return found
}

// panics returns the places of panics whose text does not start with "BUG: ".
func panics(t testing.TB, file source) []string {
	t.Helper()
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, file.name, file.text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	ast.Inspect(parsed, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok {
			return true
		}
		if name, ok := call.Fun.(*ast.Ident); ok && name.Name == "panic" && len(call.Args) == 1 && !ownedUp(call.Args[0]) {
			found = append(found, files.Position(call.Pos()).String())
		}
		return true
	})
	return found
}

// ownedUp looks for the first text inside the argument. A plain variable is a
// value that was caught and is handed on.
func ownedUp(argument ast.Expr) bool {
	if selector, ok := argument.(*ast.SelectorExpr); ok {
		return selector.Sel.Name == "ErrAbortHandler"
	}
	if name, ok := argument.(*ast.Ident); ok {
		return name.Name == "recovered"
	}
	said := ""
	ast.Inspect(argument, func(node ast.Node) bool {
		if literal, ok := node.(*ast.BasicLit); ok && said == "" {
			said = literal.Value
		}
		return said == ""
	})
	return strings.HasPrefix(said, `"BUG: `) || strings.HasPrefix(said, "`BUG: ")
}

func TestEachHabitCanBeBroken(t *testing.T) {
	file := func(body string) source { return source{"internal/example/example.go", []byte(body)} }
	if got := uses(t, file("package a\nimport clock \"time\"\nvar x = clock.Now()\n"), "time", "Now"); len(got) != 1 {
		t.Errorf("a clock under another name: %q", got)
	}
	if got := uses(t, file("package a\nimport \"time\"\nvar x = time.Second // time.Now\n"), "time", "Now"); len(got) != 0 {
		t.Errorf("a clock in a comment: %q", got)
	}
	for body, want := range map[string]int{
		`panic("BUG: no row")`:                     0,
		`panic(fmt.Sprintf("BUG: %d", n))`:         0,
		`panic(http.ErrAbortHandler)`:              0,
		`panic("no row")`:                          1,
		`panic(err)`:                               1,
		`panic(fmt.Errorf("cannot open %s", err))`: 1,
	} {
		if got := panics(t, file("package a\nfunc f() { "+body+" }\n")); len(got) != want {
			t.Errorf("%s: found %q, want %d", body, got, want)
		}
	}
	if !postponed.MatchString("// TO"+"DO: later") || postponed.MatchString("mastodon, TODOS") {
		t.Error("the search for put-off work misses it, or finds too much")
	}
	for _, p := range []pkg{{Name: "util", ImportPath: "a/util"}, {Name: "ok", ImportPath: "a/helpers"}} {
		if nameFault(p) == "" {
			t.Errorf("%s: accepted", p.ImportPath)
		}
	}
	for _, p := range []pkg{
		{Name: "journal", ImportPath: "a/journal", GoFiles: []string{"a.go"}},
		{Name: "journal", ImportPath: "a/journal", GoFiles: []string{"a.go"}, Doc: "A journal."},
		{Name: "main", ImportPath: "a/sluice", GoFiles: []string{"a.go"}, Doc: "Package main."},
	} {
		if docFault(p) == "" {
			t.Errorf("%q: accepted", p.Doc)
		}
	}
	if docFault(pkg{Name: "main", ImportPath: "a/sluice", GoFiles: []string{"a.go"}, Doc: "Command sluice does."}) != "" {
		t.Error("a good comment was refused")
	}
}
