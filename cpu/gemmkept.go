package cpu

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/gomlx/compute/dtypes"
)

// The right operand of a product is often a weight: memory of the caller's that does not change. Such an operand is packed
// at its first use and kept with the buffer, as long as it is small: of a model of gigabytes the copy would cost more
// memory than packing costs time, and its products have so many rows that packing hardly counts.

const (
	largestKept = 2 << 20  // bytes of a packed operand
	mostKept    = 96 << 20 // bytes that a backend keeps in all
)

// keptPanels are the packed panels of a buffer for the products that pack it alike.
type keptPanels struct {
	of     *gemm // the first of them
	once   sync.Once
	panels []float32
}

// keeping is what a buffer keeps.
type keeping struct {
	mu   sync.Mutex
	list []*keptPanels
}

// packsAlike reports whether two products have the same packed B.
func (g *gemm) packsAlike(o *gemm) bool {
	return g == o || g.pairs == o.pairs && g.kernel.cols == o.kernel.cols && g.chunk == o.chunk && g.terms == o.terms && g.k == o.k && g.n == o.n &&
		g.b.dtype == o.b.dtype && slices.Equal(g.bBatch, o.bBatch) && slices.Equal(g.bCol, o.bCol) && slices.Equal(g.bDepth, o.bDepth)
}

// keeps reports whether B may be kept in its packed form: see [gemm.kept].
func (g *gemm) keeps() bool {
	return g.b.kind == inInput && (g.pairs || g.bPacked) && !g.few && g.n > 1 && g.k > 1 &&
		(g.b.dtype == dtypes.Float32 || g.b.dtype == dtypes.BFloat16) && 4*len(g.bBatch)*g.packedFloats() <= largestKept
}

// kept returns the packed B if it is memory of the caller's, and packs it at the first use; nil otherwise.
func (g *gemm) kept(x *execution) []float32 {
	if !g.keeps() {
		return nil
	}
	u := x.inputs[g.b.index]
	if !u.lent || u.rows != nil {
		return nil
	}
	e := u.kept.find(g, &x.program.backend.kept)
	if e == nil {
		return nil
	}
	e.once.Do(func() {
		panels := make([]float32, len(g.bBatch)*g.packedFloats())
		g.packAll(x, panels, alone) // who waits for others may begin their work, which may need this very operand
		e.panels = panels           // only if nothing panicked
	})
	return e.panels
}

// alone runs a loop on the calling goroutine.
func alone(n int, body func(item int)) {
	for i := range n {
		body(i)
	}
}

// find returns the panels for a product, or nil if there is no room for them. total is what the backend keeps.
func (k *keeping) find(g *gemm, total *atomic.Int64) *keptPanels {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range k.list {
		if g.packsAlike(e.of) {
			return e
		}
	}
	size := int64(4 * len(g.bBatch) * g.packedFloats())
	if total.Add(size) > mostKept {
		total.Add(-size)
		return nil
	}
	e := &keptPanels{of: g}
	k.list = append(k.list, e)
	return e
}

// drop forgets the panels.
func (k *keeping) drop(total *atomic.Int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range k.list {
		total.Add(-int64(4 * len(e.of.bBatch) * e.of.packedFloats()))
	}
	k.list = nil
}
