package accesslog

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

func open(t *testing.T, o Options) *Reader {
	t.Helper()
	if o.State == "" {
		o.State = filepath.Join(filepath.Dir(o.Files[0]), "state", "s.json")
	}
	r, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// readAll reads to the end and is done with it; it returns the lines.
func readAll(t *testing.T, o Options) (lines []string, refused []Refusal) {
	t.Helper()
	r := open(t, o)
	defer func() { _ = r.Close() }()
	for {
		c, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return lines, refused
		}
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, linesOf(c)...)
		refused = append(refused, c.Refused...)
		if err := r.Done(c); err != nil {
			t.Fatal(err)
		}
	}
}

func linesOf(c *Chunk) []string {
	if c.Lines == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(c.Bytes), "\n"), "\n")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func add(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zstded(t *testing.T, text string) string {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(z.EncodeAll([]byte(text), nil))
}

// pack replaces a file by a compressed one, as logrotate does.
func pack(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path+".gz", gzipped(t, string(text)))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func numbered(from, to int) string {
	var b strings.Builder
	for n := from; n < to; n++ {
		fmt.Fprintf(&b, "line %d\n", n)
	}
	return b.String()
}

func wantLines(t *testing.T, got []string, from, to int) {
	t.Helper()
	want := strings.TrimSuffix(numbered(from, to), "\n")
	if have := strings.Join(got, "\n"); have != want {
		t.Errorf("read %d lines %.60q…%q, want %.60q…", len(got), have, have[max(0, len(have)-150):], want)
	}
}

func TestOldestFirst(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "access.log")
	write(t, path+".10.gz", gzipped(t, numbered(0, 10)))
	write(t, path+".2.zst", zstded(t, numbered(10, 20)))
	write(t, path+".1", numbered(20, 30))
	write(t, path, numbered(30, 40))
	write(t, path+".back", "not a log of this name\n")
	o := Options{Files: []string{path, path + ".*[0-9tz]"}}
	lines, _ := readAll(t, o)
	wantLines(t, lines, 0, 40)
	if lines, _ = readAll(t, o); len(lines) > 0 {
		t.Errorf("read again: %q", lines)
	}
	add(t, path, numbered(40, 50)+"line 5")
	lines, _ = readAll(t, o)
	wantLines(t, lines, 40, 50)
	add(t, path, "0\n")
	lines, _ = readAll(t, o)
	wantLines(t, lines, 50, 51)
}

func TestFamilies(t *testing.T) {
	older := []string{"a.log-20250101.gz", "a.log-20260101", "a.log-2026-01-02", "a.log.20260103-1200.zst", "a.log.12.gz", "a.log.2", "a.log.1.gz", "a.log"}
	last := int64(-1 << 62)
	for _, name := range older {
		dir, base, rank := familyOf("/var/log/" + name)
		if dir != "/var/log" || base != "a.log" {
			t.Errorf("%s is of %s in %s", name, base, dir)
		}
		if name == "a.log.20260103-1200.zst" { // more digits than others have; only among its like
			continue
		}
		if rank <= last {
			t.Errorf("%s is not newer than the one before", name)
		}
		last = rank
	}
	for _, name := range []string{"site1.log", "1", "2026-01-02", "access_log", "a1"} {
		if _, base, rank := familyOf("/x/" + name); base != name || rank != 0 {
			t.Errorf("%s is taken for %d of %s", name, rank, base)
		}
	}
}

// What is read before each step, and what happens to the files then.
func TestRotationWhileWeAreDown(t *testing.T) {
	rotations := map[string]func(t *testing.T, path string){
		"rename": func(t *testing.T, path string) { rename(t, path, path+".1") },
		"twice":  func(t *testing.T, path string) { rename(t, path, path+".2"); add(t, path+".1", numbered(60, 70)) },
		"gzip":   func(t *testing.T, path string) { rename(t, path, path+".1"); pack(t, path+".1") },
		"gzip, not done": func(t *testing.T, path string) {
			rename(t, path, path+".1")
			write(t, path+".1.gz", gzipped(t, numbered(0, 60))[:20])
		},
		"copytruncate": func(t *testing.T, path string) {
			text, _ := os.ReadFile(path)
			write(t, path+".1", string(text))
			if err := os.Truncate(path, 0); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, rotate := range rotations {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "access.log")
			o := Options{Files: []string{path}}
			write(t, path, numbered(0, 50))
			lines, _ := readAll(t, o)
			wantLines(t, lines, 0, 50)
			add(t, path, numbered(50, 60))
			rotate(t, path)
			from := 60
			if name == "twice" {
				from = 70
			}
			add(t, path, numbered(from, 80))
			lines, _ = readAll(t, o)
			wantLines(t, lines, 50, 80)
		})
	}
}

func TestNotReadTwiceBesideItsCopy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	write(t, path+".1", numbered(0, 10))
	write(t, path+".1.gz", gzipped(t, numbered(0, 10)))
	write(t, path, numbered(10, 20))
	lines, _ := readAll(t, Options{Files: []string{path + "*"}})
	wantLines(t, lines, 0, 20)
}

func TestLongAndUnfinishedLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	long := strings.Repeat("x", LineBytesMax+1)
	huge := strings.Repeat("y", 3*ChunkBytesMax)
	write(t, path+".1", "line 0\n"+long+"\nline 1\n"+huge+"\nline 2\nline 3")
	o := Options{Files: []string{path + "*"}}
	lines, refused := readAll(t, o)
	wantLines(t, lines, 0, 3)
	if len(refused) != 2 || refused[0].Line != 2 || refused[1].Line != 4 || len(refused[0].Text) > 1024 {
		t.Errorf("refused %d: %.100v", len(refused), refused)
	}
	o.Now = func() time.Time { return time.Now().Add(time.Minute) }
	if lines, _ = readAll(t, o); len(lines) != 1 || lines[0] != "line 3" {
		t.Errorf("the last line of a rotated file: %q", lines)
	}
}

