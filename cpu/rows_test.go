package cpu

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// matrix is Rows of values in memory. It counts what is read, and panics at a row.
type matrix struct {
	values []float32
	width  int
	bad    int // a row that panics, or 0
}

func (m *matrix) ReadRow(dst []float32, row, column int) {
	if m.bad > 0 && row == m.bad {
		panic(errors.New("the row is damaged"))
	}
	copy(dst, m.values[row*m.width:][:m.width][column:])
	_ = m.values[row*m.width:][:m.width][column+len(dst)-1]
}

// asRows replaces a buffer by one over Rows of the same values.
func asRows(t testing.TB, b *Backend, values []float32, dims []int) (compute.Buffer, *matrix) {
	t.Helper()
	m := &matrix{values: values, width: dims[1]}
	u, err := b.BufferOverRows(m, shapes.Make(dtypes.Float32, dims...))
	if err != nil {
		t.Fatal(err)
	}
	return u, m
}

// useOfMatrix is a graph that reads its second input [rows, columns] in one way; the first is of the given dimensions.
type useOfMatrix struct {
	name  string
	x     func(rows, columns, m int) []int
	build func(f compute.Function, must func(compute.Value, error) compute.Value, in []compute.Value, rows, columns int) compute.Value
}

var config compute.DotGeneralConfig

var usesOfMatrix = []useOfMatrix{
	{
		"x·Wᵀ", func(_, c, m int) []int { return []int{m, c} },
		func(f compute.Function, must func(compute.Value, error) compute.Value, in []compute.Value, _, _ int) compute.Value {
			return must(f.DotGeneral(in[0], []int{1}, nil, in[1], []int{1}, nil, config))
		},
	},
	{
		"gelu(x·Wᵀ)", func(_, c, m int) []int { return []int{m, c} },
		func(f compute.Function, must func(compute.Value, error) compute.Value, in []compute.Value, _, _ int) compute.Value {
			return must(f.Tanh(must(f.DotGeneral(in[0], []int{1}, nil, in[1], []int{1}, nil, config))))
		},
	},
	{
		"x·W", func(r, _, m int) []int { return []int{m, r} },
		func(f compute.Function, must func(compute.Value, error) compute.Value, in []compute.Value, _, _ int) compute.Value {
			return must(f.DotGeneral(in[0], []int{1}, nil, in[1], []int{0}, nil, config))
		},
	},
	{
		"rows of W", func(_, c, m int) []int { return []int{m, c} },
		func(f compute.Function, must func(compute.Value, error) compute.Value, in []compute.Value, r, c int) compute.Value {
			w := must(f.Slice(in[1], []int{r / 3, 0}, []int{r, c}, nil))
			return must(f.DotGeneral(in[0], []int{1}, nil, w, []int{1}, nil, config))
		},
	},
	{
		"columns of W", func(_, c, m int) []int { return []int{m, c - c/3} },
		func(f compute.Function, must func(compute.Value, error) compute.Value, in []compute.Value, r, c int) compute.Value {
			w := must(f.Slice(in[1], []int{0, c / 3}, []int{r, c}, nil))
			return must(f.DotGeneral(in[0], []int{1}, nil, w, []int{1}, nil, config))
		},
	},
	{
		"every second column", func(_, c, m int) []int { return []int{m, (c + 1) / 2} },
		func(f compute.Function, must func(compute.Value, error) compute.Value, in []compute.Value, r, c int) compute.Value {
			w := must(f.Slice(in[1], []int{0, 0}, []int{r, c}, []int{1, 2}))
			return must(f.DotGeneral(in[0], []int{1}, nil, w, []int{1}, nil, config))
		},
	},
	{
		"sum", func(_, c, m int) []int { return []int{m, c} },
		func(f compute.Function, must func(compute.Value, error) compute.Value, in []compute.Value, _, c int) compute.Value {
			s := must(f.Reshape(must(f.ReduceSum(in[1], 0)), 1, c))
			y := must(f.DotGeneral(in[0], []int{1}, nil, in[1], []int{1}, nil, config))
			return must(f.Add(must(f.ReduceSum(y)), must(f.ReduceSum(s))))
		},
	},
	{
		"gather", func(_, _, m int) []int { return []int{m, 1} },
		func(f compute.Function, must func(compute.Value, error) compute.Value, in []compute.Value, r, c int) compute.Value {
			ids := must(f.ConvertDType(must(f.Mul(in[0], must(f.Constant([]float32{3})))), dtypes.Int32))
			return must(f.Gather(in[1], ids, 1, []int{1}, []int{0}, []int{0}, []int{1, c}, false))
		},
	},
	{
		"result", func(_, _, m int) []int { return []int{m, 1} },
		func(_ compute.Function, _ func(compute.Value, error) compute.Value, in []compute.Value, _, _ int) compute.Value {
			return in[1]
		},
	},
}

