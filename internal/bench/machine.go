package bench

import (
	"bytes"
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Machine describes the machine and its peaks.
type Machine struct {
	Processor   string `json:"processor,omitempty"` // "" if the system does not tell
	OS          string `json:"os"`
	Arch        string `json:"arch"`
	Cores       int    `json:"cores"`
	Threads     int    `json:"threads"` // GOMAXPROCS
	MemoryBytes int64  `json:"memory_bytes,omitempty"`
	// LoadAverage is the mean number of runnable threads in the minute before: 0 on an
	// idle machine. Above 0.5 the measured speeds are too low.
	LoadAverage float64 `json:"load_average"`
	Go          string  `json:"go_version"`
	SIMD        bool    `json:"simd"` // the build uses the processor's vectors (GOEXPERIMENT=simd)
	// ReadRate and CopyRate are memory bandwidth with all threads, far beyond the
	// caches, in 1e9 bytes a second; a copied byte counts twice.
	ReadRate float64 `json:"read_gb_per_second"`
	CopyRate float64 `json:"copy_gb_per_second"`
	// FMAPeak is the speed of fused multiply-adds on registers with all threads, an upper
	// bound of any program's; 0 if unknown.
	FMAPeak float64 `json:"fma_peak_gflops"`
	// MatmulPeak is the fastest f32 product of this run, MatmulPeakOf its name.
	MatmulPeak   float64 `json:"matmul_peak_gflops"`
	MatmulPeakOf string  `json:"matmul_peak_of"`
}

// describe returns the properties that need no measurement.
func describe() Machine {
	m := Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: runtime.NumCPU(), Threads: runtime.GOMAXPROCS(0), Go: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		m.SIMD = slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool {
			return s.Key == "GOEXPERIMENT" && strings.Contains(s.Value, "simd")
		})
	}
	m.Processor = field("/proc/cpuinfo", "model name")
	if kilobytes, err := strconv.ParseInt(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"), 10, 64); err == nil {
		m.MemoryBytes = kilobytes << 10
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		first, _, _ := strings.Cut(string(load), " ")
		m.LoadAverage, _ = strconv.ParseFloat(first, 64) // 0 if unreadable
	}
	return m
}

// field returns the first value of "name : value" in a file of /proc, or "".
func field(path, name string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		key, value, found := strings.Cut(line, ":")
		if found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// together runs body concurrently, once per thread.
func together(threads int, body func(thread int)) {
	var running sync.WaitGroup
	for i := range threads {
		running.Go(func() { body(i) })
	}
	running.Wait()
}

// fastest returns the least time of several executions of body, in seconds.
func fastest(ctx context.Context, tries int, body func()) (float64, error) {
	best := 0.0
	for i := range tries {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		begin := time.Now()
		body()
		if t := time.Since(begin).Seconds(); i == 0 || t < best {
			best = t
		}
	}
	return best, nil
}

// bandwidth measures reading and copying two buffers of the given size.
func (m *Machine) bandwidth(ctx context.Context, size, tries int) error {
	from, to := make([]byte, size), make([]byte, size)
	part := func(b []byte, i int) []byte { return b[i*size/m.Threads : (i+1)*size/m.Threads] }
	for i := range from { // the system allocates memory when it is first written
		from[i], to[i] = 1, 1
	}
	read, err := fastest(ctx, tries, func() {
		together(m.Threads, func(i int) {
			if bytes.IndexByte(part(from, i), 0) >= 0 { // reads every byte, with vector instructions
				panic("a byte changed")
			}
		})
	})
	if err != nil {
		return err
	}
	copied, err := fastest(ctx, tries, func() {
		together(m.Threads, func(i int) { copy(part(to, i), part(from, i)) })
	})
	m.ReadRate, m.CopyRate = round(float64(size)/read/1e9), round(2*float64(size)/copied/1e9)
	return err
}

// arithmetic measures the peak of fused multiply-adds.
func (m *Machine) arithmetic(ctx context.Context, rounds, tries int) error {
	flops := make([]float64, m.Threads)
	seconds, err := fastest(ctx, tries, func() {
		together(m.Threads, func(i int) { flops[i] = fuse(rounds, newFMAChains()) })
	})
	m.FMAPeak = round(flops[0] * float64(m.Threads) / seconds / 1e9)
	return err
}
