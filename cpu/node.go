package cpu

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
)

// replay records an operation on another function, with other operands: in the shadow, in the one-operation program of
// its fallback kernel, and in the body of a closure there.
type replay func(fn compute.Function, operands []compute.Value) ([]compute.Value, error)

// node is one value of a function. An operation with several results has a node without a shape for itself and one node
// with part ≥ 0 for every result.
type node struct {
	fn      *function
	id      int // position in fn.nodes; operands come before
	op      compute.OpType
	operand []*node // the operands, then the values that closures of the operation capture
	attr    any     // what the kernels need in addition to the operands; see attributes.go
	shape   shapes.Shape
	results []shapes.Shape // of all results
	of      *node          // the operation of which this is a result, for one with several
	part    int
	replay  replay
	shadow  compute.Value
}

// function implements [compute.Function].
type function struct {
	builder  *builder
	parent   *function
	shadow   compute.Function
	nodes    []*node
	params   []*node
	names    []string
	outputs  []*node
	byShadow map[compute.Value]*node // the shadow finds common subexpressions: one value, one node
}

var _ compute.Function = (*function)(nil)

func newFunction(b *builder, parent *function, shadow compute.Function) *function {
	return &function{builder: b, parent: parent, shadow: shadow, byShadow: make(map[compute.Value]*node)}
}

// Name returns the name of the function, "" for a closure.
func (f *function) Name() string { return f.shadow.Name() }

// Builder returns the builder of the function.
func (f *function) Builder() compute.Builder { return f.builder }

// Parent returns the function in which a closure was made, or nil.
func (f *function) Parent() compute.Function {
	if f.parent == nil {
		return nil
	}
	return f.parent
}

// Closure starts a function that can use the values of this one.
func (f *function) Closure() (compute.Function, error) {
	shadow, err := f.shadow.Closure()
	if err != nil {
		return nil, err
	}
	return newFunction(f.builder, f, shadow), nil
}

// Shape returns the shape of a value.
func (f *function) Shape(v compute.Value) (shapes.Shape, error) { return f.builder.OpShape(v) }

// Parameter adds an input.
func (f *function) Parameter(name string, shape shapes.Shape, sharding *compute.ShardingSpec) (compute.Value, error) {
	v, err := f.shadow.Parameter(name, shape, sharding)
	if err != nil {
		return nil, err
	}
	n := f.add(compute.OpTypeParameter, nil, v, shape)
	f.params, f.names = append(f.params, n), append(f.names, name)
	return n, nil
}

// Constant adds a constant; flat is copied.
func (f *function) Constant(flat any, dims ...int) (compute.Value, error) {
	v, err := f.shadow.Constant(flat, dims...)
	if err != nil {
		return nil, err
	}
	if n := f.byShadow[v]; n != nil {
		return n, nil
	}
	shape, err := f.shadow.Shape(v)
	if err != nil {
		return nil, err
	}
	raw := newConstant(flat, shape)
	n := f.add(compute.OpTypeConstant, nil, v, shape)
	n.attr = raw
	n.replay = func(fn compute.Function, _ []compute.Value) ([]compute.Value, error) {
		return one(fn.Constant(raw.flat, dims...))
	}
	return n, nil
}

// Return sets the outputs.
func (f *function) Return(outputs []compute.Value, shardings []*compute.ShardingSpec) error {
	nodes, values, err := f.operands("Return", outputs)
	if err != nil {
		return err
	}
	if err := f.shadow.Return(values, shardings); err != nil {
		return err
	}
	f.outputs = nodes
	return nil
}

func (f *function) add(op compute.OpType, operands []*node, shadow compute.Value, shape shapes.Shape) *node {
	n := &node{fn: f, id: len(f.nodes), op: op, operand: operands, shape: shape, shadow: shadow}
	if shape.IsDynamic() {
		f.builder.dynamic = true
	}
	f.nodes = append(f.nodes, n)
	if shadow != nil {
		f.byShadow[shadow] = n
	}
	return n
}

func (f *function) operands(op string, values []compute.Value) ([]*node, []compute.Value, error) {
	nodes, shadows := make([]*node, len(values)), make([]compute.Value, len(values))
	for i, v := range values {
		n, err := f.builder.node(op, v)
		if err != nil {
			return nil, nil, err
		}
		nodes[i], shadows[i] = n, n.shadow
	}
	return nodes, shadows, nil
}

// apply records an operation with any number of results. closures are the functions that the operation calls.
func (f *function) apply(op compute.OpType, attr any, replayed replay, values []compute.Value, closures ...*function) ([]*node, error) {
	nodes, shadows, err := f.operands(op.String(), values)
	if err != nil {
		return nil, err
	}
	var results []compute.Value
	if closures == nil {
		results, err = replayed(f.shadow, shadows)
	} else {
		results, err = f.applyClosures(op, attr, shadows, closures)
	}
	if err != nil {
		return nil, fmt.Errorf("cpu: node %d of %q, %s: %w", len(f.nodes), f.builder.Name(), describe(op, nodes), err)
	}
	for _, c := range closures {
		nodes = append(nodes, c.captured()...)
	}
	resultShapes := make([]shapes.Shape, len(results))
	for i, v := range results {
		if resultShapes[i], err = f.shadow.Shape(v); err != nil {
			return nil, err
		}
	}
	if len(results) == 1 {
		if n := f.byShadow[results[0]]; n != nil {
			return []*node{n}, nil
		}
		n := f.add(op, nodes, results[0], resultShapes[0])
		n.attr, n.replay, n.results = attr, replayed, resultShapes
		return []*node{n}, nil
	}
	whole := f.add(op, nodes, nil, shapes.Invalid())
	whole.attr, whole.replay, whole.results = attr, replayed, resultShapes
	parts := make([]*node, len(results))
	for i, v := range results {
		parts[i] = f.add(op, []*node{whole}, v, resultShapes[i])
		parts[i].of, parts[i].part = whole, i
	}
	return parts, nil
}

// captured returns the values of enclosing functions that the closure uses, each once, in the order of their use.
func (f *function) captured() []*node {
	var outside []*node
	visit := func(n *node) {
		if n.fn != f && !slices.Contains(outside, n) {
			outside = append(outside, n)
		}
	}
	for _, n := range f.nodes {
		for _, o := range n.operand {
			visit(o)
		}
	}
	for _, o := range f.outputs {
		visit(o)
	}
	return outside
}

func one(v compute.Value, err error) ([]compute.Value, error) {
	if err != nil {
		return nil, err
	}
	return []compute.Value{v}, nil
}

// describe names an operation and the shapes of its operands, for errors.
func describe(op compute.OpType, operands []*node) string {
	shapes := make([]string, len(operands))
	for i, o := range operands {
		shapes[i] = o.shape.String()
	}
	name := op.String()
	if op == opGroupMean || op == opGroupDeviation {
		name = "group norm"
	}
	return name + " of " + strings.Join(shapes, ", ")
}
