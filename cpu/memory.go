package cpu

import (
	"math/bits"
	"runtime"
	"sync"
	"unsafe"
	"weak"
)

// memory recycles the bytes of buffers and small arenas. Sizes are rounded up to one of four classes per power of two,
// so that at most a quarter is wasted. Large arenas are not in the heap, see arenas. Memory that stays idle through two garbage collections is freed. All processors share
// one list: with a sync.Pool, each would hold an arena of its own.
type memory struct {
	mu     sync.Mutex
	idle   [2]map[int][]*byte                 // by class: returned since the last collection, and before it
	arenas *arenas                            // idle ones that are large
	tools  sync.Pool                          // of *toolbox
	free   func() (bytes int64, limit string) // free memory of the system; tests replace it
}

func newMemory() *memory {
	m := &memory{free: freeMemory, arenas: new(arenas)}
	runtime.AddCleanup(m, (*arenas).drop, m.arenas) // of a backend that nobody finalized
	m.drop()
	m.watch()
	return m
}

// watch calls age after the next collection.
func (m *memory) watch() {
	type sentinel struct{ _ *byte }
	runtime.AddCleanup(new(sentinel), func(w weak.Pointer[memory]) {
		if m := w.Value(); m != nil {
			m.age()
			m.watch()
		}
	}, weak.Make(m))
}

// age frees the memory that was idle through two collections.
func (m *memory) age() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.idle[1], m.idle[0] = m.idle[0], make(map[int][]*byte)
	m.arenas.age()
}

// sizeClass rounds n up to 64, 80, 96, 112, 128, 160 … bytes.
func sizeClass(n int) int {
	if n <= 64 {
		return 64
	}
	shift := max(bits.Len(uint(n-1))-3, 4)
	return (n + 1<<shift - 1) >> shift << shift
}

// get returns n bytes with undefined content, aligned for every dtype.
func (m *memory) get(n int) []byte {
	if raw := m.reuse(n); raw != nil {
		return raw
	}
	class := sizeClass(n)
	words := make([]uint64, (class+7)/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), class)[:n]
}

// reuse returns n idle bytes, or nil.
func (m *memory) reuse(n int) []byte {
	class := sizeClass(n)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, idle := range m.idle {
		if list := idle[class]; len(list) > 0 {
			last := len(list) - 1
			p := list[last]
			list[last] = nil
			idle[class] = list[:last]
			return unsafe.Slice(p, class)[:n]
		}
	}
	return nil
}

// put takes back bytes that get returned; the caller must not use them afterwards.
func (m *memory) put(raw []byte) {
	if cap(raw) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.idle[0][cap(raw)] = append(m.idle[0][cap(raw)], unsafe.SliceData(raw[:cap(raw)]))
}

// drop frees all idle memory.
func (m *memory) drop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.idle = [2]map[int][]*byte{make(map[int][]*byte), make(map[int][]*byte)}
	m.arenas.drop()
}

// toolbox is the memory of a goroutine that runs items of a step: registers, packed operands and tiles. Later steps reuse
// it, and it grows to the largest need.
type toolbox struct {
	floats    []float32
	left      []float32 // of floats, not taken yet
	registers registers
	attention attentionWorker
}

// toolbox returns a toolbox with room for n floats, beginning with a cache line.
func (m *memory) toolbox(n int) *toolbox {
	b, ok := m.tools.Get().(*toolbox)
	if !ok {
		b = new(toolbox)
	}
	if len(b.floats) < n {
		const line = alignment / 4
		b.floats = make([]float32, n+line)
		if past := uintptr(unsafe.Pointer(unsafe.SliceData(b.floats))) % alignment / 4; past > 0 {
			b.floats = b.floats[line-past:]
		}
	}
	b.left = b.floats
	return b
}

// take cuts n floats of undefined content from the memory of the toolbox.
func (b *toolbox) take(n int) []float32 {
	part := b.left[:n:n]
	b.left = b.left[n:]
	return part
}

// release returns a toolbox, which must refer to its own memory alone.
func (m *memory) release(b *toolbox) { m.tools.Put(b) }
