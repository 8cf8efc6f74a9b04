package cpu

import (
	"runtime"
	"testing"
)

// Programs that run one after the other share the largest arena that one of them needs.
func TestArenasAreShared(t *testing.T) {
	const small, large = carelessBytes + 100, 3 * carelessBytes
	m := newMemory()
	before := mappedBytes.Load()
	first := m.newArena(small)
	if len(first) < small || first[0] != 0 || first[small-1] != 0 {
		t.Error("not enough memory")
	}
	m.putArena(first)
	if m.idleArena(large) != nil {
		t.Error("an arena is larger than the memory that it has")
	}
	if m.dropArenas(large); m.idleArena(small) != nil {
		t.Error("a small arena was kept beside a large one")
	}
	if left := mappedBytes.Load() - before; left != 0 {
		t.Errorf("%d bytes are mapped and no arena is left", left)
	}
	second := m.newArena(large)
	m.putArena(second)
	third := m.idleArena(small)
	if len(third) < small || &third[0] != &second[0] {
		t.Error("a large arena was not shared")
	}
	if m.idleArena(small) != nil {
		t.Error("an arena is used twice")
	}
	m.putArena(third)
	if again := m.idleArena(large); len(again) < large || &again[0] != &second[0] {
		t.Error("a shared arena came back smaller")
	}
	if m.idleArena(100) != nil {
		t.Error("small memory was cut from a large arena")
	}
}

// TestArenasAreNotInTheHeap maps a large arena, and gives it back when it was idle through two collections, or with its
// backend.
func TestArenasAreNotInTheHeap(t *testing.T) {
	const n = 4 * carelessBytes
	m := newMemory()
	before := mappedBytes.Load()
	var raw []byte
	if bytes, _ := allocated(func() { raw = m.newArena(n) }); bytes > n/4 {
		t.Skip("this system has no memory outside of the heap")
	}
	if taken := mappedBytes.Load() - before; taken < n {
		t.Errorf("%d bytes are counted, want %d", taken, n)
	}
	m.putArena(raw)
	m.age()
	if again := m.idleArena(n); again == nil {
		t.Fatal("an arena is freed by the first collection")
	}
	m.putArena(raw)
	m.age()
	m.age()
	if left := mappedBytes.Load() - before; left != 0 {
		t.Errorf("%d bytes stay idle through two collections", left)
	}
	b := newLevel(t, "")
	b.memory.putArena(b.memory.newArena(n))
	b.memory.put(make([]byte, 100))
	if b.ReleaseIdle(); mappedBytes.Load() != before || b.memory.reuse(100) != nil {
		t.Error("idle memory is kept")
	}
	m.putArena(m.newArena(n))
	m = nil //nolint:wastedassign // the collector must find it
	for range 1000 {
		runtime.GC()
		runtime.Gosched()
		if mappedBytes.Load() == before {
			return
		}
	}
	t.Error("the arena of a lost backend stays")
}
