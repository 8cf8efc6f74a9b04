package cpu

import (
	"math"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
)

// Group norm is the one normalisation whose rows are not contiguous: x [batch, pixels, groups, width] is normalised over
// pixels and width. Its mean and deviation are recognised in the graph and become one step that reads x once. Centring,
// scale, shift and the activation are a tape, which is the second and last pass over x.

// Operations for a recognised pattern. GoMLX has no names for them.
const (
	opGroupMean      compute.OpType = compute.OpTypeLast + 1 + iota // means [batch, groups] of x
	opGroupDeviation                                                // √(variance + ε) of x, computed with the mean that is its operand
)

// groupStatistics is the attribute of opGroupMean, and its kernel.
//
// The order of the sums: x is cut into pieces of so many pixels of one batch entry that they are about pieceElements
// numbers. Of a piece, first the sums of x and then those of the squared distances from the mean of the piece are
// taken, in f32: in every lane of a stripe of whole pixels, stripe by stripe; then over the pixels of the stripe; then over
// the channels of a group. The pieces are combined in their order in f64 by Chan's formula (Chan, Golub,
// LeVeque 1979), which loses no digits where the mean is large. All of that depends on the shape of x alone.
type groupStatistics struct {
	batch, pixels, groups, width int
	epsilon                      float64
	deviation                    *node

	vectors     *vectors
	x           *tensor
	stripe      int // pixels
	piece       int // pixels, a multiple of stripe
	pieces      int // per batch entry
	partial     *storage
	mean, scale *tensor
}

const (
	pieceElements  = 4096
	stripeElements = 256
)

// recogniseGroupNorms finds √(variance + ε) over pixels and width of a value, and the mean in it, and replaces both by
// operations of their own. The sums and squares then have no reader, and so no step.
func recogniseGroupNorms(f *function) {
	nodes := reachable(f)
	m := &matcher{viewTable: newViewTable(nodes)}
	for _, n := range nodes {
		s, x, mean := m.groupNorm(n)
		if s == nil || mean.op == opGroupMean {
			continue
		}
		s.deviation = n
		mean.op, mean.operand, mean.attr = opGroupMean, []*node{x}, s
		n.op, n.operand = opGroupDeviation, []*node{mean}
	}
}

// matcher matches patterns of nodes through reshapes and broadcasts.
type matcher struct{ *viewTable }

// operand returns the node that computes operand i of n, if its operation is op.
func (m matcher) operand(n *node, i int, op compute.OpType) *node {
	if n == nil || i >= len(n.operand) {
		return nil
	}
	if src := m.source[n.operand[i]]; src != nil && src.op == op {
		return src
	}
	return nil
}

// scalar returns the value of operand i of n if that is one constant number.
func (m matcher) scalar(n *node, i int) (float64, bool) {
	c := m.operand(n, i, compute.OpTypeConstant)
	if c == nil || c.shape.DType != dtypes.Float32 || c.shape.Size() != 1 {
		return 0, false
	}
	return float64(c.attr.(*constantValue).flat.([]float32)[0]), true
}

// withScalar returns the two operands of a commutative operation on a value and a constant number.
func (m matcher) withScalar(n *node, op compute.OpType) (value int, number float64, ok bool) {
	if n == nil || n.op != op || len(n.operand) != 2 {
		return 0, 0, false
	}
	for i := range 2 {
		if number, ok := m.scalar(n, 1-i); ok {
			return i, number, true
		}
	}
	return 0, 0, false
}

