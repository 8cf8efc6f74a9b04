package cpu

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
)

// carelessBytes is how much may be asked for without a look at how much memory there is.
const carelessBytes = 64 << 20

// MemoryError says that a computation was not begun because it takes more memory than there is.
type MemoryError struct {
	What   string // what asks
	Needed int64  // bytes asked for
	Free   int64  // bytes that there are
	Limit  string // what limits them: "memory", "cgroup" or "GOMEMLIMIT"
}

// Error names the sizes.
func (e *MemoryError) Error() string {
	return fmt.Sprintf("cpu: %s needs %s of memory, but only %s are free (%s)", e.What, bytesText(e.Needed), bytesText(e.Free), e.Limit)
}

func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d bytes", n)
}

// room returns a MemoryError if needed bytes are more than there are. Memory that is only waiting for the garbage
// collector counts as free.
func (m *memory) room(what string, needed int) error {
	if needed < carelessBytes {
		return nil
	}
	if free, _ := m.free(); int64(needed) <= free {
		return nil
	}
	runtime.GC() // twice: a sync.Pool keeps what it has through one
	runtime.GC()
	debug.FreeOSMemory()
	free, limit := m.free()
	if int64(needed) <= free {
		return nil
	}
	return &MemoryError{What: what, Needed: int64(needed), Free: free, Limit: limit}
}

// freeMemory returns the bytes that the process can still take, and what limits them: what Linux says is available, the
// rest of the control group's limit, the rest of GOMEMLIMIT. What cannot be found out does not limit.
func freeMemory() (free int64, limit string) {
	free, limit = math.MaxInt64, "memory"
	if kib, ok := field("/proc/meminfo", "MemAvailable:"); ok {
		free = kib << 10
	}
	most, ok1 := field("/sys/fs/cgroup/memory.max", "")
	used, ok2 := field("/sys/fs/cgroup/memory.current", "")
	if ok1 && ok2 {
		cache, _ := field("/sys/fs/cgroup/memory.stat", "inactive_file")
		if rest := max(0, most-used+cache); rest < free {
			free, limit = rest, "cgroup"
		}
	}
	if most := debug.SetMemoryLimit(-1); most < math.MaxInt64 {
		if rest := max(0, most-goMemory()); rest < free {
			free, limit = rest, "GOMEMLIMIT"
		}
	}
	return free, limit
}

// goMemory returns what counts against GOMEMLIMIT.
func goMemory() int64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64() - s[1].Value.Uint64())
}

// field returns the number behind a name at the beginning of a line of a file; no name means the first line.
func field(file, name string) (int64, bool) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(raw)) {
		words := strings.Fields(line)
		if name != "" && len(words) > 0 && words[0] == name {
			words = words[1:]
		} else if name != "" {
			continue
		}
		if len(words) == 0 {
			return 0, false
		}
		n, err := strconv.ParseInt(words[0], 10, 64)
		return n, err == nil
	}
	return 0, false
}
