package storetest

import (
	"fmt"
	"testing"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/store"
)

// BenchmarkLinks measures what an import and single changes of links cost.
//
//	insert    100,000 links in one durable transaction, in batches of 10,000, with their changes
//	update    one durable transaction after the other that changes one link and the log
//	get       one look-up in a transaction of its own, among 100,000 links
//	list      all 100,000, decoded
func BenchmarkLinks(b *testing.B, open func(b *testing.B) store.Store) {
	const group, all = 10_000, 100_000
	insert := func(b *testing.B, s store.Store) {
		b.Helper()
		err := s.Update(b.Context(), func(w store.Writer) error {
			for from := 0; from < all; from += group {
				if err := insertGroup(w, group); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.Run("insert", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			s := open(b)
			b.StartTimer()
			insert(b, s)
		}
		b.ReportMetric(float64(all*b.N)/b.Elapsed().Seconds(), "links/s")
		b.ReportMetric(0, "ns/op")
	})
	s := open(b)
	insert(b, s)
	b.Run("update", func(b *testing.B) {
		n := 0
		for b.Loop() {
			l := link("main", fmt.Sprintf("changed-%d", n))
			l.ID = int64(1 + n*7919%all)
			n++
			err := s.Update(b.Context(), func(w store.Writer) error {
				changed := row(&l)
				if err := w.Links().Replace(changed); err != nil {
					return err
				}
				return w.Changes().Append([]store.Change{{At: day, Actor: "ada", Kind: "link", Action: "update", Key: fmt.Sprint(l.ID), Before: changed.Body, After: changed.Body}})
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "updates/s")
		b.ReportMetric(0, "ns/op")
	})
	b.Run("get", func(b *testing.B) {
		for b.Loop() {
			err := s.View(b.Context(), func(r store.Reader) error {
				_, err := r.Links().Get(77_777)
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("list", func(b *testing.B) {
		for b.Loop() {
			n := 0
			err := s.View(b.Context(), func(r store.Reader) error {
				return r.Links().Find(store.LinkQuery{Ascending: true}, func(affiliate.Link) error { n++; return nil })
			})
			if err != nil || n != all {
				b.Fatal(n, err)
			}
		}
		b.ReportMetric(float64(all*b.N)/b.Elapsed().Seconds(), "links/s")
		b.ReportMetric(0, "ns/op")
	})
}

func insertGroup(w store.Writer, n int) error {
	first, err := w.Links().Reserve(n)
	if err != nil {
		return err
	}
	links, changes := make([]affiliate.Link, n), make([]store.Change, n)
	rows := make([]store.Link, n)
	for i := range links {
		id := first + int64(i)
		links[i] = link("main", fmt.Sprintf("%x-%d", uint64(id)*0x9e3779b97f4a7c15, id))
		links[i].ID = id
		rows[i] = row(&links[i])
		changes[i] = store.Change{At: day, Actor: "ada", Kind: "link", Action: "create", Key: fmt.Sprint(id), After: rows[i].Body}
	}
	if taken, err := w.Links().Insert(rows); err != nil || len(taken) > 0 {
		return fmt.Errorf("taken %v: %w", taken, err)
	}
	return w.Changes().Append(changes)
}
