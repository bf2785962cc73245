package pipeline_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/journal"
	"github.com/sluicehq/sluice/internal/pipeline"
)

// slow takes its time to store a batch.
type slow struct{ analytics.Engine }

func (s slow) Append(ctx context.Context, b analytics.Batch) error {
	time.Sleep(50 * time.Millisecond)
	return s.Engine.Append(ctx, b)
}

// A journal that another process has left ends. Its end, which is met while the last
// batch is still being stored, must not keep that from the reports.
func TestLastBatchOfAJournalThatEnds(t *testing.T) {
	r := newRig(t)
	const batch = 8
	for visitor := range uint64(2 * batch) {
		r.append(visitor, nil)
	}
	if err := r.journal.Close(); err != nil {
		t.Fatal(err)
	}
	var err error
	if r.journal, err = journal.Adopt(filepath.Join(r.dir, "journal"), journal.Options{SegmentBytes: 64 << 10}); err != nil {
		t.Fatal(err)
	}
	r.analytic = slow{r.engine}
	r.collect(pipeline.Options{BatchRecords: batch})
	r.expect("clicks", 2*batch)
}
