package cpu

import (
	"math/bits"
	"sync"
	"unsafe"
)

// memory recycles the bytes of buffers and arenas. Sizes are rounded up to one of four classes per power of two, so
// that at most a quarter is wasted. What is not asked for again is left to the garbage collector by sync.Pool.
type memory struct {
	mu    sync.Mutex
	pools map[int]*sync.Pool
	free  func() (bytes int64, limit string) // what there is beside; tests replace it
}

func newMemory() *memory { return &memory{pools: make(map[int]*sync.Pool), free: freeMemory} }

// sizeClass rounds n up to 64, 80, 96, 112, 128, 160 … bytes.
func sizeClass(n int) int {
	if n <= 64 {
		return 64
	}
	shift := max(bits.Len(uint(n-1))-3, 4)
	return (n + 1<<shift - 1) >> shift << shift
}

func (m *memory) pool(class int) *sync.Pool {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.pools[class]
	if p == nil {
		p = new(sync.Pool)
		m.pools[class] = p
	}
	return p
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

// reuse returns n bytes that were put back, or nil.
func (m *memory) reuse(n int) []byte {
	class := sizeClass(n)
	if p, ok := m.pool(class).Get().(*byte); ok {
		return unsafe.Slice(p, class)[:n]
	}
	return nil
}

// put takes back bytes that get returned; nobody may use them afterwards.
func (m *memory) put(raw []byte) {
	if cap(raw) == 0 {
		return
	}
	m.pool(cap(raw)).Put(unsafe.SliceData(raw[:cap(raw)]))
}

func (m *memory) drop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.pools)
}