func TestLineNumbers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	write(t, path, "one\ntwo\n"+strings.Repeat("x", LineBytesMax+1)+"\nfour\n")
	r := open(t, Options{Files: []string{path}})
	defer func() { _ = r.Close() }()
	c, err := r.Next(t.Context())
	if err != nil || c.Lines != 3 {
		t.Fatalf("%v, %d lines", err, c.Lines)
	}
	for n, want := range []int64{1, 2, 4} {
		if got := c.Line(n + 1); got != want {
			t.Errorf("line %d of the chunk is line %d of the file, not %d", n+1, want, got)
		}
	}
	var texts []string
	c.Texts([]int{1, 3}, func(i int, text []byte) { texts = append(texts, fmt.Sprint(i, " ", string(text))) })
	if !slices.Equal(texts, []string{"0 one", "1 four"}) {
		t.Errorf("the first and the third line are %q", texts)
	}
	if from, none := string(c.From(2)), c.From(4); from != "two\nfour\n" || len(none) != 0 {
		t.Errorf("from the second line on: %q, from the fourth %q", from, none)
	}
}

func TestCutOffArchive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log.1.gz")
	text := numbered(0, 100_000)
	packed := gzipped(t, text)
	write(t, path, packed[:len(packed)/2])
	late := func() time.Time { return time.Now().Add(time.Minute) }
	lines, refused := readAll(t, Options{Files: []string{path}, Now: late})
	if len(lines) == 0 || !strings.HasPrefix(text, strings.Join(lines, "\n")+"\n") || len(refused) != 1 || refused[0].Line != int64(len(lines))+1 {
		t.Errorf("%d lines, refused %v", len(lines), refused)
	}
	if again, refused := readAll(t, Options{Files: []string{path}, Now: late}); len(again)+len(refused) > 0 {
		t.Errorf("read again: %d lines, refused %v", len(again), refused)
	}
}

func TestStateIsLockedAndChecked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	write(t, path, "x\n")
	o := Options{Files: []string{path}, State: path + ".state"}
	r := open(t, o)
	if _, err := Open(o); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("two at once: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{"{": "cannot be read", `{"version":9}`: "version 9"} {
		write(t, o.State, text)
		if _, err := Open(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A writer that rotates in every way while it is followed by a reader that is killed again and
// again: lines are missing never, and twice only where Done was not told.
func TestRotationUnderLoad(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "access.log")
	write(t, path, "")
	const total = 60_000
	written := make(chan struct{})
	go func() {
		defer close(written)
		writeAndRotate(t, path, total, random)
	}()
	met := make([]int, total)
	kills := rand.New(rand.NewPCG(seed, 1))
	missing := total
	deadline := time.Now().Add(25 * time.Second)
	for lives := 0; missing > 0 && time.Now().Before(deadline); lives++ {
		r := open(t, Options{Files: []string{path}, Follow: true, Poll: time.Millisecond, Settle: time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		chunks := 1 + kills.IntN(40)
		for n := 0; n < chunks && missing > 0; n++ {
			c, err := r.Next(ctx)
			if errors.Is(err, context.DeadlineExceeded) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			killed := n == chunks-1 && kills.IntN(2) == 0 // before the lines have arrived
			for _, line := range linesOf(c) {
				var at int
				if _, err := fmt.Sscanf(line, "line %d", &at); err != nil {
					t.Errorf("torn: %q", line)
					continue
				}
				if killed {
					break
				}
				if met[at]++; met[at] == 1 {
					missing--
				}
			}
			if killed {
				break
			}
			if err := r.Done(c); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	<-written
	for n, times := range met {
		if times != 1 {
			t.Fatalf("line %d was handed on %d times; %d lines never", n, times, missing)
		}
	}
}

func writeAndRotate(t *testing.T, path string, total int, random *rand.Rand) {
	reopen := func() *os.File {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			t.Error(err)
		}
		return f
	}
	f, n := reopen(), 0
	defer func() { _ = f.Close() }()
	line := func() {
		if n < total {
			_, _ = fmt.Fprintf(f, "line %d\n", n)
			n++
		}
	}
	for n < total {
		for range 1 + random.IntN(3000) {
			line()
		}
		time.Sleep(time.Duration(random.IntN(4000)) * time.Microsecond)
		if err := shift(path); err != nil {
			t.Error(err)
			return
		}
		if random.IntN(3) == 0 { // copytruncate
			text, err := os.ReadFile(path)
			if err := errors.Join(err, os.WriteFile(path+".1", text, 0o600), f.Truncate(0)); err != nil {
				t.Error(err)
				return
			}
			continue
		}
		if err := os.Rename(path, path+".1"); err != nil {
			t.Error(err)
			return
		}
		line() // before it is reopened
		_ = f.Close()
		f = reopen()
	}
}

// shift makes room for a new .1, and compresses the one before.
func shift(path string) error {
	for n := 200; n > 1; n-- {
		from, to := fmt.Sprintf("%s.%d.gz", path, n), fmt.Sprintf("%s.%d.gz", path, n+1)
		if err := os.Rename(from, to); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	text, err := os.ReadFile(path + ".1")
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		return err
	}
	if err := errors.Join(z.Close(), os.WriteFile(path+".2.gz", b.Bytes(), 0o600)); err != nil {
		return err
	}
	return os.Remove(path + ".1")
}
