package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/internal/bench"
	"reflectionflow/nn"
	"reflectionflow/weights"
	"reflectionflow/weights/gguf"
	"reflectionflow/weights/gguf/gguftest"
)

// stored multiplies m rows with random weights [n, k] that are stored as a type of GGUF files, such as Q4_K.
func stored(backend compute.Backend, p bench.Product) (bench.Job, error) {
	kind := gguf.Type(0)
	for kind.String() != p.Weights {
		if kind++; kind > gguf.BF16 {
			return bench.Job{}, fmt.Errorf("unknown type %q", p.Weights)
		}
	}
	dir, err := os.MkdirTemp("", "bench-stored")
	if err != nil {
		return bench.Job{}, err
	}
	defer os.RemoveAll(dir) // the file stays mapped
	path := filepath.Join(dir, "weights.gguf")
	if err := gguftest.Write(path, []gguftest.Tensor{{Name: "weight", Type: kind, Shape: []int{p.N, p.K}, Std: 0.02}}, 1); err != nil {
		return bench.Job{}, err
	}
	file, err := weights.Open(path)
	if err != nil {
		return bench.Job{}, err
	}
	store := nn.NewStore()
	if err := store.AddSource("", file); err != nil {
		return bench.Job{}, err
	}
	values := make([]float32, p.M*p.K)
	for i := range values {
		values[i] = float32(i%251)/125 - 1
	}
	x := tensors.FromFlatDataAndDimensions(values, p.M, p.K)
	program, err := nn.Compile(backend, store, []shapes.Shape{x.Shape()}, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		return []*Node{nn.LinearNoBias(s, in[0], p.N)}, nil
	}, nn.Options{})
	if err != nil {
		return bench.Job{}, err
	}
	return bench.Job{Run: func() error {
		y, err := program.Run(x)
		if err == nil {
			err = y[0].FinalizeAll()
		}
		return err
	}}, nil
}
