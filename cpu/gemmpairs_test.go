package cpu

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"
)

// pairsBackend returns a backend that computes products in bf16.
func pairsBackend(tb testing.TB) *Backend {
	tb.Helper()
	if !machineHas.pairs {
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
		return slices.Clone(floatsOf(tb, out)[0])
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
		k := []int{16, 17, 18, 31, 33, 767, 768, 769, 784, 785, 1600}[r.IntN(11)]
		switch r.IntN(10) {
		case 0:
			m = 530
		case 1: // packed before its blocks
			m, n, k = 64+r.IntN(60), 512+r.IntN(70), 256+r.IntN(300)
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

// rounded rounds to bf16, so that products of pairs have no error but that of their sums.
func rounded(lists ...[]float32) [][]float32 {
	for _, list := range lists {
		for i, v := range list {
			list[i] = bfloatOf(v).Float32()
		}
	}
	return lists
}

// TestPairsLayouts multiplies operands of f32 in every order of axes and compares with the Go backend.
func TestPairsLayouts(t *testing.T) {
	b := pairsBackend(t)
	oracle, err := gobackend.New("ops_sequential")
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(17, 18))
	sizes := []int{5, 8, 15, 16, 17, 31, 32, 33, 65, 130}
	pick := func() int { return sizes[r.IntN(len(sizes))] }
	for i := range 80 {
		batch, m, n, k := 1+r.IntN(3), pick(), pick(), 16+pick()
		if i%10 == 0 {
			k = 800 + r.IntN(900)
		}
		yd, yp := permuted(r, []int{batch, n, k})
		inputs := rounded(gaussian(r, batch*m*k), gaussian(r, batch*n*k))
		build := func(f compute.Function, x []compute.Value) []compute.Value {
			return []compute.Value{must(t)(f.DotGeneral(x[0], []int{2}, []int{0}, must(t)(f.Transpose(x[1], yp...)), []int{2}, []int{0}, compute.DotGeneralConfig{}))}
		}
		dims := [][]int{{batch, m, k}, yd}
		want, got := runGraph(t, oracle, inputs, dims, build), runGraph(t, b, inputs, dims, build)
		if d := distance(got[0], want[0]); !(d < 1e-4) {
			t.Errorf("[%d]×%d×%d×%d as %v: off by %g", batch, m, n, k, yp, d)
		}
	}
}

// TestPairsConv checks convolutions with channels last, whose terms are runs of a row of the window, with padding.
func TestPairsConv(t *testing.T) {
	b := pairsBackend(t)
	r := rand.New(rand.NewPCG(19, 20))
	for range 20 {
		in, out := 16+r.IntN(40), 1+r.IntN(70)
		c := convCase{dims: [][]int{{1 + r.IntN(2), 3 + r.IntN(9), 3 + r.IntN(9), in}, {3, 3, in, out}}, attributes: convAttr{
			channelGroups: 1, batchGroups: 1, strides: []int{1 + r.IntN(2), 1}, paddings: [][2]int{{1, 1}, {0, 1}}, inputDilations: []int{1, 1}, kernelDilations: []int{1, 1},
			axes: compute.ConvolveAxesConfig{
				InputBatch: 0, InputChannels: 3, InputSpatial: []int{1, 2}, KernelInputChannels: 2, KernelOutputChannels: 3, KernelSpatial: []int{0, 1},
				OutputBatch: 0, OutputChannels: 3, OutputSpatial: []int{1, 2},
			},
		}}
		c.inputs = [][]float32{gaussian(r, product(c.dims[0])), gaussian(r, product(c.dims[1]))}
		if d := distance(c.run(t, b), c.reference()); !(d > 1e-4) {
			t.Errorf("%v: off by %g: the operands are not rounded", c.dims, d)
		}
		rounded(c.inputs...)
		if d := distance(c.run(t, b), c.reference()); !(d < 1e-4) {
			t.Errorf("%v: off by %g", c.dims, d)
		}
	}
}

// TestPairsAttention compares attention with f32: the softmax is rounded to 8 bits before the second product.
func TestPairsAttention(t *testing.T) {
	b, f32 := pairsBackend(t), newLevel(t, "")
	r := rand.New(rand.NewPCG(21, 22))
	for _, dims := range [][]int{{1, 100, 2, 64}, {2, 33, 3, 40}, {1, 300, 1, 128}} {
		values := rounded(gaussian(r, product(dims)), gaussian(r, product(dims)), gaussian(r, product(dims)))
		run := func(backend compute.Backend) []float32 {
			exec := MustNewExec(backend, func(q, k, v *Node) *Node { return attentionOf(q, k, v, nil) })
			of := func(i int) *tensors.Tensor { return tensors.FromFlatDataAndDimensions(values[i], dims...) }
			out, err := exec.Call(of(0), of(1), of(2))
			if err != nil {
				t.Fatal(err)
			}
			flat, err := tensors.CopyFlatData[float32](out[0])
			if err != nil {
				t.Fatal(err)
			}
			return flat
		}
		got, want := run(b), run(f32)
		if d := distance(got, want); !(d < 0.02) || d == 0 {
			t.Errorf("%v: off by %g, want rounding errors alone", dims, d)
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
