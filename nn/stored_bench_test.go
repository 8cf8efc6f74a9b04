package nn

import (
	"fmt"
	"testing"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"

	"reflectionflow/cpu"
	"reflectionflow/weights/gguf"
	"reflectionflow/weights/gguf/gguftest"
)

// BenchmarkStored multiplies 1,536 rows by weights of the shapes of FLUX.2 [klein]'s blocks, in every stored type and, first,
// as converted to float32 in memory.
func BenchmarkStored(b *testing.B) {
	const rows, in = 1536, 3072
	for _, precision := range []string{"f32", "bf16"} {
		for _, out := range []int{3072, 9216} {
			for i, kind := range append([]gguf.Type{gguf.F32}, storedTypes...) {
				name := kind.String()
				if i == 0 {
					name = "in memory"
				}
				b.Run(fmt.Sprintf("%s/%d/%s", precision, out, name), func(b *testing.B) {
					backend, err := cpu.New("precision=" + precision)
					if err != nil {
						b.Fatal(err)
					}
					defer backend.Finalize()
					path := b.TempDir() + "/weights.gguf"
					if err := gguftest.Write(path, []gguftest.Tensor{{Name: "a.weight", Type: kind, Shape: []int{out, in}, Std: 0.02}}, 1); err != nil {
						b.Fatal(err)
					}
					store := storedIn(b, openFile(b, path))
					if i == 0 {
						if err := store.own("a.weight"); err != nil {
							b.Fatal(err)
						}
					}
					x := random(1, rows, in)
					p, err := Compile(backend, store, []shapes.Shape{x.Shape()}, func(s Scope, x []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
						return []*graph.Node{LinearNoBias(s.In("a"), x[0], out)}, nil
					}, Options{})
					if err != nil {
						b.Fatal(err)
					}
					for b.Loop() {
						y, err := p.Run(x)
						if err != nil {
							b.Fatal(err)
						}
						y[0].FinalizeAll()
					}
					b.ReportMetric(2*rows*in*float64(out)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
				})
			}
		}
	}
}
