package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// eachInts runs a test on a backend that computes products in integers, for every instruction set of the machine that has them.
func eachInts(t *testing.T, test func(t *testing.T, b *Backend)) {
	t.Helper()
	sets := 0
	for l, isa := range map[level]string{avx512: "avx512", avx2: "avx2"} {
		if l <= machine && intsFor(l) != nil {
			sets++
			t.Run(isa, func(t *testing.T) { test(t, newLevel(t, "precision=int8,isa="+isa)) })
		}
	}
	if sets == 0 {
		t.Skip("this processor has neither AVX512-VNNI nor AVX-VNNI")
	}
}

// intsForms are all forms that kernels differ by.
var intsForms = []Integers{
	{Block: 32, Group: 32, Zero: 128},
	{Block: 32, Group: 32, Zero: 8},
	{Block: 32, Group: 32, Mins: true},
	{Block: 256, Group: 32, Zero: 128},
	{Block: 256, Group: 32, Mins: true},
	{Block: 256, Group: 16, Zero: 32},
	{Block: 256, Group: 16, Mins: true},
}

// integerMatrix is Quantized with random integers.
type integerMatrix struct {
	form         Integers
	width        int
	quants       []uint8
	scales, mins []float32
	reads        atomic.Int64 // of integers
}

func newIntegerMatrix(r *rand.Rand, form Integers, rows, width int) *integerMatrix {
	m := &integerMatrix{form: form, width: width, quants: make([]uint8, rows*width)}
	for i := range m.quants {
		m.quants[i] = uint8(r.Uint32())
		if form.Zero != 128 {
			m.quants[i] &= 63
		}
	}
	m.scales, m.mins = gaussian(r, rows*width/form.Group), make([]float32, rows*width/form.Group)
	if form.Mins {
		m.mins = gaussian(r, len(m.scales))
	}
	return m
}

func (m *integerMatrix) value(row, column int) float32 {
	i := row*m.width + column
	v := float32(m.scales[i/m.form.Group] * float32(int(m.quants[i])-m.form.Zero))
	return v - m.mins[i/m.form.Group]
}

func (m *integerMatrix) ReadRow(dst []float32, row, column int) {
	for i := range dst {
		dst[i] = m.value(row, column+i)
	}
}

func (m *integerMatrix) Integers() (Integers, bool) { return m.form, true }

func (m *integerMatrix) ReadIntegers(quants []uint8, scales, mins []float32, row, column int) {
	m.reads.Add(1)
	if len(quants)%m.form.Block != 0 || column%m.form.Block != 0 || len(scales) != len(quants)/m.form.Group || m.form.Mins && len(mins) != len(scales) {
		panic(fmt.Sprintf("%d integers, %d scales and %d minima from column %d on", len(quants), len(scales), len(mins), column))
	}
	at := row*m.width + column
	copy(quants, m.quants[at:][:len(quants)])
	copy(scales, m.scales[at/m.form.Group:])
	copy(mins, m.mins[at/m.form.Group:])
}

// intsProduct is x·Wᵀ, negated where n is even, which makes an epilogue.
func intsProduct(tb testing.TB, b *Backend, x []float32, w *integerMatrix, m int) func() []float32 {
	tb.Helper()
	k, n := w.width, len(w.quants)/w.width
	exe, in := compileGraph(tb, b, [][]float32{x, make([]float32, n*k)}, [][]int{{m, k}, {n, k}}, func(f compute.Function, x []compute.Value) []compute.Value {
		y := must(tb)(f.DotGeneral(x[0], []int{1}, nil, x[1], []int{1}, nil, compute.DotGeneralConfig{}))
		if n%2 == 0 {
			y = must(tb)(f.Neg(y))
		}
		return []compute.Value{y}
	})
	rows, err := b.BufferOverRows(w, shapes.Make(dtypes.Float32, n, k))
	if err != nil {
		tb.Fatal(err)
	}
	return func() []float32 {
		out, err := exe.Execute([]compute.Buffer{in[0], rows}, nil, 0)
		if err != nil {
			tb.Fatal(err)
		}
		defer out[0].Finalize()
		return slices.Clone(floatsOf(tb, out)[0])
	}
}

