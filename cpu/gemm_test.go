package cpu

import (
	"fmt"
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
)

func levels() []string {
	list := make([]string, machine+1)
	for i := range list {
		list[i] = "isa=" + levelNames[i]
	}
	return list
}

func newLevel(t testing.TB, config string) *Backend {
	t.Helper()
	b, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return b.(*Backend)
}

func gaussian(r *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

// runGraph builds a graph of f32 inputs on b, executes it once and returns the flat f32 outputs.
func runGraph(t testing.TB, b compute.Backend, inputs [][]float32, dims [][]int, build func(f compute.Function, x []compute.Value) []compute.Value) [][]float32 {
	t.Helper()
	exe, in := compileGraph(t, b, inputs, dims, build)
	out, err := exe.Execute(in, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return floatsOf(t, out)
}

// outputOf runs exe and returns its first output.
func outputOf(t *testing.T, exe compute.Executable, in []compute.Buffer) []float32 {
	t.Helper()
	out, err := exe.Execute(in, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return floatsOf(t, out)[0]
}

func floatsOf(t testing.TB, out []compute.Buffer) [][]float32 {
	t.Helper()
	got := make([][]float32, len(out))
	for i, o := range out {
		flat, err := o.Data()
		if err != nil {
			t.Fatal(err)
		}
		switch v := flat.(type) {
		case []float32:
			got[i] = v
		case []bool:
			for _, b := range v {
				got[i] = append(got[i], map[bool]float32{true: 1}[b])
			}
		default:
			t.Fatalf("output %d is %T", i, flat)
		}
	}
	return got
}

func compileGraph(t testing.TB, b compute.Backend, inputs [][]float32, dims [][]int, build func(f compute.Function, x []compute.Value) []compute.Value) (compute.Executable, []compute.Buffer) {
	t.Helper()
	bd := b.Builder("test")
	f := bd.Main()
	x := make([]compute.Value, len(inputs))
	in := make([]compute.Buffer, len(inputs))
	for i := range inputs {
		shape := shapes.Make(dtypes.Float32, dims[i]...)
		var err error
		if x[i], err = f.Parameter(fmt.Sprint(i), shape, nil); err != nil {
			t.Fatal(err)
		}
		if in[i], err = b.BufferFromFlatData(0, inputs[i], shape); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Return(build(f, x), nil); err != nil {
		t.Fatal(err)
	}
	exe, err := bd.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return exe, in
}

func must(t testing.TB) func(v compute.Value, err error) compute.Value {
	return func(v compute.Value, err error) compute.Value {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// distance returns the largest difference relative to the root mean square of want.
func distance(got, want []float32) float64 {
	var worst, square float64
	for i, w := range want {
		square += float64(w) * float64(w)
		if d := math.Abs(float64(got[i]) - float64(w)); d > worst || math.IsNaN(d) {
			worst = d
		}
	}
	if square == 0 {
		return worst
	}
	return worst / math.Sqrt(square/float64(len(want)))
}

func permuted(r *rand.Rand, dims []int) (out, back []int) {
	p := r.Perm(len(dims))
	back = make([]int, len(dims))
	for i, q := range p {
		out = append(out, dims[q])
		back[q] = i
	}
	return out, back
}

// TestDotLayouts multiplies in every order of axes and many sizes, on every instruction set, and compares with the Go
// backend. Operands reach DotGeneral through a Transpose, so that they are read in place with strides.
func TestDotLayouts(t *testing.T) {
	oracle, err := gobackend.New("ops_sequential")
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	sizes := []int{1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40, 65, 130}
	pick := func() int { return sizes[r.IntN(len(sizes))] }
	for i := range 120 {
		batch, m, n, k := 1+r.IntN(4), pick(), pick(), pick()
		if i%10 == 0 {
			m, n, k = 1+r.IntN(20), 1+r.IntN(20), 3000+r.IntN(4000) // deep: cut along k
		}
		if i%40 == 7 {
			k = 0
		}
		xd, xp := permuted(r, []int{batch, m, k})
		yd, yp := permuted(r, []int{batch, n, k})
		inputs := [][]float32{gaussian(r, batch*m*k), gaussian(r, batch*n*k)}
		build := func(f compute.Function, x []compute.Value) []compute.Value {
			a := must(t)(f.Transpose(x[0], xp...))
			b := must(t)(f.Transpose(x[1], yp...))
			return []compute.Value{must(t)(f.DotGeneral(a, []int{2}, []int{0}, b, []int{2}, []int{0}, compute.DotGeneralConfig{}))}
		}
		want := [][]float32{make([]float32, batch*m*n)}
		if k > 0 { // the Go backend divides by zero
			want = runGraph(t, oracle, inputs, [][]int{xd, yd}, build)
		}
		for _, config := range levels() {
			b := newLevel(t, config)
			got := runGraph(t, b, inputs, [][]int{xd, yd}, build)
			if d := distance(got[0], want[0]); !(d < 1e-4) {
				t.Errorf("%s: [%d]×%d×%d×%d as %v·%v: off by %g", config, batch, m, n, k, xp, yp, d)
			}
			if n := b.Fallbacks(); len(n) != 0 {
				t.Errorf("fallbacks: %v", n)
			}
		}
	}
}

// TestDotTwoAxes sums over two axes that lie in another order in each operand.
func TestDotTwoAxes(t *testing.T) {
	oracle, err := gobackend.New("ops_sequential")
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(13, 14))
	for range 60 {
		m, n, k1, k2 := 1+r.IntN(40), 1+r.IntN(40), 2+r.IntN(12), 2+r.IntN(12)
		xd, xp := permuted(r, []int{m, k1, k2})
		yd, yp := permuted(r, []int{n, k1, k2})
		inputs := [][]float32{gaussian(r, product(xd)), gaussian(r, product(yd))}
		build := func(f compute.Function, x []compute.Value) []compute.Value {
			return []compute.Value{must(t)(f.DotGeneral(x[0], xp[1:], nil, x[1], yp[1:], nil, compute.DotGeneralConfig{}))}
		}
		want := runGraph(t, oracle, inputs, [][]int{xd, yd}, build)
		for _, config := range levels() {
			got := runGraph(t, newLevel(t, config), inputs, [][]int{xd, yd}, build)
			if d := distance(got[0], want[0]); !(d < 1e-4) {
				t.Errorf("%s: %v·%v over %v and %v: off by %g", config, xd, yd, xp[1:], yp[1:], d)
			}
		}
	}
}

// TestDotThreads checks that results do not depend on GOMAXPROCS.
func TestDotThreads(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, s := range [][3]int{{300, 200, 500}, {16, 144, 9000}} {
		inputs := [][]float32{gaussian(r, s[0]*s[2]), gaussian(r, s[1]*s[2])}
		var first []float32
		for _, procs := range []int{1, 2, 4, 16} {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			got := runGraph(t, newLevel(t, ""), inputs, [][]int{{s[0], s[2]}, {s[1], s[2]}}, func(f compute.Function, x []compute.Value) []compute.Value {
				return []compute.Value{must(t)(f.DotGeneral(x[0], []int{1}, nil, x[1], []int{1}, nil, compute.DotGeneralConfig{}))}
			})[0]
			if first == nil {
				first = got
			}
			for i := range got {
				if got[i] != first[i] {
					t.Fatalf("%v: element %d is %v with %d threads, %v with 1", s, i, got[i], procs, first[i])
				}
			}
		}
	}
}

// TestDotPlace checks that an element does not depend on its row and column, nor on their number, byte for byte. Products of
// up to mostFew rows with a weight [out, in] are summed in another order, and so are those cut along k.
func TestDotPlace(t *testing.T) {
	r := rand.New(rand.NewPCG(23, 24))
	for _, k := range []int{385, 512, 768, 1100} {
		row, column := gaussian(r, k), gaussian(r, k)
		for _, config := range levels() {
			b := newLevel(t, config)
			first := make(map[bool]float32) // of products of few rows, and of others
			for m := 1; m <= 40; m++ {
				for contractY := range 2 {
					n := 1 + r.IntN(70)
					x, y, yd := slices.Repeat(row, m), slices.Repeat(column, n), []int{n, k}
					if contractY == 0 {
						yd = []int{k, n}
						for i := range y {
							y[i] = column[i/n]
						}
					}
					got := runGraph(t, b, [][]float32{x, y}, [][]int{{m, k}, yd}, func(f compute.Function, x []compute.Value) []compute.Value {
						return []compute.Value{must(t)(f.DotGeneral(x[0], []int{1}, nil, x[1], []int{contractY}, nil, compute.DotGeneralConfig{}))}
					})[0]
					few := m <= mostFew && (contractY == 1 || n == 1)
					if _, ok := first[few]; !ok {
						first[few] = got[0]
					}
					for i, v := range got {
						if v != first[few] {
							t.Fatalf("%s: %d×%d×%d over axis %d: row %d, column %d is %v, and %v elsewhere", config, m, n, k, contractY, i/n, i%n, v, first[few])
						}
					}
				}
			}
		}
	}
}

// BenchmarkMatmul compares with the Go backend; the metric is GFLOP/s.
func BenchmarkMatmul(b *testing.B) {
	oracle, err := gobackend.New("ops_sequential")
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 6))
	for _, s := range []struct {
		name           string
		batch, m, n, k int
		contractY      int
	}{
		{"1024", 1, 1024, 1024, 1024, 1},
		{"1024torch", 1, 1024, 1024, 1024, 2},
		{"tokens", 1, 320, 256, 256, 2},
		{"mlp", 1, 320, 1024, 256, 2},
		{"weightgrad", 1, 256, 256, 1280, 1},
		{"QK", 64, 80, 80, 64, 2},
		{"PV", 64, 80, 64, 80, 1},
		{"gemv", 1, 1, 4096, 4096, 1},
	} {
		yd := []int{s.batch, s.k, s.n}
		if s.contractY == 2 {
			yd = []int{s.batch, s.n, s.k}
		}
		inputs := [][]float32{gaussian(r, s.batch*s.m*s.k), gaussian(r, s.batch*s.n*s.k)}
		for _, backend := range []struct {
			name string
			b    compute.Backend
		}{{"cpu", newLevel(b, "")}, {"go", oracle}} {
			b.Run(s.name+"/"+backend.name, func(b *testing.B) {
				exe, in := compileGraph(b, backend.b, inputs, [][]int{{s.batch, s.m, s.k}, yd}, func(f compute.Function, x []compute.Value) []compute.Value {
					return []compute.Value{must(b)(f.DotGeneral(x[0], []int{2}, []int{0}, x[1], []int{s.contractY}, []int{0}, compute.DotGeneralConfig{}))}
				})
				for b.Loop() {
					out, err := exe.Execute(in, nil, 0)
					if err != nil {
						b.Fatal(err)
					}
					out[0].Finalize()
				}
				b.ReportMetric(2*float64(s.batch*s.m*s.n*s.k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}

// TestDotBF16 checks that weights in bf16 are read directly: no step converts them.
func TestDotBF16(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for trial := range 40 {
		m, n, k := []int{1, 2, 4, 7, 40, 200}[r.IntN(6)], 1+r.IntN(90), 1+r.IntN(500)
		transposed := trial%2 == 0
		dims := []int{k, n}
		if transposed {
			dims = []int{n, k}
		}
		x := gaussian(r, m*k)
		w := make([]bfloat16.BFloat16, n*k)
		for i, v := range gaussian(r, n*k) {
			w[i] = bfloat16.FromFloat32(v)
		}
		for _, level := range levels() {
			b := newLevel(t, level)
			bd := b.Builder("bf16")
			f := bd.Main()
			xv, wv := must(t)(f.Parameter("x", shapes.Make(dtypes.Float32, m, k), nil)), must(t)(f.Parameter("w", shapes.Make(dtypes.BFloat16, dims...), nil))
			contract := 0
			if transposed {
				contract = 1
			}
			y := must(t)(f.DotGeneral(xv, []int{1}, nil, must(t)(f.ConvertDType(wv, dtypes.Float32)), []int{contract}, nil, compute.DotGeneralConfig{}))
			if err := f.Return([]compute.Value{y}, nil); err != nil {
				t.Fatal(err)
			}
			exe, err := bd.Compile()
			if err != nil {
				t.Fatal(err)
			}
			if steps := exe.(*program).steps; len(steps) != 1 {
				t.Fatalf("%d steps, want the product alone", len(steps))
			}
			xb, err := b.BufferFromFlatData(0, x, shapes.Make(dtypes.Float32, m, k))
			if err != nil {
				t.Fatal(err)
			}
			wb, err := b.BufferOverFlatData(w, shapes.Make(dtypes.BFloat16, dims...))
			if err != nil {
				t.Fatal(err)
			}
			out, err := exe.Execute([]compute.Buffer{xb, wb}, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			want := make([]float32, m*n)
			for i := range m {
				for j := range n {
					var sum float64
					for p := range k {
						var v bfloat16.BFloat16
						if transposed {
							v = w[j*k+p]
						} else {
							v = w[p*n+j]
						}
						sum += float64(x[i*k+p]) * float64(v.Float32())
					}
					want[i*n+j] = float32(sum)
				}
			}
			if d := distance(floatsOf(t, out)[0], want); !(d < 1e-5) {
				t.Fatalf("%s: %d×%d×%d transposed %v: off by %g", level, m, n, k, transposed, d)
			}
		}
	}
}

// TestWidenElsewhere checks the consumers of a conversion that cannot read bf16.
func TestWidenElsewhere(t *testing.T) {
	b := newLevel(t, "")
	bd := b.Builder("bf16")
	f := bd.Main()
	w := must(t)(f.Parameter("w", shapes.Make(dtypes.BFloat16, 3, 40), nil))
	v := must(t)(f.ConvertDType(w, dtypes.Float32))
	turned := must(t)(f.Transpose(v, 1, 0))
	both := must(t)(f.Concatenate(1, turned, must(t)(f.Neg(turned))))
	sum := must(t)(f.ReduceSum(v, 0))
	if err := f.Return([]compute.Value{v, both, sum}, nil); err != nil {
		t.Fatal(err)
	}
	exe, err := bd.Compile()
	if err != nil {
		t.Fatal(err)
	}
	values := make([]bfloat16.BFloat16, 120)
	for i := range values {
		values[i] = bfloat16.FromFloat32(float32(i) - 50)
	}
	in, err := b.BufferFromFlatData(0, values, shapes.Make(dtypes.BFloat16, 3, 40))
	if err != nil {
		t.Fatal(err)
	}
	out, err := exe.Execute([]compute.Buffer{in}, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := floatsOf(t, out)
	for i := range 120 {
		x, row, col := float32(i)-50, i/40, i%40
		if got[0][i] != x || got[1][col*6+row] != x || got[1][col*6+3+row] != -x {
			t.Fatalf("element %d is %v, %v, %v, want %v", i, got[0][i], got[1][col*6+row], got[1][col*6+3+row], x)
		}
		if row == 0 && got[2][col] != 3*x+120 {
			t.Fatalf("sum %d is %v, want %v", col, got[2][col], 3*x+120)
		}
	}
}
