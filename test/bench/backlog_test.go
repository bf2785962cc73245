package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// BenchmarkBesideBacklog does a request's worth of work, 10 µs of it every 100 µs,
// and says how late it ends, while nothing else happens and while a backlog of a
// million clicks is stored beside it. Once on all processors and once on one:
//
//	BENCH_NICE=10 go test -run - -bench BesideBacklog -benchtime 1x ./test/bench
//	GOMAXPROCS=1 BENCH_NICE=10 taskset -c 0 go test …
func BenchmarkBesideBacklog(b *testing.B) {
	const clicks = 1_000_000
	nice, _ := strconv.Atoi(os.Getenv("BENCH_NICE"))
	for range b.N {
		p := openPipeline(b, clicks, nice)
		alone := lateness(func() bool { return false }, 2*time.Second)
		var drained atomic.Bool
		ctx, stop := context.WithCancel(b.Context())
		done := make(chan struct{})
		go func() { defer close(done); p.collector.Run(ctx) }()
		began := time.Now()
		go func() {
			_ = p.collector.Drain(ctx)
			drained.Store(true)
		}()
		beside := lateness(drained.Load, time.Minute)
		took := time.Since(began)
		stop()
		<-done
		p.close()
		fmt.Printf("GOMAXPROCS=%d nice=%d: alone %s; beside %s; backlog at %.0f clicks/s\n",
			runtime.GOMAXPROCS(0), nice, alone, beside, float64(p.collector.Stats().Stored)/took.Seconds())
	}
}

// latenesses are how long after its due time each piece of work ended.
type latenesses []time.Duration

func (l latenesses) String() string {
	slices.Sort(l)
	at := func(q float64) time.Duration { return l[int(q*float64(len(l)-1))].Round(time.Microsecond) }
	return fmt.Sprintf("p50 %v, p99 %v, p99.9 %v, max %v of %d", at(0.5), at(0.99), at(0.999), at(1), len(l))
}

// lateness works until stop says so, or for so long.
func lateness(stop func() bool, most time.Duration) (l latenesses) {
	const every, work = 100 * time.Microsecond, 10 * time.Microsecond
	began := time.Now()
	for due := began; !stop() && due.Sub(began) < most; due = due.Add(every) {
		if wait := time.Until(due); wait > 0 {
			// In a system call of its own, as an event loop waits.
			span := syscall.NsecToTimespec(wait.Nanoseconds())
			_ = syscall.Nanosleep(&span, nil)
		}
		for start := time.Now(); time.Since(start) < work; {
		}
		l = append(l, time.Since(due))
	}
	return l
}
