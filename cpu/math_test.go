package cpu

import (
	"math"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// ulps is how many float32 steps got lies from the exact value.
func ulps(got float32, exact float64) float64 {
	step := float64(math.Nextafter32(float32(math.Abs(exact)), math.MaxFloat32)) - math.Abs(float64(float32(exact)))
	return math.Abs(float64(got)-exact) / step
}

// The bounds that [vectors] states, over numbers of every size whose result is a
// normal number.
func TestMathErrors(t *testing.T) {
	var values []float32
	for i := range 1 << 16 {
		values = append(values, float32(i-1<<15)/(1<<15)*80)
	}
	for i := range 1 << 14 {
		values = append(values, float32(math.Exp(-float64(i)/1024)))
	}
	for _, isa := range []string{"", "isa=plain"} {
		plain := isa != ""
		backend, err := New(isa)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range []struct {
			name  string
			build func(*graph.Node) *graph.Node
			exact func(float64) float64
			bound float64
		}{
			{"exp", graph.Exp, math.Exp, 200},
			{"logistic", graph.Logistic, func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }, 128},
			{"tanh", graph.Tanh, math.Tanh, 40},
		} {
			got := tensors.MustCopyFlatData[float32](graph.MustExecOnce(backend, f.build, values))
			if plain {
				f.bound = 1
			}
			worst, at := 0.0, float32(0)
			for i, x := range values {
				if e := ulps(got[i], f.exact(float64(x))); e > worst {
					worst, at = e, x
				}
			}
			t.Logf("%s %q: %.2f ulp at %v", f.name, isa, worst, at)
			if worst > f.bound {
				t.Errorf("%s %q is off by %.2f ulp at %v, want at most %v", f.name, isa, worst, at, f.bound)
			}
		}
	}
}
