package pipeline

import (
	"context"
	"sync"

	"github.com/sluicehq/sluice/internal/analytics"
	"github.com/sluicehq/sluice/internal/queue"
)

// largeAtATime is how many large batches there are at a time, in the making or being stored. Each
// takes some 100 MB; with more of them nothing is stored sooner.
const largeAtATime = 4

// freeMax is how many slices of each size are kept to be used again.
const freeMax = 32

// rooms hand out the memory that batches are made in.
type rooms struct {
	large chan struct{} // a token for each large batch

	mu   sync.Mutex
	free [2][][]analytics.Row // small ones and large ones
}

func newRooms() *rooms { return &rooms{large: make(chan struct{}, largeAtATime)} }

// room is the memory of one batch, until leave.
type room struct {
	rooms   *rooms
	records int // that fit
	large   int // 1 for a large one
	rows    []analytics.Row
}

// enter returns room for the next batch of a source: a large one when so much is waiting, for
// which others may have to be stored first.
func (r *rooms) enter(ctx context.Context, source queue.Source, o *Options) (*room, error) {
	next := &room{rooms: r, records: o.BatchRecords}
	if o.BacklogRecords > o.BatchRecords && source.Lag().Records > int64(o.BacklogRecords) {
		select {
		case r.large <- struct{}{}:
			next.records, next.large = o.BacklogRecords, 1
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if free := &r.free[next.large]; len(*free) > 0 {
		last := len(*free) - 1
		next.rows = (*free)[last]
		*free = (*free)[:last]
	}
	return next, nil
}

// leave gives the room back; rows are what became of its slice. Whoever has waited for a
// large one finds its memory.
func (m *room) leave(rows []analytics.Row) {
	clear(rows[:cap(rows)]) // or the texts of its clicks live on
	m.keep(rows[:0])
	if m.large == 1 {
		<-m.rooms.large
	}
}

func (m *room) keep(rows []analytics.Row) {
	m.rooms.mu.Lock()
	defer m.rooms.mu.Unlock()
	if free := &m.rooms.free[m.large]; len(*free) < freeMax && cap(rows) > 0 {
		*free = append(*free, rows)
	}
}