// quantizedRow rounds a row in blocks as the documentation of a product of integers says.
func quantizedRow(row []float32, block int) []float64 {
	v := make([]float64, len(row))
	for from := 0; from < len(row); from += block {
		var largest float32
		for _, x := range row[from : from+block] {
			largest = max(largest, float32(math.Abs(float64(x))))
		}
		inverse := 127 / largest
		for i, x := range row[from : from+block] {
			if largest >= smallestScaled {
				v[from+i] = math.RoundToEven(float64(x*inverse)) * float64(largest/127)
			}
		}
	}
	return v
}

// TestIntegers compares products in integers with sums in f64 of A quantized, closely, and of A itself, within the bound that
// the documentation states, for shapes that end within tiles, panels and chunks, and for every kernel.
func TestIntegers(t *testing.T) { eachInts(t, checkIntegers) }

func checkIntegers(t *testing.T, b *Backend) {
	r := rand.New(rand.NewPCG(41, 42))
	for i := range 60 {
		form := intsForms[i%len(intsForms)]
		m, n := 5+r.IntN(40), 1+r.IntN(140)
		k := form.Block * (1 + r.IntN(1600/form.Block))
		if r.IntN(10) == 0 {
			m = 770 + r.IntN(20)
		}
		x, w := gaussian(r, m*k), newIntegerMatrix(r, form, n, k)
		got := intsProduct(t, b, x, w, m)()
		if w.reads.Load() == 0 {
			t.Fatalf("%d×%d×%d of %+v is no product of integers", m, n, k, form)
		}
		compareIntegers(t, got, x, w, m)
	}
}

func compareIntegers(t *testing.T, got, x []float32, w *integerMatrix, m int) {
	t.Helper()
	k, n := w.width, len(w.quants)/w.width
	values := make([]float32, n*k)
	for j := range n {
		w.ReadRow(values[j*k:][:k], j, 0)
	}
	for i := range m {
		row, q := x[i*k:][:k], quantizedRow(x[i*k:][:k], w.form.Block)
		for j := range n {
			var close, exact, size, bound float64
			for from := 0; from < k; from += w.form.Block {
				var largest, sum float64
				for p := from; p < from+w.form.Block; p++ {
					v := float64(values[j*k+p])
					close, exact, size = close+q[p]*v, exact+float64(row[p])*v, size+math.Abs(q[p]*v)
					largest, sum = max(largest, math.Abs(float64(row[p]))), sum+math.Abs(v)
				}
				bound += largest / 254 * sum
			}
			y := float64(got[i*n+j])
			if n%2 == 0 {
				y = -y
			}
			// scale·quant and the minimum are rounded apart where the minimum is large
			rounding := (size + bound) * float64(k/intsBlock+8) * 0x1p-23
			if !(math.Abs(y-close) <= rounding) || !(math.Abs(y-exact) <= bound+rounding) {
				t.Fatalf("%d×%d×%d of %+v: row %d, column %d is %v, want %v within %g, and %v within %g", m, n, k, w.form, i, j, y, close, rounding, exact, bound)
			}
		}
	}
}

// TestIntegersExact multiplies numbers whose products and sums are exact, so that every bit counts.
func TestIntegersExact(t *testing.T) { eachInts(t, checkIntegersExact) }

func checkIntegersExact(t *testing.T, b *Backend) {
	r := rand.New(rand.NewPCG(43, 44))
	for _, form := range intsForms {
		for _, shape := range [][3]int{{5, 1, 256}, {6, 32, 512}, {7, 33, 768}, {11, 65, 256}, {773, 31, 1280}} {
			m, n, k := shape[0], shape[1], shape[2]
			w := newIntegerMatrix(r, form, n, k)
			for i := range w.scales {
				w.scales[i], w.mins[i] = float32(int(1)<<r.IntN(3)), 0
				if form.Mins {
					w.mins[i] = float32(r.IntN(8))
				}
			}
			x := make([]float32, m*k)
			for i := range x {
				x[i] = float32(r.IntN(9) - 4)
				if i%intsBlock == 7 {
					x[i] = 127
				}
			}
			got := intsProduct(t, b, x, w, m)()
			for i, v := range got {
				want := float32(0)
				for p := range k {
					want += x[i/n*k+p] * w.value(i%n, p)
				}
				if n%2 == 0 {
					want = -want
				}
				if v != want {
					t.Fatalf("%v of %+v: row %d, column %d is %v, want %v", shape, form, i/n, i%n, v, want)
				}
			}
		}
	}
}

// TestIntegersPlace checks that results are byte-identical for any number of threads, for any number of rows and columns, and
// wherever in them an element is.
func TestIntegersPlace(t *testing.T) { eachInts(t, checkIntegersPlace) }

