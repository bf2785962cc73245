package ingest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
)

// bodiesBytesMax bounds the bodies that are being read, all together: their senders are not
// known yet. Who claims to be somebody and sends nothing takes nothing of it.
const bodiesBytesMax = 64 << 20

// body is one on its way in. It counts against bodiesBytesMax as it arrives.
type body struct {
	raw    bytes.Buffer
	intake *Intake
	from   io.Reader
	held   int64
	err    error
}

var errBodies = errors.New("too many bodies")

// Read takes what has arrived.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	b.held += int64(n)
	if b.intake.bodies.Add(int64(n)) > bodiesBytesMax {
		return n, errBodies
	}
	return n, err
}

// receive reads a body as it was sent, or one byte more than it may have.
func (i *Intake) receive(from io.Reader) *body {
	b, ok := i.buffers.Get().(*body)
	if !ok {
		b = &body{intake: i}
	}
	b.raw.Reset()
	b.held, b.from = 0, io.LimitReader(from, BodyBytesMax+1)
	_, b.err = b.raw.ReadFrom(b)
	return b
}

// give returns a body's memory.
func (i *Intake) give(b *body) {
	i.bodies.Add(-b.held)
	b.from = nil
	i.buffers.Put(b)
}

// unreadable says what is wrong with a body.
func (i *Intake) unreadable(b *body) *refusal {
	var limit *http.MaxBytesError
	var late interface{ Timeout() bool }
	switch {
	case errors.Is(b.err, errBodies):
		i.busy.Add(1)
		return busy()
	case b.raw.Len() > BodyBytesMax || errors.As(b.err, &limit):
		return tooLarge()
	case errors.As(b.err, &late) && late.Timeout():
		return refuse(bodyUnreadable, "the body did not arrive in time")
	case b.err != nil:
		return refuse(bodyUnreadable, "the body ended before it was complete")
	}
	return nil
}
