package cpu

import (
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/shapes"
)

// pairsBackend returns a backend that computes products in bf16.
func pairsBackend(tb testing.TB) *Backend {
	tb.Helper()
	if !machinePairs {
		tb.Skip("this processor has no AVX512-BF16")
	}
	return newLevel(tb, "precision=bf16")
}

// productOf multiplies x [m, k] with weights w [n, k] in bf16 and adds bias, which makes an epilogue.
func productOf(tb testing.TB, b *Backend, x []float32, w []bfloat16.BFloat16, m, n, k int) func() []float32 {
	tb.Helper()
	bd := b.Builder("pairs")
	f := bd.Main()
	xv, wv := must(tb)(f.Parameter("x", shapes.Make(dtypes.Float32, m, k), nil)), must(tb)(f.Parameter("w", shapes.Make(dtypes.BFloat16, n, k), nil))
	wide := must(tb)(f.ConvertDType(wv, dtypes.Float32))
	y := must(tb)(f.DotGeneral(xv, []int{1}, nil, wide, []int{1}, nil, compute.DotGeneralConfig{}))
	if n%2 == 0 {
		y = must(tb)(f.Neg(y))
	}
	if err := f.Return([]compute.Value{y}, nil); err != nil {
		tb.Fatal(err)
	}
	exe, err := bd.Compile()
	if err != nil {
		tb.Fatal(err)
	}
	xb, err := b.BufferFromFlatData(0, x, shapes.Make(dtypes.Float32, m, k))
	if err != nil {
		tb.Fatal(err)
	}
	wb, err := b.BufferFromFlatData(0, w, shapes.Make(dtypes.BFloat16, n, k))
	if err != nil {
		tb.Fatal(err)
	}
	return func() []float32 {
		out, err := exe.Execute([]compute.Buffer{xb, wb}, nil, 0)
		if err != nil {
			tb.Fatal(err)
		}
		defer out[0].Finalize()
		return floatsOf(tb, out)[0]
	}
}

func randomPairs(r *rand.Rand, m, n, k int) (x []float32, w []bfloat16.BFloat16) {
	w = make([]bfloat16.BFloat16, n*k)
	for i, v := range gaussian(r, n*k) {
		w[i] = bfloat16.FromFloat32(v)
	}
	return gaussian(r, m*k), w
}

// TestPairs compares with sums in f64 of A rounded to bf16, for shapes that end within tiles, panels, pairs and chunks.
func TestPairs(t *testing.T) {
	b := pairsBackend(t)
	r := rand.New(rand.NewPCG(11, 12))
	for range 60 {
		m, n := 5+r.IntN(40), 1+r.IntN(100)
		k := []int{2, 3, 15, 16, 17, 33, 767, 768, 769, 784, 785, 1600}[r.IntN(12)]
		if r.IntN(10) == 0 {
			m = 530
		}
		x, w := randomPairs(r, m, n, k)
		got := productOf(t, b, x, w, m, n, k)()
		for i := range m {
			for j := range n {
				var sum, size float64
				for p := range k {
					v := float64(bfloatOf(x[i*k+p]).Float32()) * float64(w[j*k+p].Float32())
					sum, size = sum+v, size+math.Abs(v)
				}
				if n%2 == 0 {
					sum = -sum
				}
				if d := math.Abs(float64(got[i*n+j]) - sum); !(d <= size*float64(k)*0x1p-24) {
					t.Fatalf("%d×%d×%d: row %d, column %d is %v, want %v", m, n, k, i, j, got[i*n+j], sum)
				}
			}
		}
	}
}

// TestPairsThreads checks that results are byte-identical for any number of threads.
func TestPairsThreads(t *testing.T) {
	b := pairsBackend(t)
	r := rand.New(rand.NewPCG(13, 14))
	for _, s := range [][3]int{{300, 260, 800}, {9, 33, 5000}, {40, 1000, 96}} {
		x, w := randomPairs(r, s[0], s[1], s[2])
		run := productOf(t, b, x, w, s[0], s[1], s[2])
		many := run()
		old := runtime.GOMAXPROCS(1)
		one := run()
		runtime.GOMAXPROCS(old)
		for i, v := range many {
			if math.Float32bits(v) != math.Float32bits(one[i]) {
				t.Fatalf("%v: element %d is %v with one thread, %v with %d", s, i, one[i], v, old)
			}
		}
	}
}

// TestPairsSpecial checks NaN, infinities, zeros and subnormal numbers, which count as zero.
func TestPairsSpecial(t *testing.T) {
	b := pairsBackend(t)
	const m, n, k = 6, 3, 18
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	special := []float32{0, nan, inf, -inf, 1e-40, 3.4e38}
	x, w := make([]float32, m*k), make([]bfloat16.BFloat16, n*k)
	for i := range w {
		w[i] = bfloat16.FromFloat32(1)
	}
	for i, v := range special {
		x[i*k+i] = v
		x[i*k+k-1] = v // in the part that is rounded one by one
	}
	got := productOf(t, b, x, w, m, n, k)()
	for i, want := range []float32{0, nan, inf, -inf, 0, inf} {
		for j := range n {
			if v := got[i*n+j]; v != want && !(v != v && want != want) {
				t.Errorf("special number %v: got %v, want %v", special[i], v, want)
			}
		}
	}
}

// BenchmarkPairs reports the speed of products of FLUX's shapes in GFLOP/s.
func BenchmarkPairs(b *testing.B) {
	r := rand.New(rand.NewPCG(15, 16))
	for _, config := range []string{"precision=f32", "precision=bf16"} {
		backend := newLevel(b, config)
		for _, s := range [][3]int{{1536, 3072, 3072}, {1536, 9216, 3072}, {320, 1024, 256}} {
			x, w := randomPairs(r, s[0], s[1], s[2])
			run := productOf(b, backend, x, w, s[0], s[1], s[2])
			b.Run(config, func(b *testing.B) {
				for b.Loop() {
					run()
				}
				b.ReportMetric(2*float64(s[0])*float64(s[1])*float64(s[2])*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
