package nn

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/support/exceptions"
)

// Variable is a weight that a graph function asks for.
type Variable struct {
	Name  string
	Shape []int
}

// Size returns the number of values.
func (v Variable) Size() int { return size(v.Shape) }

// Variables returns the weights that fn asks for, in the order of their first use. It builds the graph for inputs of the
// given shapes, but needs no weights and compiles nothing. fn must not depend on what a store holds.
func Variables(inputs []shapes.Shape, fn Func) (variables []Variable, err error) {
	backend, err := OpenBackend("")
	if err != nil {
		return nil, err
	}
	defer backend.Finalize()
	b := newBinding(NewStore(), nil)
	b.shapeOnly = true
	err = exceptions.TryCatch[error](func() {
		b.graph = graph.NewGraph(backend, "variables")
		defer b.graph.Finalize()
		nodes := make([]*graph.Node, len(inputs))
		for i, shape := range inputs {
			nodes[i] = graph.Parameter(b.graph, fmt.Sprintf("input %d", i), shape)
		}
		fn(Scope{binding: b}, nodes)
	})
	if err != nil {
		return nil, fmt.Errorf("list weights: %w", oneLine(err))
	}
	for _, name := range b.names {
		variables = append(variables, Variable{name, slices.Clone(b.parameters[name].Shape().Dimensions)})
	}
	return variables, nil
}