// groupNorm matches n with √(mean((x − mean(x))²) + ε).
func (m matcher) groupNorm(n *node) (s *groupStatistics, x, mean *node) {
	if n.op != compute.OpTypeSqrt || n.shape.DType != dtypes.Float32 {
		return nil, nil, nil
	}
	sum := m.operand(n, 0, compute.OpTypeAdd)
	i, epsilon, ok := m.withScalar(sum, compute.OpTypeAdd)
	if !ok {
		return nil, nil, nil
	}
	variance := m.operand(sum, i, compute.OpTypeMul)
	square, s := m.groupMean(variance)
	if s == nil {
		return nil, nil, nil
	}
	square = m.source[square]
	centred := m.operand(square, 0, compute.OpTypeSub)
	if square.op != compute.OpTypeMul || centred == nil || m.operand(square, 1, compute.OpTypeSub) != centred {
		return nil, nil, nil
	}
	x = centred.operand[0]
	mean = m.operand(centred, 1, compute.OpTypeMul)
	of, t := m.groupMean(mean)
	if t == nil || *t != *s || m.source[of] != m.source[x] || m.source[x] == nil ||
		!sameView(m.view[of], m.view[x]) || !slices.Equal(x.shape.Dimensions, centred.shape.Dimensions) {
		return nil, nil, nil
	}
	if at := m.view[centred.operand[1]].implicit(centred.shape.Dimensions); at.off != 0 ||
		!s.perGroup(at) || !isWhole(m.view[n.operand[0]], s.batch*s.groups) {
		return nil, nil, nil
	}
	s.epsilon = epsilon
	return s, x, mean
}

// groupMean matches n with a sum over pixels and width, times one over their number.
func (m matcher) groupMean(n *node) (x *node, s *groupStatistics) {
	i, factor, ok := m.withScalar(n, compute.OpTypeMul)
	if !ok {
		return nil, nil
	}
	sum := m.operand(n, i, compute.OpTypeReduceSum)
	if sum == nil || sum.operand[0].shape.Rank() != 4 || sum.shape.Size() == 0 || !slices.Equal(sum.attr.(axesAttr).axes, []int{1, 3}) {
		return nil, nil
	}
	d := sum.operand[0].shape.Dimensions
	s = &groupStatistics{batch: d[0], pixels: d[1], groups: d[2], width: d[3]}
	count := float64(s.pixels * s.width)
	if math.Abs(factor*count-1) > 1e-6 || n.shape.Size() != s.batch*s.groups || !isWhole(m.view[n.operand[i]], n.shape.Size()) {
		return nil, nil
	}
	return sum.operand[0], s
}

// perGroup reports whether t repeats an array [batch, groups] over pixels and width.
func (s *groupStatistics) perGroup(t *tensor) bool {
	for i, stride := range []int{s.groups, 0, 1, 0} {
		if t.dims[i] != 1 && t.strides[i] != stride {
			return false
		}
	}
	return true
}

func sameView(a, b *tensor) bool {
	return a.off == b.off && slices.Equal(a.dims, b.dims) && slices.Equal(a.strides, b.strides)
}

// groupNorm lowers opGroupMean, with the deviation.
func (l *lowering) groupNorm(n *node) bool {
	s := n.attr.(*groupStatistics)
	s.x = l.dense(l.tensorOf(n.operand[0]))
	s.mean, s.scale = l.define(n), l.define(s.deviation)
	s.vectors = l.backend.vectors
	s.divide()
	s.partial = l.rawStorage(dtypes.Float64, 2*s.batch*s.pieces*s.groups)
	l.emit("group norm", []*storage{s.x.s}, []*storage{s.mean.s, s.scale.s, s.partial}, s.run)
	return true
}

// divide chooses stripes of whole pixels and whole vectors, and pieces of whole stripes.
func (s *groupStatistics) divide() {
	channels := s.groups * s.width
	s.stripe = 1
	for s.stripe*channels%16 != 0 {
		s.stripe *= 2
	}
	s.stripe *= max(1, stripeElements/(s.stripe*channels))
	s.piece = s.stripe * max(1, pieceElements/(s.stripe*channels))
	s.pieces = ceilDiv(s.pixels, s.piece)
}