func checkIntegersPlace(t *testing.T, b *Backend) {
	r := rand.New(rand.NewPCG(45, 46))
	for _, form := range intsForms {
		const k = 1280
		x, w := gaussian(r, k), newIntegerMatrix(r, form, 1, k)
		want := intsProduct(t, b, slices.Repeat(x, 5), w, 5)()[0]
		for _, shape := range [][2]int{{6, 32}, {17, 70}, {800, 35}, {64, 600}} {
			m, n := shape[0], shape[1]
			all := &integerMatrix{form: form, width: k, quants: slices.Repeat(w.quants, n), scales: slices.Repeat(w.scales, n), mins: slices.Repeat(w.mins, n)}
			for _, procs := range []int{1, 2, 7} {
				old := runtime.GOMAXPROCS(procs)
				got := intsProduct(t, b, slices.Repeat(x, m), all, m)()
				runtime.GOMAXPROCS(old)
				for i, v := range got {
					if n%2 == 0 {
						v = -v
					}
					if v != want {
						t.Fatalf("%v of %+v, %d threads: element %d is %v, want %v", shape, form, procs, i, v, want)
					}
				}
			}
		}
	}
}

// TestIntegersSpecial checks NaN, infinities, zeros and subnormal numbers: only rows that have them are affected.
func TestIntegersSpecial(t *testing.T) { eachInts(t, checkIntegersSpecial) }

func checkIntegersSpecial(t *testing.T, b *Backend) {
	r := rand.New(rand.NewPCG(47, 48))
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, form := range intsForms {
		const m, k, n = 8, 512, 40
		x, w := gaussian(r, m*k), newIntegerMatrix(r, form, n, k)
		x[1*k+300], x[2*k+511], x[3*k] = nan, inf, -inf
		clear(x[4*k:][:k])
		clear(x[5*k:][:k])
		for i := range k {
			x[5*k+i] = math.SmallestNonzeroFloat32 * float32(1+i)
			x[6*k+i] = 3e38
		}
		x[7*k+40] = float32(math.Copysign(0, -1))
		got := intsProduct(t, b, x, w, m)()
		clean := slices.Clone(x)
		for i := 1; i < 7; i++ {
			clear(clean[i*k:][:k])
		}
		want := intsProduct(t, b, clean, w, m)()
		for i := range m {
			for j, v := range got[i*n:][:n] {
				switch i {
				case 0, 4, 5, 7:
					if v != want[i*n+j] {
						t.Fatalf("%+v: row %d, column %d is %v, want %v", form, i, j, v, want[i*n+j])
					}
				case 1, 2, 3:
					if v == v {
						t.Fatalf("%+v: row %d, column %d is %v, want NaN", form, i, j, v)
					}
				}
			}
		}
	}
}

// TestIntegersElsewhere multiplies in integers only where rows and depths are whole blocks, and within the bound otherwise.
func TestIntegersElsewhere(t *testing.T) { eachInts(t, checkIntegersElsewhere) }

