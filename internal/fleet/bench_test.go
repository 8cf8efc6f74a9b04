package fleet_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"reflectionflow"
	"reflectionflow/internal/fleet"
	"reflectionflow/internal/jobs"
	"reflectionflow/internal/testserver"
)

// BenchmarkWorkers generates 32 images for each worker. The workers have one slot each, and
// engines that take 250 ms an image. "x" is how many times faster they are than one engine without a fleet,
// "overhead-%" what the fleet adds to the time that the engines need.
func BenchmarkWorkers(b *testing.B) {
	const each, delay = 32, 250 * time.Millisecond
	for _, n := range []int{1, 2, 8} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			url := testserver.NATS(b, nil)
			view := func() *fleet.Fleet {
				bus, err := jobs.Connect(url, 1)
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(bus.Close)
				f, err := fleet.Open(b.Context(), bus, fleet.Options{})
				if err != nil {
					b.Fatal(err)
				}
				return f
			}
			for i := range n {
				e := (&fake{delay: delay}).engine(fmt.Sprint("w", i))
				e.Slots, e.Roles = 1, []fleet.Role{fleet.Draw}
				f := view()
				var working sync.WaitGroup
				working.Go(func() { _ = f.Work(b.Context(), e) }) // it ends before cleanups begin
				b.Cleanup(working.Wait)
			}
			f := view()
			g, seed := f.Generator(model()), uint64(0)
			for b.Loop() {
				var requests []reflectionflow.Request
				for range each * n {
					seed++
					requests = append(requests, request(seed))
				}
				if _, err := g.Generate(b.Context(), requests); err != nil {
					b.Fatal(err)
				}
			}
			took := b.Elapsed() / time.Duration(b.N)
			b.ReportMetric(float64(n)*float64(each*delay)/float64(took), "x")
			b.ReportMetric(100*(float64(took)/float64(each*delay)-1), "overhead-%")
		})
	}
}
