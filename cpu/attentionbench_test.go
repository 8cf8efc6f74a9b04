package cpu

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
)

// BenchmarkAttentionHeads reports the speed of attention with 24 heads of 128, as in FLUX. Queries, keys and values are f32.
func BenchmarkAttentionHeads(b *testing.B) {
	for _, tokens := range []int{1536, 4608} {
		for _, precision := range []string{"f32", "bf16"} {
			b.Run(fmt.Sprintf("%d/%s", tokens, precision), func(b *testing.B) {
				backend := newLevel(b, "precision="+precision)
				shape := shapes.Make(dtypes.Float32, 1, tokens, 24, 128)
				g := NewGraph(backend, "attention")
				var x []*Node
				var in []compute.Buffer
				for i := range 3 {
					buffer, err := backend.BufferFromFlatData(0, gaussian(rand.New(rand.NewPCG(1, uint64(i))), shape.Size()), shape)
					if err != nil {
						b.Fatal(err)
					}
					in, x = append(in, buffer), append(x, Parameter(g, fmt.Sprint("x", i), shape))
				}
				if err := g.Compile(attentionOf(x[0], x[1], x[2], nil)); err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					out, err := g.Executable().Execute(in, nil, 0)
					if err != nil {
						b.Fatal(err)
					}
					out[0].Finalize()
				}
				b.ReportMetric(4*float64(tokens*tokens)*24*128*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
