package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// outcome of a command line.
type outcome struct {
	code     int
	out, err string
}

// sluice runs a command line as a process would, on a data folder.
func sluice(t *testing.T, data string, args ...string) outcome {
	t.Helper()
	return sluiceWith(t, data, nil, "", args...)
}

func sluiceWith(t *testing.T, data string, environ []string, input string, args ...string) outcome {
	t.Helper()
	var out, errOut bytes.Buffer
	p := &program{in: strings.NewReader(input), out: &out, errOut: &errOut, environ: environ, now: time.Now}
	if data != "" {
		args = append(args, "--data", data)
	}
	code := run(t.Context(), p, args)
	return outcome{code, out.String(), errOut.String()}
}

// must fails the test unless the command ended with the code.
func (o outcome) must(t *testing.T, code int) outcome {
	t.Helper()
	if o.code != code {
		t.Fatalf("exit code %d; want %d\n%s%s", o.code, code, o.out, o.err)
	}
	return o
}

func (o outcome) json(t *testing.T, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(o.out), into); err != nil {
		t.Fatalf("%v in %s", err, o.out)
	}
}

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in:\n%s", part, text)
		}
	}
}

// write makes a file in a fresh folder.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The help of every verb is kept beside the tests, so that a change of the
// command line shows in review.
func TestHelp(t *testing.T) {
	seen := map[string]bool{}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "_") + ".txt"
		seen[name] = true
		got := sluice(t, "", append(strings.Fields(cmd.CommandPath())[1:], "--help")...).must(t, exitFine)
		golden(t, filepath.Join("testdata", "help", name), got.out)
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	walk(newRoot(&program{}))
	files, err := filepath.Glob("testdata/help/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !seen[filepath.Base(f)] {
			t.Errorf("%s is the help of no command; remove it", f)
		}
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with: go test ./cmd/sluice -update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is not what is printed; rewrite it with -update if that is right\n%s", path, diff)
	}
}

func TestWrongCommandLines(t *testing.T) {
	data := served(t)
	for _, c := range []struct{ args, want string }{
		{"frobnicate", `"frobnicate" is not a command of "sluice"; see: sluice --help`},
		{"lnk", `did you mean link?`},
		{"link lst", `"lst" is not a command of "sluice link"; did you mean list?; see: sluice link --help`},
		{"link list --format xml", "use one of table, json, csv; see: sluice link list --help"},
		{"link list --limit 0", "--limit 0: give at least 1, or --all"},
		{"link list a b", "accepts at most 1 arg(s), received 2; see: sluice link list --help"},
		{"link add only-a-slug", "give a slug and a URL"},
		{"link add a https://a.example --weight 1,2", "--weight has 2 weights for 1 URLs"},
		{"link add a https://a.example --starts soon", `--starts: "soon" is not a time`},
		{"link update a", "nothing to change"},
		{"link show #x", `"#x" is not the id of a link`},
		{"link import", "accepts 1 arg(s), received 0; see: sluice link import --help"},
		{"link import absent.csv", "no such file"},
		{"link import a.csv --format xlsx", "use one of auto, csv, jsonl, nginx"},
		{"report --is country", "write it as DIMENSION=VALUE"},
		{"report --format parquet", "is for --raw"},
		{"report --raw --format json", "--raw writes csv or parquet"},
		{"report --by shoesize", "shoesize"},
		{"report --since yesteryear", "yesteryear"},
		{"report --zone Mars/Olympus", "Mars/Olympus"},
		{"token add x --expires never", "--expires"},
		{"token add x --scope root", "use one of read, write"},
		{"demo --days 0", "--days 0"},
		{"journal verify " + filepath.Join(data, "absent"), "there is no folder"},
		{"journal dump " + t.TempDir(), "holds no journal"},
		{"serve --role everything", "--role: role: \"everything\" is not one of all, redirect, control, pipeline"},
		{"serve --listen 8080", "--listen: listen: \"8080\" is not an address"},
		{"serve --config absent.yml", "cannot read the configuration absent.yml"},
	} {
		t.Run(c.args, func(t *testing.T) {
			got := sluice(t, data, strings.Fields(c.args)...).must(t, exitFailed)
			contains(t, got.err, c.want)
			if got.out != "" {
				t.Errorf("printed %q", got.out)
			}
		})
	}
}

func TestReadingVerbsMakeNoDataFolder(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "absent")
	for _, args := range []string{"link list", "report", "link export", "token list", "login", "link rm x"} {
		got := sluice(t, absent, strings.Fields(args)...).must(t, exitFailed)
		contains(t, got.err, "there is no data folder", "--data", "SLUICE_URL")
	}
	if _, err := os.Stat(absent); !os.IsNotExist(err) {
		t.Errorf("the folder was made: %v", err)
	}
}

func TestRemoteNeedsAToken(t *testing.T) {
	got := sluiceWith(t, "", []string{"SLUICE_URL=http://127.0.0.1:1"}, "", "link", "list").must(t, exitFailed)
	contains(t, got.err, "SLUICE_TOKEN")
	got = sluiceWith(t, "", []string{"SLUICE_URL=http://127.0.0.1:1", "SLUICE_TOKEN=x"}, "", "link", "list").must(t, exitFailed)
	contains(t, got.err, "cannot be reached")
}

func TestVersion(t *testing.T) {
	var got map[string]string
	sluice(t, "", "version", "--format", "json").must(t, exitFine).json(t, &got)
	if got["version"] == "" || got["go"] == "" {
		t.Errorf("%v", got)
	}
	if out := sluice(t, "", "version").must(t, exitFine).out; !strings.HasPrefix(out, "sluice ") {
		t.Errorf("%q", out)
	}
}

func TestProgressWithoutTerminalIsALineNowAndThen(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	p := &program{errOut: &out, now: func() time.Time { return now }}
	g := p.newProgress("counting", 4_000_000, false)
	for i := range int64(4) {
		g.at(i * 1_000_000)
		now = now.Add(3 * time.Second)
	}
	g.end()
	if want := "counting: 2,000,000 of 4,000,000 (50 %)\n"; out.String() != want {
		t.Errorf("%q; want %q", out.String(), want)
	}
}

func TestInterruptedContextEndsTheCommand(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errOut bytes.Buffer
	p := &program{in: strings.NewReader(""), out: &out, errOut: &errOut, now: time.Now}
	if code := run(ctx, p, []string{"link", "add", "a", "https://a.example", "--data", t.TempDir()}); code != exitFailed {
		t.Errorf("exit code %d\n%s", code, errOut.String())
	}
}
