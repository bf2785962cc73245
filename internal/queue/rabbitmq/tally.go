package rabbitmq

import (
	"math"

	"github.com/sluicehq/sluice/internal/queue"
)

// tally counts what a source has received, handed out and stored elsewhere.
type tally struct {
	messages, records, bytes int64 // received
	last                     int64 // offset of the last message that was received
	end                      int64 // offset of the last message that the broker has, as far as is known

	taken     []mark // ends of the batches that are handed out and not committed
	sum       mark   // everything handed out
	committed mark

	missing int64 // messages that were gone
}

// mark is a place and what was handed out before it.
type mark struct {
	at             place
	records, bytes int64
}

// begin sets the offset that is expected first.
func (t *tally) begin(first int64) { t.last, t.end = first-1, first-1 }

// receive counts a message. One that is missing between two is no loss: the broker keeps
// books of its own in the stream, at the start of a segment. More are what retention has
// removed while this source was behind.
func (t *tally) receive(a arrival) {
	if gap := a.offset - t.last - 1; gap > 1 {
		t.missing += gap
	}
	t.last = a.offset
	t.end = max(t.end, a.offset)
	t.messages++
	t.records += int64(len(a.records))
	t.bytes += size(a.records)
}

func size(records [][]byte) (n int64) {
	for _, r := range records {
		n += int64(len(r)) + 1 // an empty record is work too
	}
	return n
}

func (t *tally) take(at place, batch [][]byte) {
	t.sum = mark{at: at, records: t.sum.records + int64(len(batch)), bytes: t.sum.bytes + size(batch)}
	t.taken = append(t.taken, t.sum)
}

func (t *tally) commit(p place) {
	n := 0
	for n < len(t.taken) && !t.taken[n].at.after(p) {
		t.committed = t.taken[n]
		n++
	}
	t.taken = append(t.taken[:0], t.taken[n:]...)
}

// mean estimates what a number of unseen messages hold.
func (t *tally) mean(unseen int64) queue.Lag {
	if t.messages == 0 {
		return queue.Lag{Records: unseen, Bytes: unseen}
	}
	share := float64(unseen) / float64(t.messages)
	return queue.Lag{
		Records: int64(math.Round(share * float64(t.records))),
		Bytes:   int64(math.Round(share * float64(t.bytes))),
	}
}

func (t *tally) lag() queue.Lag {
	unseen := t.mean(max(0, t.end-t.last))
	return queue.Lag{
		Records: t.records - t.committed.records + unseen.Records,
		Bytes:   t.bytes - t.committed.bytes + unseen.Bytes,
	}
}

func (t *tally) lost() int64 { return t.mean(t.missing).Records }