func checkIntegersElsewhere(t *testing.T, b *Backend) {
	r := rand.New(rand.NewPCG(49, 50))
	const m, n, k = 20, 64, 512
	x, w := gaussian(r, m*k), newIntegerMatrix(r, intsForms[3], n, k)
	for _, c := range []struct {
		name     string
		from, to int // columns
		ints     bool
	}{{"whole", 0, 512, true}, {"second block", 256, 512, true}, {"within a block", 32, 288, false}, {"odd", 1, 512, false}, {"short", 0, 40, false}} {
		width := c.to - c.from
		exe, in := compileGraph(t, b, [][]float32{x[:m*width], make([]float32, n*k)}, [][]int{{m, width}, {n, k}}, func(f compute.Function, x []compute.Value) []compute.Value {
			cut := must(t)(f.Slice(x[1], []int{3, c.from}, []int{n, c.to}, nil))
			return []compute.Value{must(t)(f.DotGeneral(x[0], []int{1}, nil, cut, []int{1}, nil, compute.DotGeneralConfig{}))}
		})
		rows, err := b.BufferOverRows(w, shapes.Make(dtypes.Float32, n, k))
		if err != nil {
			t.Fatal(err)
		}
		w.reads.Store(0)
		out, err := exe.Execute([]compute.Buffer{in[0], rows}, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		got := floatsOf(t, out)[0]
		if ints := w.reads.Load() > 0; ints != c.ints {
			t.Errorf("%s: in integers: %v", c.name, ints)
		}
		want := make([]float32, len(got))
		for i := range want {
			for p := range width {
				want[i] += x[i/(n-3)*width+p] * w.value(3+i%(n-3), c.from+p)
			}
		}
		if d := distance(got, want); !(d < 0.04) {
			t.Errorf("%s: off by %g", c.name, d)
		}
	}
}

// TestIntegersStress multiplies in many goroutines while the collector runs, and compares bits.
func TestIntegersStress(t *testing.T) { eachInts(t, checkIntegersStress) }

func checkIntegersStress(t *testing.T, b *Backend) {
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	r := rand.New(rand.NewPCG(51, 52))
	var all sync.WaitGroup
	for _, form := range intsForms {
		x, w := gaussian(r, 70*512), newIntegerMatrix(r, form, 200, 512)
		run := intsProduct(t, b, x, w, 70)
		want := run()
		for range 4 {
			all.Go(func() {
				for range stressRounds {
					got := run()
					for i, v := range got {
						if math.Float32bits(v) != math.Float32bits(want[i]) {
							t.Errorf("%+v: element %d is %v, want %v", form, i, v, want[i])
							return
						}
					}
					runtime.GC()
				}
			})
		}
	}
	all.Wait()
}

// TestIntegersSets checks that all instruction sets of the machine give the same bits.
func TestIntegersSets(t *testing.T) {
	if machine < avx512 || intsFor(avx512) == nil || intsFor(avx2) == nil {
		t.Skip("this processor does not have both AVX512-VNNI and AVX-VNNI")
	}
	r := rand.New(rand.NewPCG(53, 54))
	wide, narrow := newLevel(t, "precision=int8"), newLevel(t, "precision=int8,isa=avx2")
	for _, form := range intsForms {
		for _, s := range [][3]int{{5, 1, 256}, {13, 50, 768}, {130, 600, 1280}} {
			x, w := gaussian(r, s[0]*s[2]), newIntegerMatrix(r, form, s[1], s[2])
			got, want := intsProduct(t, narrow, x, w, s[0])(), intsProduct(t, wide, x, w, s[0])()
			for i, v := range got {
				if math.Float32bits(v) != math.Float32bits(want[i]) {
					t.Fatalf("%v of %+v: element %d is %v with AVX2, %v with AVX-512", s, form, i, v, want[i])
				}
			}
		}
	}
}

// TestQuantize compares with the definition, for blocks whose values are extreme, and checks the sums and the neighbours.
func TestQuantize(t *testing.T) {
	if machine < avx2 {
		t.Skip("this processor has no AVX2")
	}
	r := rand.New(rand.NewPCG(55, 56))
	for _, per := range []int{1, 8} {
		for _, size := range []float32{1, 1e-30, 3e38, 0x1p-100} {
			const blocks = 3
			n := 32 * per
			src := gaussian(r, blocks*n+1)[1:] // not aligned
			for i := range src {
				src[i] = max(-1, min(1, src[i]/4)) * size
			}
			src[7], src[n+n-1] = size, -size
			q, stats := make([]int8, blocks*n+1), make([]float32, blocks*(1+2*per)+1)
			q[blocks*n], stats[len(stats)-1] = 77, 77
			quantize(&q[0], &stats[0], &src[0], blocks, per)
			if q[blocks*n] != 77 || stats[len(stats)-1] != 77 {
				t.Fatal("wrote behind the end")
			}
			for b := range blocks {
				s, values := stats[b*(1+2*per):], src[b*n:][:n]
				var largest float32
				for _, v := range values {
					largest = max(largest, v, -v)
				}
				if s[0] != largest {
					t.Fatalf("largest of block %d is %v, want %v", b, s[0], largest)
				}
				for h := range 2 * per {
					sum := int32(0)
					for i := 16 * h; i < 16*h+16; i++ {
						want := math.RoundToEven(float64(values[i] * (127 / largest)))
						if float64(q[b*n+i]) != want {
							t.Fatalf("byte %d of block %d is %d, want %v", i, b, q[b*n+i], want)
						}
						sum += int32(q[b*n+i])
					}
					if got := int32(math.Float32bits(s[1+h])); got != sum {
						t.Fatalf("sum %d of block %d is %d, want %d", h, b, got, sum)
					}
				}
			}
		}
	}
}
