package cpu

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
)

// carelessBytes is the largest request that is granted without checking the free memory.
const carelessBytes = 64 << 20

// MemoryError reports that a computation was not started because it needs more memory than is free.
type MemoryError struct {
	What   string // the computation
	Needed int64  // bytes
	Free   int64  // bytes
	Limit  string // what limits Free: "memory", "cgroup" or "GOMEMLIMIT"
}

// Error returns one line with the sizes.
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

// room returns a MemoryError if fewer than needed bytes are free. Memory that waits for the garbage collector counts as
// free.
func (m *memory) room(what string, needed int) error {
	if needed < carelessBytes {
		return nil
	}
	if free, _ := m.free(); int64(needed) <= free {
		return nil
	}
	m.drop()
	runtime.GC() // twice: idle memory in pools survives the first
	runtime.GC()
	debug.FreeOSMemory()
	free, limit := m.free()
	if int64(needed) <= free {
		return nil
	}
	return &MemoryError{What: what, Needed: int64(needed), Free: free, Limit: limit}
}

// FreeMemory returns the bytes that the process can still take, by the system, its control
// group and GOMEMLIMIT; [math.MaxInt64] where that is not known.
func FreeMemory() int64 {
	free, _ := freeMemory()
	return free
}

// freeMemory returns the bytes that the process can still take, and what limits them: the memory that Linux reports as
// available, the remainder of a control group's limit, or the remainder of GOMEMLIMIT, which large arenas count against
// although the runtime does not know them. An unknown value does not limit.
func freeMemory() (free int64, limit string) {
	system := os.DirFS("/")
	free, limit = math.MaxInt64, "memory"
	if kib, ok := field(system, "proc/meminfo", "MemAvailable:"); ok {
		free = kib << 10
	}
	if rest := groupMemory(system); rest < free {
		free, limit = rest, "cgroup"
	}
	if most := debug.SetMemoryLimit(-1); most < math.MaxInt64 {
		if rest := max(0, most-goMemory()-mappedBytes.Load()); rest < free {
			free, limit = rest, "GOMEMLIMIT"
		}
	}
	return free, limit
}

// goMemory returns the bytes that count against GOMEMLIMIT.
func goMemory() int64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64() - s[1].Value.Uint64())
}

// controlGroups are the files in which the versions of control groups report the limit, the usage, and the usage by page
// cache that can be reclaimed.
var controlGroups = []struct{ controller, mount, most, used, inactive string }{
	{"", "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"},                                      // version 2
	{"memory", "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"}, // version 1
}

// groupMemory returns the least remainder among the control groups of the process, from its own to the root, or
// math.MaxInt64. Inside a container its own may be mounted as the root.
func groupMemory(system fs.FS) int64 {
	rest := int64(math.MaxInt64)
	for _, g := range controlGroups {
		group := groupOf(system, g.controller)
		for {
			folder := path.Join(g.mount, group)
			most, ok1 := field(system, path.Join(folder, g.most), "")
			used, ok2 := field(system, path.Join(folder, g.used), "")
			if ok1 && ok2 {
				files, _ := field(system, path.Join(folder, "memory.stat"), g.inactive)
				rest = min(rest, max(0, most-used+files))
			}
			if group == "/" {
				break
			}
			group = path.Dir(group)
		}
	}
	return rest
}

// groupOf returns the path of the process's control group: lines are id:controllers:path.
func groupOf(system fs.FS, controller string) string {
	raw, err := fs.ReadFile(system, "proc/self/cgroup")
	if err != nil {
		return "/"
	}
	for line := range strings.Lines(string(raw)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) == 3 && slices.Contains(strings.Split(parts[1], ","), controller) {
			return path.Join("/", parts[2])
		}
	}
	return "/"
}

// field returns the number behind a name at the beginning of a line of a file; no name means the first line.
func field(system fs.FS, file, name string) (int64, bool) {
	raw, err := fs.ReadFile(system, file)
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