// TestRows reads a matrix in Rows in every way and by every instruction set: the results are those of the matrix in
// memory, bit by bit, for any number of threads.
func TestRows(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	for _, isa := range append(levels(), "precision=bf16") {
		b := newLevel(t, isa)
		for _, use := range usesOfMatrix {
			t.Run(isa+"/"+use.name, func(t *testing.T) {
				for _, size := range [][3]int{{3, 2, 1}, {40, 64, 2}, {37, 300, 3}, {70, 513, 33}, {300, 96, 9}, {33, 2400, 5}, {1 + r.IntN(90), 3 + r.IntN(700), 1 + r.IntN(150)}} {
					rows, columns, m := size[0], size[1], size[2]
					x, w := gaussian(r, product(use.x(rows, columns, m))), gaussian(r, rows*columns)
					compareRows(t, b, use, [][]float32{x, w}, [][]int{use.x(rows, columns, m), {rows, columns}})
				}
			})
		}
	}
}

func compareRows(t *testing.T, b *Backend, use useOfMatrix, inputs [][]float32, dims [][]int) {
	t.Helper()
	rows, columns := dims[1][0], dims[1][1]
	exe, in := compileGraph(t, b, inputs, dims, func(f compute.Function, x []compute.Value) []compute.Value {
		return []compute.Value{use.build(f, must(t), x, rows, columns)}
	})
	out, err := exe.Execute(in, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := floatsOf(t, out)[0]
	in[1], _ = asRows(t, b, inputs[1], dims[1])
	for _, procs := range []int{1, 2, 5} {
		func() {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			out, err := exe.Execute(in, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			if got := floatsOf(t, out)[0]; !slices.Equal(got, want) {
				t.Errorf("%v times %v with %d threads: %v, want %v", dims[0], dims[1], procs, got[:min(9, len(got))], want[:min(9, len(want))])
			}
		}()
	}
}

// TestRowsStayOutOfMemory multiplies by a matrix in Rows without an allocation of its size.
func TestRowsStayOutOfMemory(t *testing.T) {
	r := rand.New(rand.NewPCG(33, 34))
	const rows, columns, m = 2048, 1024, 40
	b := newLevel(t, "")
	x, w := gaussian(r, m*columns), gaussian(r, rows*columns)
	exe, in := compileGraph(t, b, [][]float32{x, w}, [][]int{{m, columns}, {rows, columns}}, func(f compute.Function, in []compute.Value) []compute.Value {
		return []compute.Value{usesOfMatrix[0].build(f, must(t), in, rows, columns)}
	})
	in[1], _ = asRows(t, b, w, []int{rows, columns})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := exe.Execute(in, nil, 0); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if bytes := after.TotalAlloc - before.TotalAlloc; bytes > 4*rows*columns/2 {
		t.Errorf("%d bytes allocated; the matrix has %d", bytes, 4*rows*columns)
	}
}

// TestRowsFail ends executions whose Rows panic with their error, and refuses shapes that are not matrices.
func TestRowsFail(t *testing.T) {
	r := rand.New(rand.NewPCG(35, 36))
	b := newLevel(t, "")
	for _, use := range usesOfMatrix[:3] {
		for _, m := range []int{2, 50} {
			const n = 64
			x, w := gaussian(r, m*n), gaussian(r, n*n)
			exe, in := compileGraph(t, b, [][]float32{x, w}, [][]int{{m, n}, {n, n}}, func(f compute.Function, in []compute.Value) []compute.Value {
				return []compute.Value{use.build(f, must(t), in, n, n)}
			})
			var source *matrix
			in[1], source = asRows(t, b, w, []int{n, n})
			source.bad = 9
			if _, err := exe.Execute(in, nil, 0); err == nil || !strings.Contains(err.Error(), "the row is damaged") {
				t.Errorf("%s of %d rows: %v", use.name, m, err)
			}
			source.bad = 0
			if _, err := exe.Execute(in, nil, 0); err != nil {
				t.Errorf("%s of %d rows, later: %v", use.name, m, err)
			}
		}
	}
	for _, shape := range []shapes.Shape{shapes.Make(dtypes.Float32, 4), shapes.Make(dtypes.BFloat16, 2, 2)} {
		if _, err := b.BufferOverRows(&matrix{}, shape); err == nil {
			t.Errorf("rows of shape %s", shape)
		}
	}
}

// FuzzRows is TestRows for shapes of the fuzzer's choice.
func FuzzRows(f *testing.F) {
	for use := range usesOfMatrix {
		f.Add(uint8(use), uint8(0), uint8(31), uint16(257), uint8(5))
		f.Add(uint8(use), uint8(3), uint8(70), uint16(1025), uint8(33))
	}
	f.Fuzz(func(t *testing.T, use, config, rows uint8, columns uint16, m uint8) {
		rows, columns, m = rows%90+1, columns%1500+1, m%70+1
		configs := append(levels(), "precision=bf16")
		u := usesOfMatrix[int(use)%len(usesOfMatrix)]
		x := u.x(int(rows), int(columns), int(m))
		r := rand.New(rand.NewPCG(uint64(rows), uint64(columns)))
		inputs := [][]float32{gaussian(r, product(x)), gaussian(r, int(rows)*int(columns))}
		compareRows(t, newLevel(t, configs[int(config)%len(configs)]), u, inputs, [][]int{x, {int(rows), int(columns)}})
	})
}
