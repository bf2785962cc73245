package pipeline

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/queue"
)

// waiting is a source in which so many records wait.
type waiting struct {
	queue.Source
	records int64
}

func (w waiting) Lag() queue.Lag { return queue.Lag{Records: w.records} }

func TestRoomForLargeBatchesIsBounded(t *testing.T) {
	o, r := &Options{BatchRecords: 10, BacklogRecords: 100}, newRooms()
	enter := func(lag int64) *room {
		t.Helper()
		m, err := r.enter(t.Context(), waiting{records: lag}, o)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	var large []*room
	for range largeAtATime {
		m := enter(101)
		if m.records != 100 {
			t.Fatalf("a backlog has room for %d", m.records)
		}
		large = append(large, m)
	}
	if m := enter(100); m.records != 10 { // whoever has little waits for nobody
		t.Fatalf("clicks that trickle in have room for %d", m.records)
	}
	ended, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := r.enter(ended, waiting{records: 101}, o); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("one large batch too many: %v", err)
	}
	entered := make(chan *room)
	go func() {
		m, _ := r.enter(t.Context(), waiting{records: 101}, o)
		entered <- m
	}()
	rows := make([]analytics.Row, 100)
	rows[7].Network = "a text that would live on"
	large[0].leave(rows)
	m := <-entered
	if cap(m.rows) != 100 || len(m.rows) != 0 || m.rows[:100][7].Network != "" {
		t.Errorf("the memory is not used again, or not cleared: %d of %d", len(m.rows), cap(m.rows))
	}
}
