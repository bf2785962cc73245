package rabbitmq

import (
	"context"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// suspectAfter is how long the message before a position may take to come before it is
	// asked whether the stream has it at all.
	suspectAfter = 2 * time.Second
	// endEvery is how often the end of a stream is asked for that is far ahead.
	endEvery = 2 * time.Second
	// endBytesPerSecond bounds what asking costs: the broker answers with a whole chunk.
	endBytesPerSecond = 1 << 20
)

// attach begins to read at a place and finds out whether it is still there. first is the
// message that reading begins with when it had to be looked at.
func (s *source) attach(ctx context.Context, from place) (messages <-chan amqp.Delivery, first *amqp.Delivery, err error) {
	if from == (place{}) {
		messages, err = s.consume("first")
		s.tally.begin(0)
		return messages, nil, err
	}
	anchor := from.Offset // the last message of which something was taken
	if from.Record == 0 {
		anchor--
	}
	if messages, err = s.consume(anchor); err != nil {
		return nil, nil, err
	}
	m, err := s.await(ctx, messages, anchor)
	if err != nil {
		s.stop()
		return nil, nil, err
	}
	switch {
	case m == nil:
		s.stop()
		s.logger.Warn("the stream was replaced by another; it is read from its beginning", "stream", s.stream, "position", from.String())
		s.at = place{}
		s.tally.begin(0)
		messages, err = s.consume("first")
		return messages, nil, err
	case offsetOf(*m) == anchor && from.Record == 0:
		s.tally.begin(from.Offset)
		return messages, nil, m.Ack(false)
	case offsetOf(*m) == anchor:
		s.tally.begin(from.Offset)
		return messages, m, nil
	}
	s.tally.begin(offsetOf(*m))
	s.at = place{Offset: offsetOf(*m)}
	if s.tally.missing = offsetOf(*m) - from.Offset; s.tally.missing > 0 {
		s.logger.Error("records were removed before they were read: have the broker keep them longer", "stream", s.stream, "messages", s.tally.missing)
	}
	return messages, m, nil
}

func (s *source) consume(from any) (<-chan amqp.Delivery, error) {
	messages, stop, err := consume(s.conn, s.stream, from, parcelsAhead)
	if err != nil {
		return nil, explainDeclare("the stream "+s.stream, err)
	}
	s.stop = stop
	return messages, nil
}

// await returns the first message from an offset on, or nil when the stream ends before it.
func (s *source) await(ctx context.Context, messages <-chan amqp.Delivery, offset int64) (*amqp.Delivery, error) {
	suspect := time.NewTicker(suspectAfter)
	defer suspect.Stop()
	for {
		select {
		case m, ok := <-messages:
			if !ok {
				return nil, fmt.Errorf("rabbitmq: the broker has ended the reading of %s: open it again", s.stream)
			}
			if offsetOf(m) >= offset {
				return &m, nil
			}
			if err := m.Ack(false); err != nil {
				return nil, fmt.Errorf("rabbitmq: %w", err)
			}
		case <-suspect.C:
			last, _, err := endOf(ctx, s.conn, s.stream, 1000, suspectAfter)
			if err != nil {
				return nil, explainDeclare("the stream "+s.stream, err)
			}
			if last < offset {
				return nil, nil
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// endOf returns the offset of the last message of a stream, -1 for an empty one. With a
// small window a broker after 3.10 may name an earlier one of the same chunk. bytes is
// what was sent for it.
func endOf(ctx context.Context, conn *amqp.Connection, stream string, window int, patience time.Duration) (last int64, bytes int, err error) {
	messages, stop, err := consume(conn, stream, "last", window)
	if err != nil {
		return -1, 0, err
	}
	defer stop()
	last = -1
	for {
		select {
		case m, ok := <-messages:
			if !ok {
				return last, bytes, amqp.ErrClosed
			}
			last, bytes = offsetOf(m), bytes+len(m.Body)
			patience = 100 * time.Millisecond
		case <-time.After(patience):
			return last, bytes, nil
		case <-ctx.Done():
			return last, bytes, ctx.Err()
		}
	}
}

// watchEnd asks for the end of the stream while it is further ahead than what the broker
// may send.
func (s *source) watchEnd() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for wait := endEvery; ; {
		select {
		case <-time.After(wait):
		case <-s.quit:
			return
		}
		wait = endEvery
		s.mu.Lock()
		behind := s.unacked >= parcelsAhead
		s.mu.Unlock()
		if !behind {
			continue
		}
		last, bytes, err := endOf(ctx, s.conn, s.stream, 1, endEvery)
		if err != nil {
			continue // receive hears when the connection is gone
		}
		s.mu.Lock()
		s.tally.end = max(s.tally.end, last)
		s.mu.Unlock()
		wait = max(wait, time.Duration(bytes)*time.Second/endBytesPerSecond)
	}
}
