package cpu

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// lowering turns the nodes of a main function into steps.
type lowering struct {
	backend  *Backend
	storages []*storage
	steps    []*step
	value    map[*node]*tensor
	views    *viewTable
	copies   map[string]*tensor    // dense copies of views, by view
	wide     map[*storage]*storage // f32 copies of bf16 storages
	origin   string                // the unit being lowered, for errors
	joins    map[*node]*joining    // concatenations whose parts are copied early

	offsetTables map[string][]int // see offsetTable

	sums    map[*node][]*node // sums by operand
	readers map[*node]int     // number of other units and results that read a value
	begun   map[*node]*tensor // partial sums that replace a sum's operand
}

// constantValue is the content of a constant node.
type constantValue struct {
	flat  any
	bytes []byte
}

func newConstant(flat any, shape shapes.Shape) *constantValue {
	again := dtypes.MakeAnySlice(shape.DType, shape.Size())
	dtypes.CopyAnySlice(again, flat)
	return &constantValue{flat: again, bytes: dtypes.UnsafeByteSliceFromAny(again)}
}

// compile lowers the main function of b and plans its memory.
func compile(b *builder) (exe compute.Executable, err error) {
	defer func() {
		if r := recover(); r != nil {
			exe, err = nil, fmt.Errorf("cpu: compile %q: %v", b.Name(), r)
		}
	}()
	foldConstants(b, b.main)
	recogniseGroupNorms(b.main)
	if e := divideByEntries(b.main); e != nil {
		return e.compile(b)
	}
	p, err := compileFunction(b, b.main)
	if err != nil {
		return nil, err
	}
	b.backend.steps.add(p.steps)
	return p, nil
}

// compileFunction compiles a function to a program.
func compileFunction(b *builder, f *function) (*program, error) {
	l := &lowering{backend: b.backend, value: make(map[*node]*tensor), copies: make(map[string]*tensor), wide: make(map[*storage]*storage), offsetTables: make(map[string][]int)}
	p := &program{signature: signature{backend: b.backend, name: b.Name(), names: f.names}}
	for i, n := range f.params {
		s := l.storage(n.shape)
		s.kind, s.index = inInput, i
		if n.shape.Rank() == 2 && n.shape.DType == dtypes.Float32 {
			s.width = n.shape.Dimensions[1]
		}
		l.value[n] = denseTensor(s, dimsOf(n.shape))
		p.inputs = append(p.inputs, n.shape)
	}
	if err := l.lowerAll(f); err != nil {
		return nil, fmt.Errorf("cpu: compile %q: %w", b.Name(), err)
	}
	for i, n := range f.outputs {
		p.outputs = append(p.outputs, n.shape)
		l.output(i, n)
	}
	lifetimes(l.storages, l.steps)
	p.arena = planMemory(l.storages)
	p.steps, p.storages = l.steps, l.storages
	p.plain, p.order = plainInputs(len(p.inputs), p.steps), firstReads(len(p.inputs), p.steps)
	if p.storages == nil {
		p.storages = []*storage{}
	}
	return p, nil
}

// lowerAll emits the steps of all nodes that the outputs of f need: fused groups as tapes, the others one by one.
func (l *lowering) lowerAll(f *function) error {
	nodes := reachable(f)
	l.views = newViewTable(nodes)
	units := fuse(nodes, f.outputs, l.views)
	home := make(map[*node]*unit, len(nodes))
	for _, u := range units {
		for _, n := range u.nodes {
			home[n] = u
		}
	}
	rematerialize(units, home, l.views, f.outputs)
	outside := l.outside(f, units, home)
	l.begun = make(map[*node]*tensor)
	l.sumsOf(f, units, home)
	products := epilogues(units, home, l.views, f.outputs)
	later := make(map[*unit]bool, len(products))
	for _, n := range products {
		later[home[n]] = true
	}
	parts := l.joinEarly(nodes, home)
	for _, u := range units {
		if later[u] {
			continue
		}
		if err := l.lowerUnit(u, products[u], home, outside); err != nil {
			return err
		}
		l.copyEarly(u, parts)
	}
	l.origin = "results"
	return nil
}

