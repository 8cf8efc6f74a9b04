package cpu

import (
	"math"
	"testing"

	"github.com/gomlx/compute"
)

// ulps is how many float32 steps got lies from the exact value.
func ulps(got float32, exact float64) float64 {
	nearest := math.Abs(exact)
	if nearest > math.MaxFloat32 {
		nearest = math.MaxFloat32
	}
	low := float64(float32(nearest))
	if low > nearest {
		low = float64(math.Nextafter32(float32(nearest), 0))
	}
	step := float64(math.Nextafter32(float32(low), math.MaxFloat32)) - low
	if step == 0 {
		step = 0x1p104 // between the two largest numbers
	}
	g := float64(got)
	if math.IsInf(g, 0) { // the number that would follow the largest
		g = math.Copysign(0x1p128, g)
	}
	if math.Abs(exact) >= 0x1p128 {
		exact = math.Copysign(0x1p128, exact)
	}
	return math.Abs(g-exact) / step
}

// everyFloat returns float32 numbers of every size and sign, about n of them, and those that are neither.
func everyFloat(n int) []float32 {
	var values []float32
	for bits := uint64(0); bits < 1<<32; bits += 1<<32/uint64(n) + 1 {
		values = append(values, math.Float32frombits(uint32(bits)))
	}
	return append(values, 0, float32(math.Copysign(0, -1)), float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()))
}

// evenly returns n numbers of a range.
func evenly(low, high float64, n int) []float32 {
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(low + (high-low)*float64(i)/float64(n-1))
	}
	return values
}

// TestMathErrors checks the bounds that [vectors] states, on every instruction set.
func TestMathErrors(t *testing.T) {
	all := append(everyFloat(1<<16), evenly(-90, 90, 1<<15)...)
	all = append(all, evenly(-5, 5, 1<<15)...)
	for _, f := range []struct {
		name  string
		op    func(compute.Function, compute.Value) (compute.Value, error)
		exact func(float64) float64
		bound float64
	}{
		{"exp", compute.Function.Exp, math.Exp, 1.25},
		{"expm1", compute.Function.Expm1, math.Expm1, 1},
		{"log", compute.Function.Log, math.Log, 1},
		{"log1p", compute.Function.Log1p, math.Log1p, 1},
		{"sin", compute.Function.Sin, math.Sin, 1},
		{"cos", compute.Function.Cos, math.Cos, 1},
		{"tanh", compute.Function.Tanh, math.Tanh, 1.5},
		{"logistic", compute.Function.Logistic, logistic, 2.5},
		{"erf", compute.Function.Erf, math.Erf, 1.5},
		{"sqrt", compute.Function.Sqrt, math.Sqrt, 0.5},
		{"rsqrt", compute.Function.Rsqrt, func(x float64) float64 { return 1 / math.Sqrt(x) }, 1.5},
	} {
		for _, config := range levels() {
			got := runGraph(t, newLevel(t, config), [][]float32{all}, [][]int{{len(all)}}, func(fn compute.Function, x []compute.Value) []compute.Value {
				return []compute.Value{must(t)(f.op(fn, x[0]))}
			})[0]
			checkUlps(t, f.name+" "+config, all, got, func(i int) float64 { return f.exact(float64(all[i])) }, f.bound)
		}
	}
}

func checkUlps(t *testing.T, name string, x, got []float32, exact func(i int) float64, bound float64) {
	t.Helper()
	worst, at := 0.0, 0
	for i := range x {
		want := exact(i)
		if math.IsNaN(want) || math.IsNaN(float64(got[i])) {
			if !math.IsNaN(want) || !math.IsNaN(float64(got[i])) {
				t.Fatalf("%s of %v is %v, want %v", name, x[i], got[i], want)
			}
			continue
		}
		if e := ulps(got[i], want); e > worst {
			worst, at = e, i
		}
	}
	t.Logf("%s: %.2f ulp at %v", name, worst, x[at])
	if worst > bound {
		t.Errorf("%s is off by %.2f ulp at %v (%v, want %v), want at most %v", name, worst, x[at], got[at], exact(at), bound)
	}
}

// TestPowErrors checks the bound of x^y.
func TestPowErrors(t *testing.T) {
	var x, y []float32
	for _, a := range append(everyFloat(1<<9), evenly(-3, 3, 101)...) {
		for _, b := range append(everyFloat(1<<7), -3, -2, -1, -0.5, 0.5, 1, 2, 3, 7) {
			x, y = append(x, a), append(y, b)
		}
	}
	for _, config := range levels() {
		got := runGraph(t, newLevel(t, config), [][]float32{x, y}, [][]int{{len(x)}, {len(x)}}, func(fn compute.Function, in []compute.Value) []compute.Value {
			return []compute.Value{must(t)(fn.Pow(in[0], in[1]))}
		})[0]
		checkUlps(t, "pow "+config, x, got, func(i int) float64 { return math.Pow(float64(x[i]), float64(y[i])) }, 1)
	}
}

// BenchmarkMath measures the kernels of functions on a block in the cache, of numbers between -5 and 5.
func BenchmarkMath(b *testing.B) {
	x, dst := evenly(-5, 5, blockElements), make([]float32, blockElements)
	for _, f := range []struct {
		name string
		op   opcode
	}{{"exp", opExp}, {"tanh", opTanh}, {"logistic", opLogistic}, {"erf", opErf}, {"log", opLog}} {
		for _, config := range levels() {
			b.Run(f.name+"/"+config, func(b *testing.B) {
				kernel := newLevel(b, config).vectors.unary[f.op]
				for b.Loop() {
					kernel(dst, x)
				}
				b.ReportMetric(float64(b.N)*blockElements/b.Elapsed().Seconds()/1e9, "Gelem/s")
			})
		}
	}
}
