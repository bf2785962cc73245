package accesslog

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A log that was written and rotated away while nobody looked is read, also when another log has its
// name already and is known; what was written before these logs were read first is not.
func TestRotatedBeforeItWasSeen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	write(t, path+".2", numbered(0, 10))
	if err := os.Chtimes(path+".2", time.Time{}, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	write(t, path, numbered(200, 300))
	o := Options{Files: []string{path}, State: filepath.Join(t.TempDir(), "state")}
	lines, _ := readAll(t, o)
	wantLines(t, lines, 200, 300)
	write(t, path+".1", numbered(100, 200)) // it was the log before, and was listed too late
	lines, _ = readAll(t, o)
	wantLines(t, lines, 100, 200)
	if lines, _ = readAll(t, o); len(lines) > 0 {
		t.Errorf("once more: %q", lines)
	}
}
