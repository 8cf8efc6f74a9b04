package tuning

import (
	"path/filepath"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"

	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/flux/flux2"
	"reflectionflow/nn"
	files "reflectionflow/weights"
	"reflectionflow/weights/gguf"
	"reflectionflow/weights/gguf/gguftest"
)

// BenchmarkGivenBlock measures one block of every kind of FLUX.1-dev and FLUX.2 [klein] 4B at their true shapes, of random
// weights, for training at 512 pixels with a text of 512 tokens: seconds forward and with the gradient, and memory.
func BenchmarkGivenBlock(b *testing.B) {
	const side, texts, rank = 32, 512, 16 // in tokens
	grid := flux.Grid{Rows: side, Cols: side}
	dev, klein := flux1.Variants[0].Params, flux2.Klein4B()
	dev.NumLayers, dev.NumSingleLayers, klein.NumLayers, klein.NumSingleLayers = 1, 1, 1, 1
	one := &flux1.Model{Folder: &flux1.Folder{Transformer: dev}}
	two := &flux2.Model{Folder: &flux2.Folder{Transformer: klein}}
	for _, m := range []struct {
		name       string
		model      flux.Model
		components []flux.Component
		channels   int
		reference  flux.Grid
		embedding  [][]int
	}{
		{"FLUX.1", one, one.Folder.Components(), dev.InChannels, flux.Grid{Rows: side / 2, Cols: side / 2}, [][]int{{texts, dev.JointAttentionDim}, {dev.PooledProjectionDim}}},
		{"klein", two, two.Folder.Components(), klein.InChannels, grid, [][]int{{texts, klein.JointAttentionDim}}},
	} {
		for _, kind := range []gguf.Type{gguf.BF16, gguf.Q8_0} {
			b.Run(m.name+"/"+kind.String(), func(b *testing.B) {
				store := nn.NewStore()
				if err := store.AddSource("transformer", randomFile(b, m.components[0], kind)); err != nil {
					b.Fatal(err)
				}
				one.Store, two.Store = store, store
				base, err := newGivenBase(m.model, Corrector{Rank: rank})
				if err != nil {
					b.Fatal(err)
				}
				g := &givenRun{base: base, backend: backend(b), grid: grid, reference: m.reference, c: Corrector{Train: Config{Seed: 1}}}
				if err := g.initLoRA(store); err != nil {
					b.Fatal(err)
				}
				floats := func(dims ...int) shapes.Shape { return shapes.Make(dtypes.Float32, dims...) }
				image := floats(1, grid.Tokens(), m.channels)
				batch := []shapes.Shape{image, floats(1), floats(1, m.reference.Tokens(), m.channels)}
				for _, dims := range m.embedding {
					batch = append(batch, floats(append([]int{1}, dims...)...))
				}
				g.denoising = denoising{
					store: store, parts: base.model.Pieces(), batch: append(batch, image), inputs: g.inputs, adapt: base.adapt, trainable: underPrefix(base.prefix),
					begin: func(_ nn.Scope, in []*graph.Node) ([]*graph.Node, *graph.Node) {
						return in[:len(batch)], in[len(batch)]
					},
				}
				p, err := g.compile()
				if err != nil {
					b.Fatal(err)
				}
				defer p.Close()
				for b.Loop() {
					blocks, err := p.measure(b.Context())
					if err != nil {
						b.Fatal(err)
					}
					for _, t := range blocks {
						b.ReportMetric(t.Forward.Seconds(), t.Kind+"-s")
						b.ReportMetric(t.Backward.Seconds(), t.Kind+"-grad-s")
						b.ReportMetric(float64(t.Memory)/1e9, t.Kind+"-GB")
					}
				}
			})
		}
	}
}

// randomFile writes a network of random weights; vectors are of float32.
func randomFile(b *testing.B, c flux.Component, kind gguf.Type) files.Source {
	b.Helper()
	variables, err := c.Variables()
	if err != nil {
		b.Fatal(err)
	}
	var list []gguftest.Tensor
	for _, v := range variables {
		t := gguftest.Tensor{Name: v.Name, Type: kind, Shape: v.Shape, Std: 0.02}
		if len(v.Shape) == 1 {
			t.Type = gguf.F32
		}
		list = append(list, t)
	}
	path := filepath.Join(b.TempDir(), "weights.gguf")
	if err := gguftest.Write(path, list, 1); err != nil {
		b.Fatal(err)
	}
	file, err := files.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { file.Close() }) //nolint:errcheck // read only
	return file
}