// lowerUnit emits the steps of a unit, and of the product that it is the epilogue of.
func (l *lowering) lowerUnit(u *unit, p *node, home map[*node]*unit, outside map[*node]bool) error {
	stored := func(n *node) bool { return outside[n] }
	l.origin = u.describe()
	switch {
	case u.attention != nil:
		l.attend(u.attention, outside)
	case p != nil:
		l.origin = home[p].describe() + ", and " + l.origin
		l.emitProduct(p, u, stored)
	case u.fused:
		l.tapeFor(u, stored)
	default:
		if err := l.lower(u.nodes[0]); err != nil {
			return fmt.Errorf("%s: %w", l.origin, err)
		}
	}
	return nil
}

// describe names the operations of the unit and their places in the graph, for errors.
func (u *unit) describe() string {
	first, last := u.nodes[0], u.nodes[len(u.nodes)-1]
	text := fmt.Sprintf("node %d, %s", first.id, describe(first.op, first.operand))
	if first != last {
		text += fmt.Sprintf(", to node %d, %s", last.id, describe(last.op, last.operand))
	}
	return text
}

// outside returns the values that are stored: the outputs, and what units read of each other.
func (l *lowering) outside(f *function, units []*unit, home map[*node]*unit) map[*node]bool {
	outside := make(map[*node]bool)
	for _, n := range f.outputs {
		outside[l.sourceOf(n)] = true
	}
	for _, u := range units {
		own := make(map[*node]bool, len(u.recomputed))
		for _, n := range u.recomputed {
			own[n] = true
		}
		for _, n := range slices.Concat(u.nodes, u.recomputed) {
			for _, o := range n.operand {
				if src := l.sourceOf(o); home[src] != u && !own[src] {
					outside[src] = true
				}
			}
		}
	}
	return outside
}

// sourceOf returns the node whose storage o views.
func (l *lowering) sourceOf(o *node) *node {
	if src := l.views.source[o]; src != nil {
		return src
	}
	return o
}

// tensorOf returns how o lies in a storage of its dtype.
func (l *lowering) tensorOf(o *node) *tensor {
	t := l.narrowTensorOf(o)
	if o.shape.DType == t.s.dtype {
		return t
	}
	return l.widened(t)
}

// narrowTensorOf returns how o lies in the storage of its source, which holds bf16 where o is the same in f32.
func (l *lowering) narrowTensorOf(o *node) *tensor {
	if t := l.value[o]; t != nil {
		return t
	}
	base, view := l.value[l.views.source[o]], l.views.view[o]
	t := &tensor{s: base.s, off: base.off + view.off, dims: view.dims, strides: view.strides}
	l.value[o] = t
	return t
}