func (s *groupStatistics) run(x *execution) error {
	src, partial := slice[float32](x, s.x.s, s.x.off), slice[float64](x, s.partial, 0)
	per := max(1, bytesPerItem/4/(s.piece*s.groups*s.width))
	items := s.batch * s.pieces
	m := x.program.backend.memory
	x.parallel(ceilDiv(items, per), func(item int) {
		tools := m.toolbox(s.floats())
		w := s.worker(tools)
		for i := item * per; i < min((item+1)*per, items); i++ {
			from := i % s.pieces * s.piece
			to := min(from+s.piece, s.pixels)
			channels := s.groups * s.width
			base := i / s.pieces * s.pixels * channels
			w.measure(src[base+from*channels:base+to*channels], partial[2*i*s.groups:][:2*s.groups])
		}
		m.release(tools)
	})
	mean, scale := slice[float32](x, s.mean.s, 0), slice[float32](x, s.scale.s, 0)
	for i := range mean {
		centre, v := s.combine(partial, i/s.groups, i%s.groups)
		mean[i], scale[i] = float32(centre), float32(math.Sqrt(v+s.epsilon))
	}
	return nil
}

// combine returns mean and variance of a group from those of its pieces.
func (s *groupStatistics) combine(partial []float64, batch, group int) (mean, variance float64) {
	var count, squares float64
	for p := range s.pieces {
		at := partial[2*((batch*s.pieces+p)*s.groups+group):]
		n := float64(min(s.piece, s.pixels-p*s.piece) * s.width)
		delta := at[0] - mean
		squares += at[1] + delta*delta*count*n/(count+n)
		count += n
		mean += delta * n / count
	}
	return mean, squares / count
}

// statisticsWorker is the memory of one worker.
type statisticsWorker struct {
	*groupStatistics
	sums, centres, rest []float32 // of a stripe
}

// floats is the number of floats of a worker.
func (s *groupStatistics) floats() int { return 3 * s.stripe * s.groups * s.width }

func (s *groupStatistics) worker(b *toolbox) statisticsWorker {
	n := s.floats() / 3
	return statisticsWorker{s, b.take(n), b.take(n), b.take(n)}
}

// measure puts mean and sum of squared distances from it of every group of a piece in out.
func (w *statisticsWorker) measure(piece []float32, out []float64) {
	count := float64(len(piece) / w.groups)
	whole := piece[:len(piece)/len(w.sums)*len(w.sums)]
	rest := piece[len(whole):]
	if clear(w.sums); len(whole) > 0 {
		w.vectors.stripes.sums(w.sums, whole)
	}
	w.eachGroup(rest, func(g int, sum float64) { out[2*g] = sum / count })
	for g := range w.groups {
		w.fillCentres(g, float32(out[2*g]))
	}
	w.vectors.stripes.squares(w.sums, whole, w.centres)
	for i, v := range rest { // the last stripe is not whole
		w.rest[i] = (v - w.centres[i]) * (v - w.centres[i])
	}
	w.eachGroup(w.rest[:len(rest)], func(g int, sum float64) {
		off := out[2*g] - float64(float32(out[2*g])) // the rounding of the centre
		out[2*g+1] = max(0, sum-off*off*count)
	})
}

// fillCentres sets the centre of a group for all pixels of a stripe.
func (w *statisticsWorker) fillCentres(g int, v float32) {
	channels := w.groups * w.width
	for p := range w.stripe {
		fillWith(w.centres[p*channels+g*w.width:][:w.width], v)
	}
}

// eachGroup adds rest, which is less than a stripe, to the sums and sums these over the pixels of the stripe, then over the
// channels of a group.
func (w *statisticsWorker) eachGroup(rest []float32, sum func(g int, total float64)) {
	for i, v := range rest {
		w.sums[i] += v
	}
	channels := w.groups * w.width
	first := w.sums[:channels]
	for p := 1; p < w.stripe; p++ {
		other := w.sums[p*channels:][:channels]
		if channels%16 == 0 {
			w.vectors.binary[opAdd](first, first, other)
			continue
		}
		for i, v := range other {
			first[i] += v
		}
	}
	for g := range w.groups {
		var total float64
		if own := first[g*w.width:][:w.width]; w.width%16 == 0 {
			total = float64(w.vectors.sum(own))
		} else {
			for _, v := range own {
				total += float64(v)
			}
		}
		sum(g, total)
	}
}
