package flux2

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/cpu"
	"reflectionflow/flux"
	"reflectionflow/nn"
	"reflectionflow/weights"
	"reflectionflow/weights/gguf"
	"reflectionflow/weights/gguf/gguftest"
)

// TestPrecisions compares a double and a single block of random weights in every precision with f32: the velocity, relative
// to its length. With -tags slow they are of klein's shape, at 512×512 with 512 tokens of text.
func TestPrecisions(t *testing.T) {
	p := Klein4B()
	p.NumLayers, p.NumSingleLayers, p.InChannels = 1, 1, 256 // whole blocks
	grid, texts := flux.Grid{Rows: 32, Cols: 32}, 512
	if !trueShapes {
		p.NumAttentionHeads, p.JointAttentionDim, grid, texts = 4, 512, flux.Grid{Rows: 8, Cols: 8}, 24
	}
	bf16, int8 := cpu.Precisions()
	for _, c := range []struct {
		kind      gguf.Type
		precision string
		run       bool
		bound     float64
	}{
		{gguf.F32, "bf16", bf16, 0.01},
		{gguf.BF16, "bf16", bf16, 0.01},
		{gguf.Q8_0, "bf16", bf16, 0.01},
		{gguf.Q8_0, "int8", int8, 0.02},
		{gguf.Q4K, "bf16", bf16, 0.01},
		{gguf.Q4K, "int8", int8, 0.02},
		{gguf.Q6K, "int8", int8, 0.02},
	} {
		if !c.run {
			continue
		}
		store := randomBlocks(t, p, c.kind)
		want, got := velocityIn(t, "f32", store, p, grid, texts), velocityIn(t, c.precision, store, p, grid, texts)
		e := relative(got, want)
		t.Logf("%s in %s: %.2f%%", c.kind, c.precision, 100*e)
		if !(e < c.bound) || e == 0 {
			t.Errorf("%s in %s: off by %g", c.kind, c.precision, e)
		}
	}
}

// randomBlocks writes weights of the type and returns a store with them as they are stored.
func randomBlocks(t *testing.T, p Params, kind gguf.Type) *nn.Store {
	t.Helper()
	variables, err := p.Variables()
	if err != nil {
		t.Fatal(err)
	}
	var list []gguftest.Tensor
	for _, v := range variables {
		one := gguftest.Tensor{Name: v.Name, Type: kind, Shape: v.Shape, Std: 0.02}
		if len(v.Shape) != 2 {
			one.Type, one.Std = gguf.F32, 1
		}
		list = append(list, one)
	}
	path := filepath.Join(t.TempDir(), "blocks.gguf")
	if err := gguftest.Write(path, list, 1); err != nil {
		t.Fatal(err)
	}
	file, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	store := nn.NewStore()
	if err := store.AddSource("", file); err != nil {
		t.Fatal(err)
	}
	return store
}

func velocityIn(t *testing.T, precision string, store *nn.Store, p Params, grid flux.Grid, texts int) []float32 {
	t.Helper()
	backend, err := nn.OpenBackend("cpu:" + precision)
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Finalize()
	r := rand.New(rand.NewPCG(7, 8))
	inputs := []*tensors.Tensor{gaussian(r, 1, grid.Tokens(), p.InChannels), gaussian(r, 1, texts, p.JointAttentionDim), tensors.FromFlatDataAndDimensions([]float32{0.7}, 1)}
	var given []shapes.Shape
	for _, in := range inputs {
		given = append(given, in.Shape())
	}
	program, err := nn.Compile(backend, store, given, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		return []*Node{Transformer(s, p, Inputs{Image: flux.Packed{Tokens: in[0], Grid: grid}, Text: in[1], Sigma: in[2]})}, nil
	}, nn.Options{Name: fmt.Sprint("blocks in ", precision)})
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	out, err := program.Run(inputs...)
	if err != nil {
		t.Fatal(err)
	}
	return tensors.MustCopyFlatData[float32](out[0])
}

func gaussian(r *rand.Rand, dims ...int) *tensors.Tensor {
	n := 1
	for _, d := range dims {
		n *= d
	}
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(r.NormFloat64())
	}
	return tensors.FromFlatDataAndDimensions(values, dims...)
}
