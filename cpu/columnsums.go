package cpu

import (
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
)

// Gradients of biases, scales and group norms are sums over pixels of a value that a tape computes. The tape sums each of
// its blocks while the block is in the cache, and the sum that follows reads these partial sums: a few percent of the
// array, which is not stored at all if nothing else reads it.

// columnSum is the partial sums that a tape takes of a value for the sum that reads it: for each block, period sums over
// its pixels.
type columnSum struct {
	sum    *node
	s      *storage
	period int // elements of a pixel
	pixels int // of a block
	axes   [2]int
}

// leastColumnSum is the least number of elements of a block.
const leastColumnSum = 256

// columnSumOf returns how a sum reads an array if it runs over neighbouring axes before the last ones: it finds the longest such
// run of axes, and what lies behind it is a pixel.
func columnSumOf(sum *node) (c columnSum, ok bool) {
	dims, reduced := sum.operand[0].shape.Dimensions, reducedAxes(sum)
	longest := 1
	for i := 0; i < len(dims); i++ {
		j := i
		for j < len(dims) && reduced[j] {
			j++
		}
		if n := product(dims[i:j]); j < len(dims) && n > longest {
			longest = n
			c = columnSum{sum: sum, period: product(dims[j:]), axes: [2]int{i, j}}
		}
		i = j
	}
	return c, longest > 1 && c.period > 1
}

// run is the number of pixels that the sum runs over at a time.
func (c *columnSum) run() int { return product(c.sum.operand[0].shape.Dimensions[c.axes[0]:c.axes[1]]) }

// columnSums returns the sums that the tape of a unit without rows can begin, by the nodes that they read, and the
// length of its blocks, which divides each run.
func (l *lowering) columnSums(u *unit, outside func(*node) bool) (sums map[*node]*columnSum, block int) {
	if u.row > 0 {
		return nil, 0
	}
	sums = make(map[*node]*columnSum)
	period, pixels := 0, 0
	for _, n := range u.nodes {
		if !outside(n) || n.shape.DType != dtypes.Float32 {
			continue
		}
		for _, sum := range l.sums[n] {
			c, ok := columnSumOf(sum)
			if ok && isWhole(l.views.view[sum.operand[0]], u.domain) && (period == 0 || c.period == period) {
				sums[n], period, pixels = &c, c.period, gcd(pixels, c.run())
				break
			}
		}
	}
	if period == 0 {
		return nil, 0
	}
	best := 0
	for q := 1; q*period <= blockElements; q++ {
		if pixels%q == 0 && q*period%16 == 0 {
			best = q
		}
	}
	if best < 4 || best*period < leastColumnSum {
		return nil, 0
	}
	for _, c := range sums {
		c.pixels = best
	}
	return sums, best * period
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// sumsOf returns the sums of f32 by what they read, and how often each value is read by other units or is a result.
func (l *lowering) sumsOf(f *function, units []*unit, home map[*node]*unit) {
	l.sums, l.readers = make(map[*node][]*node), make(map[*node]int)
	for _, n := range f.outputs {
		l.readers[l.sourceOf(n)]++
	}
	for _, u := range units {
		for _, n := range slices.Concat(u.nodes, u.recomputed) {
			for _, o := range n.operand {
				src := l.sourceOf(o)
				if home[src] == u {
					continue
				}
				l.readers[src]++
				if !u.fused && n.op == compute.OpTypeReduceSum && n.shape.DType == dtypes.Float32 {
					l.sums[src] = append(l.sums[src], n)
				}
			}
		}
	}
}

// begin allocates the partial sums of c, and lets its sum read them.
func (l *lowering) begin(c *columnSum, domain int) {
	blocks := domain / (c.pixels * c.period)
	c.s = l.rawStorage(dtypes.Float32, blocks*c.period)
	dims := slices.Clone(c.sum.operand[0].shape.Dimensions)
	for i := c.axes[0]; i < c.axes[1]; i++ {
		dims[i] = 1
	}
	dims[c.axes[1]-1] = c.run() / c.pixels
	l.begun[c.sum] = denseTensor(c.s, dims)
}

// addUp lets the tape sum a value.
func (r *recorder) addUp(v value, c *columnSum) {
	for i := range slices.Backward(r.ins) {
		if in := &r.ins[i]; in.dst == v && in.do != doLoad && in.sums == nil {
			in.sums = c
			return
		}
	}
	r.append(instruction{do: doUnary, op: opCopy, dst: r.newRegister(inFull), a: r.expand(v, inFull), sums: c})
}

// stripe is the least number of elements that are whole pixels and whole vectors.
func (c *columnSum) stripe() int { return c.period / gcd(c.period, 16) * 16 }

// columns sums the pixels of a block: in every lane of a stripe, then over the pixels of the stripe.
func (t *tape) columns(x *execution, c *columnSum, v, stripe []float32, s *span) {
	out := slice[float32](x, c.s, s.row0*c.period)[:c.period]
	if len(stripe) == c.period {
		t.vectors.stripes.sums(out, v)
		return
	}
	t.vectors.stripes.sums(stripe, v)
	copy(out, stripe)
	for rest := stripe[c.period:]; len(rest) > 0; rest = rest[c.period:] {
		for i, e := range rest[:c.period] {
			out[i] += e
		}
	}
}
