package cpu

import (
	"slices"

	"github.com/gomlx/compute"
)

// largestFolded is the largest value in bytes that is computed when a graph is compiled.
const largestFolded = 1 << 20

// foldConstants computes the nodes that depend on constants alone, with the program's own kernels, and makes them
// constants of f. A node whose computation fails is left in the graph, so that the execution reports the error.
func foldConstants(b *builder, f *function) {
	nodes := reachable(f)
	k := newViewTable(nodes)
	constant := make(map[*node]bool)
	for _, n := range nodes {
		constant[n] = foldable(n, constant)
	}
	var found []*node
	want := func(o *node) {
		src := k.source[o]
		if src == nil || !constant[src] || src.op == compute.OpTypeConstant || src.op == compute.OpTypeIota {
			return
		}
		if !slices.Contains(found, src) {
			found = append(found, src)
		}
	}
	for _, n := range nodes {
		if !constant[n] {
			for _, o := range n.operand {
				want(o)
			}
		}
	}
	for _, n := range f.outputs {
		want(n)
	}
	if len(found) == 0 {
		return
	}
	p, err := compileFunction(b, &function{builder: b, nodes: f.nodes, outputs: found})
	if err != nil {
		return
	}
	out, err := p.Execute(nil, nil, 0)
	if err != nil {
		return
	}
	for i, n := range found {
		u := out[i].(*buffer)
		n.op, n.operand, n.attr = compute.OpTypeConstant, nil, &constantValue{flat: u.flat, bytes: u.bytes}
		dims := n.shape.Dimensions
		n.replay = func(fn compute.Function, _ []compute.Value) ([]compute.Value, error) {
			return one(fn.Constant(u.flat, dims...))
		}
	}
}

// foldable reports whether a node is a constant, or can be computed from those of its operands.
func foldable(n *node, constant map[*node]bool) bool {
	switch n.op {
	case compute.OpTypeConstant:
		return true
	case compute.OpTypeParameter, compute.OpTypeWhile, compute.OpTypeIf, compute.OpTypeCall, compute.OpTypeSort:
		return false
	}
	if !n.shape.Ok() || n.of != nil || n.shape.DType.IsPacked() || byteSize(n.shape) > largestFolded {
		return false
	}
	for _, o := range n.operand {
		if !constant[o] {
			return false
		}
	}
	return len(n.operand) > 0 || n.op == compute.OpTypeIota
}
