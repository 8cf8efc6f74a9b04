package cpu

import (
	"runtime/debug"
	"slices"
	"sync/atomic"
)

// arenas are idle arenas of carelessBytes or more. They are mapped from the system and not in the heap: the collector
// lets garbage grow to the size of what is alive, and an arena of gigabytes would allow as much of it. Freed ones are
// back in the system at once. The lock of memory guards them.
type arenas struct {
	idle [2][][]byte // returned since the last collection, and before it
}

// mappedBytes is the memory of all large arenas, idle or not.
var mappedBytes atomic.Int64

// take returns the smallest idle arena of n bytes or more, as a whole, or nil: programs that run one after the other,
// such as the steps of an image and its decoder, share one arena.
func (a *arenas) take(n int) []byte {
	list, at := -1, -1
	for i, idle := range a.idle {
		for k, raw := range idle {
			if len(raw) >= n && (at < 0 || len(raw) < len(a.idle[list][at])) {
				list, at = i, k
			}
		}
	}
	if at < 0 {
		return nil
	}
	raw := a.idle[list][at]
	a.idle[list] = slices.Delete(a.idle[list], at, at+1)
	return raw
}

// age frees the arenas that were idle through two collections.
func (a *arenas) age() {
	for _, raw := range a.idle[1] {
		freeArena(raw)
	}
	a.idle[1], a.idle[0] = a.idle[0], nil
}

// drop frees all idle arenas.
func (a *arenas) drop() {
	a.age()
	a.age()
}

// ReleaseIdle gives the memory that is kept for later executions back to the system, and what the collector has not
// returned yet. It takes some hundredths of a second.
func (b *Backend) ReleaseIdle() {
	b.memory.drop()
	debug.FreeOSMemory()
}

func freeArena(raw []byte) {
	mappedBytes.Add(-int64(len(raw)))
	unmapMemory(raw)
}

// idleArena returns an idle arena of n bytes or more, or nil.
func (m *memory) idleArena(n int) []byte {
	if n < carelessBytes {
		return m.reuse(n)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.arenas.take(n)
}

// newArena returns an arena of n bytes, of undefined content. Idle ones, which are all smaller, go back to the system first.
func (m *memory) newArena(n int) []byte {
	if n < carelessBytes {
		return m.get(n)
	}
	raw := mapMemory(n)
	mappedBytes.Add(int64(len(raw)))
	return raw
}

// dropArenas gives large idle arenas back to the system, before one of n bytes is made that is larger than all of them.
func (m *memory) dropArenas(n int) {
	if n < carelessBytes {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.arenas.drop()
}

// putArena takes an arena back; the caller must not use it afterwards.
func (m *memory) putArena(raw []byte) {
	if len(raw) < carelessBytes {
		m.put(raw)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.arenas.idle[0] = append(m.arenas.idle[0], raw)
}
