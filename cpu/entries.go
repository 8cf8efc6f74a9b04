package cpu

import (
	"bytes"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// A graph often computes the same for every entry of a batch. If an entry is small, it is compiled as two programs: one
// for what has a few rows per entry, such as the vectors that modulate a block, over the whole batch, and one for the rest
// of an entry, which runs once for each. Processors then take entries, and meet only when these end, not after every step;
// and what a step leaves in a processor's cache is what its next step reads.
//
// Whether a graph is divided so depends on its shapes alone. A value of an entry is the same as in one program for the
// batch, except that a sum that is cut along its terms may be cut otherwise.

// Bounds of an entry, between which its program is worth its overhead and stays in the caches.
const (
	leastEntryTerms   = 4 << 20  // multiply-adds
	largestEntryValue = 1 << 18  // elements
	largestBeforeSize = 1 << 14  // elements that an entry has of a value computed for the whole batch
	largestShared     = 64 << 20 // bytes of parameters that all entries read
)

// entries is a division of a graph by the entries of a batch. The first axis of a node that is longer than 1, its axis, is
// a multiple of the batch: the node's array consists of equal parts, one behind the other, and the part of an entry
// depends only on the same parts of operands that have one, and on values that all entries share.
type entries struct {
	batch  int
	views  *viewTable
	axis   map[*node]int  // of nodes that have parts
	shared map[*node]bool // parameters that are not divided although they could be
	before map[*node]bool // nodes that are computed for the whole batch
}

// divideByEntries returns how the graph can be divided by the entries of a batch, or nil.
func divideByEntries(f *function) *entries {
	if len(f.outputs) == 0 {
		return nil
	}
	nodes := reachable(f)
	e := &entries{views: newViewTable(nodes), shared: make(map[*node]bool)}
	for _, n := range f.outputs {
		if a := firstAxis(n); a < 0 || e.batch != 0 && n.shape.Dimensions[a] != e.batch {
			return nil
		}
		e.batch = n.shape.Dimensions[firstAxis(n)]
	}
	for range 8 { // parameters that turn out to be shared
		switch wrong := e.propagate(nodes); {
		case wrong == nil:
			if e.separate(f, nodes) {
				return e
			}
			return nil
		case !e.demote(wrong):
			return nil
		}
	}
	return nil
}

// firstAxis returns the first axis that is longer than 1, or -1.
func firstAxis(n *node) int {
	if !n.shape.Ok() {
		return -1
	}
	return slices.IndexFunc(n.shape.Dimensions, func(d int) bool { return d > 1 })
}

// propagate finds the nodes that have parts. It returns an operand that would have to be shared, or nil.
func (e *entries) propagate(nodes []*node) (wrong *node) {
	e.axis = make(map[*node]int)
	for _, n := range nodes {
		if n.op == compute.OpTypeParameter {
			if a := firstAxis(n); a == 0 && n.shape.Dimensions[0] == e.batch && !e.shared[n] {
				e.axis[n] = 0
			}
			continue
		}
		if !slices.ContainsFunc(n.operand, e.divided) {
			continue
		}
		a := -1
		if n.shape.Ok() && n.of == nil && n.shape.Rank() <= 16 && (registerType(n.shape.DType) || n.shape.DType == dtypes.Int32) {
			a = e.axisOf(n)
		}
		if a < 0 || a != firstAxis(n) || n.shape.Dimensions[a]%e.batch > 0 {
			return e.misfit(n)
		}
		e.axis[n] = a
	}
	return nil
}

// misfit returns the operand with parts that keeps a node from having some.
func (e *entries) misfit(n *node) (o *node) {
	for _, o = range slices.Backward(n.operand) {
		if a, ok := e.axis[o]; ok && (n.op == compute.OpTypeDotGeneral || a != firstAxis(n) || o.shape.Rank() != n.shape.Rank()) {
			return o
		}
	}
	return n.operand[slices.IndexFunc(n.operand, e.divided)]
}

func (e *entries) divided(n *node) bool { _, ok := e.axis[n]; return ok }

// demote makes the parameter that the node is a view of a shared one. It returns false if it is a view of none.
func (e *entries) demote(n *node) bool {
	for len(n.operand) > 0 {
		n = n.operand[0]
	}
	if n.op != compute.OpTypeParameter || e.shared[n] {
		return false
	}
	e.shared[n] = true
	return true
}

// axisOf returns the axis of a node that has operands with parts, or -1 if it has none.
func (e *entries) axisOf(n *node) int {
	o := n.operand[0]
	a, ok := e.axis[o]
	switch n.op {
	case compute.OpTypeReshape:
		return firstAxis(n)
	case compute.OpTypeIdentity:
		return a
	case compute.OpTypeBroadcastInDim:
		return n.attr.(axesAttr).axes[a]
	case compute.OpTypeTranspose:
		return slices.Index(n.attr.(axesAttr).axes, a)
	case compute.OpTypeSlice:
		if at := n.attr.(sliceAttr); n.shape.Dimensions[a] != o.shape.Dimensions[a] || len(at.strides) > a && at.strides[a] != 1 {
			return -1
		}
		return a
	case compute.OpTypeReverse:
		if slices.Contains(n.attr.(axesAttr).axes, a) {
			return -1
		}
		return a
	case compute.OpTypeReduceSum, compute.OpTypeReduceMax, compute.OpTypeReduceMin:
		return reducedAxis(n.attr.(axesAttr).axes, a)
	case compute.OpTypeDotGeneral:
		return e.axisOfDot(n, a, ok)
	case compute.OpTypeConcatenate:
		if n.attr.(axesAttr).axes[0] == firstAxis(n) {
			return -1
		}
		return e.axisOfElements(n)
	case compute.OpTypeWhere, compute.OpTypeConvertDType:
		return e.axisOfElements(n)
	}
	if _, _, elementwise := opcodeOf(n.op); elementwise {
		return e.axisOfElements(n)
	}
	return -1
}

// reducedAxis returns where axis a is after a reduction over others, or -1 if it is reduced.
func reducedAxis(axes []int, a int) int {
	if len(axes) == 0 || slices.Contains(axes, a) {
		return -1
	}
	at := a
	for _, r := range axes {
		if r < a {
			at--
		}
	}
	return at
}

// axisOfDot returns the axis of a product: a batch axis of both operands, or one of the left operand's free axes.
func (e *entries) axisOfDot(n *node, a int, ok bool) int {
	d, rhs := n.attr.(dotAttr), n.operand[1]
	b, both := e.axis[rhs]
	if !ok || slices.Contains(d.lhsContract, a) {
		return -1
	}
	if i := slices.Index(d.lhsBatch, a); i >= 0 {
		if !both || d.rhsBatch[i] != b {
			return -1
		}
		return i
	}
	if both {
		return -1
	}
	return len(d.lhsBatch) + slices.Index(restOf(n.operand[0].shape.Rank(), d.lhsBatch, d.lhsContract), a)
}

// axisOfElements returns the axis of a node whose elements depend on those at the same place of the operands.
func (e *entries) axisOfElements(n *node) int {
	at := firstAxis(n)
	for _, o := range n.operand {
		if a, ok := e.axis[o]; ok && (a != at || o.shape.Rank() != n.shape.Rank()) {
			return -1
		} else if !ok && !e.same(o, n.shape, at) {
			return -1
		}
	}
	return at
}

// same reports whether a shared operand of a node of the shape is the same for every entry.
func (e *entries) same(o *node, shape shapes.Shape, at int) bool {
	if o.shape.Rank() != shape.Rank() || o.shape.Dimensions[at] == 1 {
		return o.shape.Rank() == 0 || o.shape.Rank() == shape.Rank()
	}
	switch o.op {
	case compute.OpTypeBroadcastInDim:
		from := o.operand[0]
		i := slices.Index(o.attr.(axesAttr).axes, at)
		return !e.divided(from) && (i < 0 || from.shape.Dimensions[i] == 1)
	case compute.OpTypeConstant:
		raw := o.attr.(*constantValue).bytes
		part := len(raw) / e.batch
		return firstAxis(o) == at && part > 0 && len(raw)%e.batch == 0 && bytes.Equal(raw[part:], raw[:len(raw)-part])
	}
	return false
}

// separate finds what is computed for the whole batch, and reports whether the rest is worth a program.
func (e *entries) separate(f *function, nodes []*node) bool {
	e.before = make(map[*node]bool)
	terms := 0
	for _, n := range nodes {
		if !e.divided(n) {
			continue
		}
		if n.shape.Size()/e.batch > largestEntryValue {
			return false
		}
		if n.op != compute.OpTypeDotGeneral {
			continue
		}
		d, lhs := n.attr.(dotAttr), n.operand[0]
		k := 1
		for _, a := range d.lhsContract {
			k *= lhs.shape.Dimensions[a]
		}
		rows := 1
		for _, a := range restOf(lhs.shape.Rank(), d.lhsBatch, d.lhsContract) {
			rows *= lhs.shape.Dimensions[a]
		}
		if !slices.Contains(d.lhsBatch, e.axis[lhs]) && rows/e.batch <= mostFew {
			e.whole(n)
		}
		terms += n.shape.Size() / e.batch * k
	}
	for _, n := range nodes {
		e.follow(n)
	}
	shared := 0
	for _, n := range nodes {
		if n.op == compute.OpTypeParameter && !e.divided(n) {
			shared += byteSize(n.shape)
		}
	}
	for n := range e.before {
		if n.shape.Size()/e.batch > largestBeforeSize {
			return false
		}
	}
	return terms >= f.builder.backend.least && shared <= largestShared && !slices.ContainsFunc(f.outputs, func(n *node) bool {
		return e.before[n] || !e.divided(n)
	})
}

// whole lets a node be computed for the whole batch, and what it depends on.
func (e *entries) whole(n *node) {
	if e.before[n] || !e.divided(n) || n.op == compute.OpTypeParameter {
		return
	}
	e.before[n] = true
	for _, o := range n.operand {
		e.whole(o)
	}
}

// follow lets a small node be computed for the whole batch if its operands are, such as a bias.
func (e *entries) follow(n *node) {
	if !e.divided(n) || e.views.source[n] != n || n.op == compute.OpTypeParameter || n.shape.Size()/e.batch > largestBeforeSize/4 {
		return
	}
	any := false
	for _, o := range n.operand {
		if !e.divided(o) {
			continue
		}
		if any = e.before[e.views.source[o]]; !any {
			return
		}
	}
	if any {
		e.whole(n)
	}
}

// entryGraph is the graph of one entry.
type entryGraph struct {
	*entries
	from, to *function
	clones   map[*node]*node
	found    []*node // values of the whole graph that it reads as further parameters
}

// graph returns the graph of an entry. Its parameters are those of f, of which those with parts have the shape of a part,
// and then the values found, which f computes for the whole batch.
func (e *entries) graph(f *function) *entryGraph {
	g := &entryGraph{entries: e, from: f, to: &function{builder: f.builder}, clones: make(map[*node]*node)}
	for _, n := range f.params {
		g.parameter(n)
	}
	g.to.names = slices.Clone(f.names)
	nodes := reachable(f)
	needed := make(map[*node]bool)
	for _, n := range f.outputs {
		needed[n] = true
	}
	for _, n := range slices.Backward(nodes) {
		if !needed[n] || g.given(n) {
			continue
		}
		for _, o := range n.operand {
			needed[o] = true
		}
	}
	for _, n := range nodes {
		if needed[n] && n.op != compute.OpTypeParameter && g.given(n) {
			g.found = append(g.found, n)
			g.parameter(n)
			g.to.names = append(g.to.names, "")
		}
	}
	for _, n := range nodes {
		if needed[n] && g.clones[n] == nil {
			g.clone(n)
		}
	}
	for _, n := range f.outputs {
		g.to.outputs = append(g.to.outputs, g.clones[n])
	}
	return g
}

// given reports whether the graph of an entry reads the node instead of computing it.
func (g *entryGraph) given(n *node) bool {
	if g.divided(n) {
		return n.op == compute.OpTypeParameter || g.before[n]
	}
	src := g.views.source[n]
	return src == n && n.op != compute.OpTypeConstant && n.op != compute.OpTypeIota || src == nil
}

func (g *entryGraph) add(n *node, op compute.OpType, shape shapes.Shape) *node {
	c := &node{fn: g.to, id: len(g.to.nodes), op: op, shape: shape}
	g.to.nodes = append(g.to.nodes, c)
	g.clones[n] = c
	return c
}

// shape returns the shape of a node, or of its part.
func (g *entryGraph) shape(n *node) shapes.Shape {
	shape := n.shape.Clone()
	if a, ok := g.axis[n]; ok {
		shape.Dimensions[a] /= g.batch
	}
	return shape
}

func (g *entryGraph) parameter(n *node) {
	g.to.params = append(g.to.params, g.add(n, compute.OpTypeParameter, g.shape(n)))
}

// clone adds a node of the graph of an entry.
func (g *entryGraph) clone(n *node) {
	operands := make([]*node, len(n.operand))
	for i, o := range n.operand {
		operands[i] = g.clones[o]
		if a, ok := g.axis[n]; ok && !g.divided(o) && n.op != compute.OpTypeDotGeneral && o.shape.Rank() == n.shape.Rank() && o.shape.Dimensions[a] > 1 {
			operands[i] = g.repeated(o, a)
		}
	}
	c := g.add(n, n.op, g.shape(n))
	c.operand, c.attr, c.replay, c.results = operands, n.attr, n.replay, []shapes.Shape{c.shape}
	if at, ok := n.attr.(sliceAttr); ok && g.divided(n) {
		a := g.axis[n]
		at.starts, at.limits, at.strides = slices.Clone(at.starts), slices.Clone(at.limits), slices.Clone(at.strides)
		at.limits[a] = c.shape.Dimensions[a]
		c.attr = at
	}
}

// repeated adds the part of a shared operand that is the same for every entry.
func (g *entryGraph) repeated(o *node, a int) *node {
	shape := o.shape.Clone()
	shape.Dimensions[a] /= g.batch
	own := g.clones[o]
	c := g.add(o, o.op, shape)
	g.clones[o] = own // others may need it as a whole
	c.results, c.attr, c.replay = []shapes.Shape{shape}, o.attr, o.replay
	for _, from := range o.operand {
		c.operand = append(c.operand, g.clones[from])
	}
	if value, ok := o.attr.(*constantValue); ok {
		c.attr = &constantValue{bytes: value.bytes[:len(value.bytes)/g.batch]}
	}
	return c
}
