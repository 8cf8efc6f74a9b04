package bench

import (
	"bytes"
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/google/pprof/profile"
)

// peakMemory returns how far the process's resident memory rises while body runs, in
// bytes; 0 where the system does not tell.
func peakMemory(body func() error) (int64, error) {
	debug.FreeOSMemory()
	debug.FreeOSMemory() // the second collection frees pooled memory
	before, _ := resident()
	known := forgetPeak()
	if err := body(); err != nil || !known {
		return 0, err
	}
	_, peak := resident()
	return max(peak-before, 0), nil
}

// Allocation is the allocator's work in executions after the first.
type Allocation struct {
	// Share is the share of the processor's time spent in allocation and garbage
	// collection, by a profile of Samples samples.
	Share   float64 `json:"time_share"`
	Samples int     `json:"samples"`
	Bytes   int64   `json:"bytes_per_execution"`
	Objects int64   `json:"objects_per_execution"`
}

// allocation runs the workload repeatedly for about the given time.
func allocation(run contestant, length time.Duration) (Allocation, error) {
	for range 2 {
		if err := run(); err != nil {
			return Allocation{}, err
		}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var recorded bytes.Buffer
	if err := pprof.StartCPUProfile(&recorded); err != nil {
		return Allocation{}, fmt.Errorf("profile the allocator: %w", err)
	}
	n := int64(0)
	for begin := time.Now(); n == 0 || time.Since(begin) < length; n++ {
		if err := run(); err != nil {
			pprof.StopCPUProfile()
			return Allocation{}, err
		}
	}
	pprof.StopCPUProfile()
	runtime.ReadMemStats(&after)
	p, err := profile.Parse(&recorded)
	if err != nil {
		return Allocation{}, fmt.Errorf("read the allocator's profile: %w", err)
	}
	share, samples := allocatorShare(p)
	return Allocation{
		Share: round(share), Samples: samples,
		Bytes: int64(after.TotalAlloc-before.TotalAlloc) / n, Objects: int64(after.Mallocs-before.Mallocs) / n,
	}, nil
}

// allocatorFunctions are the runtime's entry points of allocation, collection and
// sweeping, on the program's goroutines and the runtime's own.
var allocatorFunctions = []string{
	"runtime.mallocgc", "runtime.gcBgMarkWorker", "runtime.gcAssistAlloc", "runtime.gcStart", "runtime.bgsweep", "runtime.bgscavenge",
	"runtime.deductSweepCredit", "runtime.memclrNoHeapPointersChunked",
}

// allocatorShare returns the share of samples with the allocator on their stack.
func allocatorShare(p *profile.Profile) (share float64, samples int) {
	in := 0
	for _, sample := range p.Sample {
		count := int(sample.Value[0])
		samples += count
		if allocates(sample) {
			in += count
		}
	}
	return float64(in) / float64(max(samples, 1)), samples
}

func allocates(sample *profile.Sample) bool {
	for _, location := range sample.Location {
		for _, line := range location.Line {
			for _, name := range allocatorFunctions {
				if strings.HasPrefix(line.Function.Name, name) {
					return true
				}
			}
		}
	}
	return false
}
