package nn_test

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/nn"
)

// classifier is a network of two layers for inputs [B, 2].
func classifier(s nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
	hidden := nn.SiLU(nn.Linear(s.In("fc1"), in[0], 3))
	return []*graph.Node{nn.Linear(s.In("fc2"), hidden, 1)}, nil
}

func ExampleCompile() {
	backend, err := nn.OpenBackend("")
	if err != nil {
		fmt.Println(err)
		return
	}
	store, seed := nn.NewStore(), uint64(1)
	input := shapes.Make(dtypes.Float32, 4, 2)
	p, err := nn.Compile(backend, store, []shapes.Shape{input}, classifier, nn.Options{Seed: &seed, Name: "classifier"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	out, err := p.Run(tensors.FromShape(input))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(out[0].Shape(), store.Names(""))
	// Output: (Float32)[4, 1] [fc1.bias fc1.weight fc2.bias fc2.weight]
}

func ExampleVariables() {
	variables, err := nn.Variables([]shapes.Shape{shapes.Make(dtypes.Float32, 1, 2)}, classifier)
	for _, v := range variables {
		fmt.Println(v.Name, v.Shape)
	}
	fmt.Println(err)
	// Output:
	// fc1.weight [3 2]
	// fc1.bias [3]
	// fc2.weight [1 3]
	// fc2.bias [1]
	// <nil>
}
