package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/affiliate"
	"github.com/sluicehq/sluice/internal/ledger"
	"github.com/sluicehq/sluice/internal/store"
)

// BenchmarkBooks measures an engine, whose stores open makes empty.
//
//	settle    reports, each with its conversion and posting, in durable transactions
//	          of 100: at least 2,000 a second are asked of one core. An fsync and some
//	          hundred page writes a transaction leave 500 µs for each report.
//	balance   an account with a million entries, now and in the past: at most 50 ms
func BenchmarkBooks(b *testing.B, open func(b *testing.B) store.Store) {
	b.Run("settle", func(b *testing.B) { benchmarkSettle(b, open(b), false) })
	b.Run("settle again", func(b *testing.B) { benchmarkSettle(b, open(b), true) })
	b.Run("balance", func(b *testing.B) { benchmarkBalance(b, open(b)) })
}

// benchmarkSettle writes into books that hold 20,000 conversions. With again it reports
// and changes those, which touches rows all over the books.
func benchmarkSettle(b *testing.B, s store.Store, again bool) {
	const group, there = 100, 20_000
	settle := func(round, from int) {
		err := s.Update(b.Context(), func(w store.Writer) error {
			for i := from; i < from+group; i++ {
				if err := settleOne(w, round, i); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	for from := 0; from < there; from += group {
		settle(0, from)
	}
	n := 0
	for b.Loop() {
		if again {
			settle(1+n/there, n*7919%there/group*group)
		} else {
			settle(0, there+n)
		}
		n += group
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "reports/s")
	b.ReportMetric(0, "ns/op")
}

// settleOne writes what one report causes. Transaction ids, digests and customers are in
// random order; a click's id begins with its time, up to two hours before the order.
func settleOne(w store.Writer, round, i int) error {
	c := conversion(fmt.Sprintf("%08x%016x", i, uint64(i)*0x9e3779b97f4a7c15))
	c.Tx, c.Customer = fmt.Sprintf("order-%d", i*7919%1_000_000), fmt.Sprintf("%032x", uint64(i)*0xbf58476d1ce4e5b9)
	c.ClickID = fmt.Sprintf("%08x%016x", i+7200-i*7919%7200, uint64(i)*0xd6e8feb86659fd93)
	c.Partner, c.At = fmt.Sprintf("partner-%d", i%500), day.Add(time.Duration(i)*time.Second)
	c.Due = c.At.AddDate(0, 0, 30+round)
	r := report("shop", c.Tx, fmt.Sprintf("%012x%04d", i, round), fmt.Sprintf("%032x%d", uint64(i)*0x94d049bb133111eb, round))
	if known, err := w.Books().AddReports([]store.Report{r}); err != nil || len(known) > 0 {
		return fmt.Errorf("known %v: %w", known, err)
	}
	if err := w.Books().PutConversion(c); err != nil {
		return err
	}
	_, err := w.Books().Post([]ledger.Posting{posting(fmt.Sprintf("%s-%d", c.ID, round), c.At, c.ID,
		move("program/shop/cost", ledger.Account("partner/shop/"+c.Partner+"/pending"), 495))})
	return err
}

func benchmarkBalance(b *testing.B, s store.Store) {
	const entries, lines = 1_000_000, 500
	for from := 0; from < entries; from += 100 * lines {
		err := s.Update(b.Context(), func(w store.Writer) error {
			var batch []ledger.Posting
			for i := from / lines; i < from/lines+100; i++ {
				p := posting(fmt.Sprint(i), day.Add(time.Duration(i)*time.Minute), "s", nil)
				for range lines {
					p.Entries = append(p.Entries, move("program/shop/cost", "partner/shop/ada/pending", 3)...)
				}
				batch = append(batch, p)
			}
			_, err := w.Books().Post(batch)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		at   time.Time
		want int64
	}{
		{"now", time.Time{}, 3 * entries},
		{"in the past", day.Add((entries/lines/2 - 1) * time.Minute), 3 * entries / 2},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				err := s.View(b.Context(), func(r store.Reader) error {
					held, err := r.Books().Balance("partner/shop/ada/pending", c.at)
					if len(held) != 1 || held[0] != (affiliate.Money{Minor: c.want, Currency: "EUR"}) {
						b.Fatalf("the balance is %v, want %d", held, c.want)
					}
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N), "ms/balance")
			b.ReportMetric(0, "ns/op")
		})
	}
}
