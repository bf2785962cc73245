package pipeline_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/pipeline"
)

// niceThreads counts this process's threads with a niceness, and says whether its
// first thread is among them, which Go never ends but does not use again either.
func niceThreads(t *testing.T, niceness string) (n int, mainThread bool) {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/stat")
	if err != nil || len(files) == 0 {
		t.Fatalf("no threads in /proc: %v", err)
	}
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it has just ended
		}
		_, after, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(after); len(fields) > 16 && fields[16] == niceness {
			n++
			if strings.HasPrefix(string(stat), fmt.Sprint(os.Getpid(), " ")) {
				mainThread = true
			}
		}
	}
	return n, mainThread
}

// watched counts the nice threads whenever a batch is stored.
type watched struct {
	analytics.Engine
	t    *testing.T
	most int
}

func (w *watched) Append(ctx context.Context, b analytics.Batch) error {
	n, _ := niceThreads(w.t, "7")
	w.most = max(w.most, n)
	return w.Engine.Append(ctx, b)
}

// TestThreadsStandBack looks at the collector's two threads while they work, and
// that none is left behind.
func TestThreadsStandBack(t *testing.T) {
	r := newRig(t)
	r.append(1, nil)
	before, _ := niceThreads(t, "7") // of a run of this test before
	w := &watched{Engine: r.analytic, t: t}
	r.analytic = w
	r.collect(pipeline.Options{Niceness: 7})
	if got := w.most - before; got != 2 {
		t.Errorf("%d threads stood back, want 2", got)
	}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		left, mainThread := niceThreads(t, "7")
		if left == 0 || left == 1 && mainThread {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d threads with niceness are left for other goroutines", left)
		}
	}
}
