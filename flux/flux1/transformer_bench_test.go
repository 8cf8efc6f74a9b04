package flux1

import (
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/flux"
	"reflectionflow/nn"
)

// BenchmarkStep is one denoising step of a 128×128 image with classifier-free
// guidance, at the size of the small checkpoint.
func BenchmarkStep(b *testing.B) {
	p := Params{
		PatchSize: 1, InChannels: 64, NumLayers: 2, NumSingleLayers: 3, AttentionHeadDim: 64, NumAttentionHeads: 4,
		JointAttentionDim: 192, PooledProjectionDim: 128, AxesDimsRope: [3]int{8, 28, 28},
	}
	const texts, batch = 48, 2
	grid, seed := flux.Grid{Rows: 8, Cols: 8}, uint64(1)
	dims := [][]int{{1, grid.Tokens(), p.InChannels}, {batch, texts, p.JointAttentionDim}, {batch, p.PooledProjectionDim}, {1}, {1}, {1}}
	given, inputs := make([]shapes.Shape, len(dims)), make([]*tensors.Tensor, len(dims))
	for i, d := range dims {
		given[i] = shapes.Make(dtypes.Float32, d...)
		inputs[i] = tensors.FromFlatDataAndDimensions(flux.Noise(uint64(i), given[i].Size()), d...)
	}
	step, err := nn.Compile(openTestBackend(b), nn.NewStore(), given, func(s nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		v := Transformer(s, p, Inputs{Latents: graph.Concatenate([]*graph.Node{in[0], in[0]}, 0), Grid: grid, Text: in[1], Pooled: in[2], Timestep: graph.Concatenate([]*graph.Node{in[3], in[3]}, 0)})
		both := graph.Split(v, 0, 2)
		return []*graph.Node{flux.EulerStep(in[0], flux.Guide(both[0], both[1], in[5]), in[3], in[4])}, nil
	}, nn.Options{Seed: &seed})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		out, err := step.Run(inputs...)
		if err != nil {
			b.Fatal(err)
		}
		if err := out[0].FinalizeAll(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(batch*stepFLOP(p, texts+grid.Tokens())/1e9*float64(b.N)/b.Elapsed().Seconds(), "GFLOP/s")
}

// stepFLOP counts the multiplications and additions of the blocks' matrix products
// for one sequence: 12 hidden² weights a token in either kind of block, and attention.
func stepFLOP(p Params, sequence int) float64 {
	hidden, length := float64(p.Hidden()), float64(sequence)
	return float64(p.NumLayers+p.NumSingleLayers) * (24*hidden*hidden*length + 4*length*length*hidden)
}
