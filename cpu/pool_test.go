package cpu

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestPoolNested starts loops inside loops on many goroutines, which hangs a pool whose waiting items hold workers.
func TestPoolNested(t *testing.T) {
	for _, procs := range []int{1, 2, 4, 16} {
		t.Run(fmt.Sprint(procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			p := new(pool)
			var count atomic.Int64
			done := make(chan struct{})
			go func() {
				defer close(done)
				var wg sync.WaitGroup
				for range 8 {
					wg.Go(func() {
						for range 20 {
							p.run(7, func(int) {
								p.run(5, func(int) {
									p.run(3, func(int) { count.Add(1) })
								})
							})
						}
					})
				}
				wg.Wait()
			}()
			select {
			case <-done:
			case <-time.After(30 * time.Second):
				t.Fatal("the loops do not end")
			}
			if want := int64(8 * 20 * 7 * 5 * 3); count.Load() != want {
				t.Errorf("%d items ran, want %d", count.Load(), want)
			}
			left := func() (helpers, loops int) {
				p.mu.Lock()
				defer p.mu.Unlock()
				return p.helpers, len(p.loops)
			}
			// Helpers that found nothing to do may be on their way out.
			for end := time.Now().Add(30 * time.Second); time.Now().Before(end); runtime.Gosched() {
				if helpers, _ := left(); helpers == 0 {
					break
				}
			}
			if helpers, loops := left(); helpers != 0 || loops != 0 {
				t.Errorf("%d helpers and %d loops are left", helpers, loops)
			}
		})
	}
}

// TestPoolPanic passes the panic of an item to the caller and stays usable.
func TestPoolPanic(t *testing.T) {
	p := new(pool)
	func() {
		defer func() {
			if r := recover(); r != "item" {
				t.Errorf("recovered %v, want item", r)
			}
		}()
		p.run(10, func(i int) {
			if i == 3 {
				panic("item")
			}
		})
	}()
	var count atomic.Int64
	p.run(10, func(int) { count.Add(1) })
	if count.Load() != 10 {
		t.Errorf("%d items ran after a panic, want 10", count.Load())
	}
}

// BenchmarkPool measures loops of eight items that follow each other as the steps of a small network do. The metrics are the
// microseconds of a loop, the median and the fastest hundredth, and the work of its items.
func BenchmarkPool(b *testing.B) {
	p := sharedPool()
	work := func() (sum float64) {
		for i := range 12_000 {
			sum += float64(i) * 0.5
		}
		return sum
	}
	begin := time.Now()
	var sink [8]float64
	for range 1000 {
		sink[0] = work()
	}
	item := time.Since(begin).Seconds() / 1000
	var times []float64
	for b.Loop() {
		begin := time.Now()
		p.run(8, func(i int) { sink[i] = work() })
		times = append(times, time.Since(begin).Seconds())
	}
	slices.Sort(times)
	b.ReportMetric(1e6*times[len(times)/2], "median-µs")
	b.ReportMetric(1e6*times[len(times)/100], "hundredth-µs")
	b.ReportMetric(8e6*item, "work-µs")
}