// reachable returns the nodes that the outputs depend on, in order.
func reachable(f *function) []*node {
	used := make([]bool, len(f.nodes))
	for _, n := range f.outputs {
		used[n.id] = true
	}
	for i, v := range slices.Backward(f.nodes) {
		if used[i] {
			for _, o := range v.operand {
				used[o.id] = true
			}
		}
	}
	var nodes []*node
	for i, n := range f.nodes {
		if used[i] {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// storage makes a storage in the arena for a dense array of the shape.
func (l *lowering) storage(shape shapes.Shape) *storage {
	return l.rawStorage(shape.DType, shape.Size())
}

func (l *lowering) rawStorage(dtype dtypes.DType, elems int) *storage {
	s := &storage{id: len(l.storages), dtype: dtype, elems: elems, bytes: dtype.SizeForDimensions(elems)}
	l.storages = append(l.storages, s)
	return s
}

// define makes the storage of a node that a kernel writes as a dense array.
func (l *lowering) define(n *node) *tensor {
	t := denseTensor(l.storage(n.shape), dimsOf(n.shape))
	l.value[n] = t
	return t
}

// defineOnce is define, except for a value that each worker keeps in its own memory.
func (l *lowering) defineOnce(n *node) *tensor {
	if t := l.value[n]; t != nil && t.s.kind == inScratch {
		return t
	}
	return l.define(n)
}

func (l *lowering) emit(name string, reads, writes []*storage, run func(x *execution) error) {
	l.steps = append(l.steps, &step{name: name, origin: l.origin, reads: reads, writes: writes, run: run})
}

// output makes the value of n the i-th result: its storage becomes the buffer of the result, unless it is shared.
func (l *lowering) output(i int, n *node) {
	t := l.tensorOf(n)
	if t.s.kind == inArena && t.whole() {
		t.s.kind, t.s.index = inOutput, i
		return
	}
	s := l.storage(n.shape)
	s.kind, s.index = inOutput, i
	l.copyInto(denseTensor(s, dimsOf(n.shape)), t)
}

// lower emits the steps of one node.
func (l *lowering) lower(n *node) error {
	if l.value[n] != nil || n.of != nil {
		return nil // a parameter, or a result that its operation has defined
	}
	switch n.op {
	case compute.OpTypeConstant:
		s := l.storage(n.shape)
		s.kind, s.constant = inConstant, n.attr.(*constantValue).bytes
		l.value[n] = denseTensor(s, dimsOf(n.shape))
		return nil
	case compute.OpTypeReshape: // not expressible by strides
		l.value[n] = l.dense(l.tensorOf(n.operand[0])).reshaped(n.shape.Dimensions)
		return nil
	case compute.OpTypeOptimizationBarrier:
		return l.barrier(n)
	}
	if n.shape.Ok() && n.shape.Size() == 0 {
		l.define(n)
		return nil
	}
	if l.kernel(n) {
		return nil
	}
	return l.fallback(n)
}

// kernel emits the steps of one node, or returns false if there is no kernel for it.
func (l *lowering) kernel(n *node) bool {
	switch n.op {
	case compute.OpTypeDotGeneral:
		return l.dot(n)
	case compute.OpTypeConvGeneral:
		return l.conv(n)
	case opGroupMean:
		return l.groupNorm(n)
	case compute.OpTypeConcatenate:
		return l.concatenate(n)
	case compute.OpTypePad:
		return l.pad(n)
	case compute.OpTypeReduceSum, compute.OpTypeReduceMax, compute.OpTypeReduceMin:
		return l.reduce(n) || l.reduceAny(n)
	case compute.OpTypeReduceProduct, compute.OpTypeReduceBitwiseAnd, compute.OpTypeReduceBitwiseOr,
		compute.OpTypeReduceBitwiseXor, compute.OpTypeReduceLogicalAnd, compute.OpTypeReduceLogicalOr, compute.OpTypeReduceLogicalXor:
		return l.reduceAny(n)
	case compute.OpTypeGather:
		return l.gather(n)
	case compute.OpTypeScatterSum, compute.OpTypeScatterMax, compute.OpTypeScatterMin:
		return l.scatter(n)
	case compute.OpTypeArgMinMax:
		return l.argMinMax(n)
	case compute.OpTypeIota:
		return l.iota(n)
	case compute.OpTypeRNGBitGenerator:
		return l.randomBits(n)
	}
	return l.elements(n)
}

func (l *lowering) barrier(n *node) error {
	if n.shape.Ok() {
		l.value[n] = l.dense(l.tensorOf(n.operand[0]))
		return nil
	}
	for i := range n.results {
		l.value[n.fn.nodes[n.id+1+i]] = l.dense(l.tensorOf(n.operand[i]))
	}
	return nil
}

// widened returns an f32 copy of a tensor of bf16, made without its broadcast axes.
func (l *lowering) widened(t *tensor) *tensor {
	d := l.denseFor(t)
	wide := d.clone()
	if wide.s = l.wide[d.s]; wide.s == nil {
		wide.s = l.rawStorage(dtypes.Float32, d.s.elems)
		l.wide[d.s] = wide.s
		const chunk = bytesPerItem / 4
		from, to := d.s, wide.s
		l.emit("widen", []*storage{from}, []*storage{to}, func(x *execution) error {
			src, dst := slice[uint16](x, from, 0), slice[float32](x, to, 0)
			x.parallel(ceilDiv(from.elems, chunk), func(item int) {
				end := min((item+1)*chunk, from.elems)
				x.program.backend.vectors.widen(dst[item*chunk:end], src[item*chunk:end])
			})
			return nil
		})
	}
	return wide
}

// dense returns t, or a dense copy of it.
func (l *lowering) dense(t *tensor) *tensor {
	if t.dense() {
		return t
	}
	key := access{s: t.s, off: t.off}
	key.dims, key.strides = mergeAxes(t.dims, t.strides)
	c := l.copies[key.key(0)]
	if c == nil {
		c = denseTensor(l.rawStorage(t.s.dtype, t.size()), t.dims)
		l.copyInto(c, t)
		l.copies[key.key(0)] = c
	}
	return denseTensor(c.s, t.dims)
}

// fallback emits the execution of one operation on the fallback backend.
func (l *lowering) fallback(n *node) error {
	exe, err := l.oneOperation(n)
	if err != nil {
		return fmt.Errorf("no kernel, and the Go backend has none: %w", err)
	}
	ins := make([]*tensor, len(n.operand))
	var reads, writes []*storage
	for i, o := range n.operand {
		ins[i] = l.dense(l.tensorOf(o))
		reads = append(reads, ins[i].s)
	}
	for _, r := range n.resultNodes() {
		writes = append(writes, l.define(r).s)
	}
	donate := slices.Repeat([]bool{true}, len(ins))
	l.emit(n.op.String(), reads, writes, func(x *execution) error {
		x.program.backend.counter.add(n.op)
		in := make([]compute.Buffer, len(ins))
		for i, t := range ins {
			from := t.s.dtype.SizeForDimensions(t.off)
			u, err := x.program.backend.export(x.bytesOf(t.s)[from:], n.operand[i].shape)
			if err != nil {
				return err
			}
			in[i] = u
		}
		out, err := runFallback(exe, in, donate)
		if err != nil {
			return fmt.Errorf("no kernel, and the Go backend fails: %w", err)
		}
		for i, o := range out {
			if err := takeBack(x.bytesOf(writes[i]), o); err != nil {
				return err
			}
		}
		return nil
	})
	return nil
}

// runFallback executes a program of the Go backend, which panics where it lacks a dtype.
func runFallback(exe compute.Executable, in []compute.Buffer, donate []bool) (out []compute.Buffer, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	return exe.Execute(in, donate, 0)
}

// resultNodes returns the nodes of the results of an operation.
func (n *node) resultNodes() []*node {
	if n.shape.Ok() {
		return []*node{n}
	}
	return n.fn.nodes[n.id+1 : n.id+1+len(n.results)]
}

// oneOperation compiles the operation alone on the fallback backend, with its operands as parameters.
func (l *lowering) oneOperation(n *node) (compute.Executable, error) {
	b := l.backend.oracle.Builder(n.op.String())
	fn := b.Main()
	in := make([]compute.Value, len(n.operand))
	for i, o := range n.operand {
		v, err := fn.Parameter(fmt.Sprintf("x%d", i), o.shape, nil)
		if err != nil {
			return nil, err
		}
		in[i] = v
	}
	out, err := n.replay(fn, in)
	if err != nil {
		return nil, err
	}
	if err := fn.Return(out, nil); err != nil {
		return nil, err
	}
	return b.Compile()
}
