package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"testing"
	"time"
)

const patience = 30 * time.Second // far beyond what any of this takes

// follow reads until it has n records, waiting for them.
func follow(t *testing.T, r *Reader, n int, each func(Record)) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for got := 0; got < n; {
		record, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			if err := r.Wait(ctx); err != nil {
				t.Errorf("after %d of %d records: %v", got, n, err)
				return
			}
		case err != nil:
			t.Error(err)
			return
		default:
			got++
			each(record)
		}
	}
}

// checkLane makes sure that each writer's records come in its order, none twice, none left out.
func checkLane(t *testing.T) func(Record) {
	next := map[uint64]uint64{}
	sequence := uint64(0)
	return func(r Record) {
		sequence++
		if r.Sequence != sequence {
			t.Errorf("sequence %d, want %d", r.Sequence, sequence)
		}
		writer, i := binary.LittleEndian.Uint64(r.Payload), binary.LittleEndian.Uint64(r.Payload[8:])
		if i != next[writer] {
			t.Errorf("writer %d: record %d, want %d", writer, i, next[writer])
		}
		next[writer] = i + 1
	}
}

func TestReadersFollowConcurrentWriters(t *testing.T) {
	const writers, each = 4, 3000
	dir := t.TempDir()
	j := open(t, dir, Options{SegmentBytes: 64 << 10})
	var all sync.WaitGroup
	for range 2 {
		r, err := j.Reader(Position{})
		if err != nil {
			t.Fatal(err)
		}
		r.OnDamage = func(d Damage) { t.Errorf("unexpected damage: %s", d) }
		all.Go(func() {
			follow(t, r, writers*each, checkLane(t))
			_ = r.Close()
		})
	}
	d, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.Reader(Position{})
	if err != nil {
		t.Fatal(err)
	}
	r.OnDamage = func(d Damage) { t.Errorf("unexpected damage, read from outside: %s", d) }
	all.Go(func() {
		follow(t, r, writers*each, checkLane(t))
		_ = r.Close()
	})
	for writer := range writers {
		all.Go(func() {
			b := make([]byte, 16+writer*40)
			for i := range each {
				binary.LittleEndian.PutUint64(b, uint64(writer))
				binary.LittleEndian.PutUint64(b[8:], uint64(i))
				if _, err := j.Append(b); err != nil {
					t.Errorf("writer %d, record %d: %v", writer, i, err)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestWaitReturnsWhenARecordComes(t *testing.T) {
	j := open(t, t.TempDir(), Options{})
	r, err := j.Reader(Position{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	for i := range 20 {
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Fatalf("got %v, want io.EOF", err)
		}
		waited := make(chan error, 1)
		go func() { waited <- r.Wait(t.Context()) }()
		if i%2 == 0 { // both before and after the reader has lain down
			for !j.waiter.Load() {
				time.Sleep(time.Millisecond)
			}
		}
		appendAll(t, j, i, i+1)
		if err := <-waited; err != nil {
			t.Fatal(err)
		}
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWaitEndsWithItsContextAndWithTheJournal(t *testing.T) {
	j := open(t, t.TempDir(), Options{})
	appendAll(t, j, 0, 1)
	r, err := j.Reader(j.End())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	waited := make(chan error, 1)
	go func() { waited <- r.Wait(t.Context()) }()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}

func TestWhatWasAppendedCanBeReadAfterClose(t *testing.T) {
	j := open(t, t.TempDir(), Options{})
	r, err := j.Reader(Position{})
	if err != nil {
		t.Fatal(err)
	}
	appendAll(t, j, 0, 200)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.Wait(t.Context()); err != nil {
		t.Errorf("there is more to read, but Wait says %v", err)
	}
	got, damages := readAll(t, r)
	wantRecords(t, got, 0, 200)
	wantNoDamage(t, damages)
	if err := r.Wait(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("all is read: got %v, want ErrClosed", err)
	}
	_ = r.Close()
}

func TestAppendAllocatesNothing(t *testing.T) {
	j := open(t, t.TempDir(), Options{SegmentBytes: 1 << 20})
	record := make([]byte, clickBytes)
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := j.Append(record); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per record, want none", n)
	}
}
