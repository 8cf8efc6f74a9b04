package cpu

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
)

// wholeBackend compiles every graph as one program.
type wholeBackend struct{ *Backend }

type wholeBuilder struct{ *builder }

func (w wholeBackend) Builder(name string) compute.Builder {
	return wholeBuilder{w.Backend.Builder(name).(*builder)}
}

func (b wholeBuilder) Compile() (compute.Executable, error) {
	foldConstants(b.builder, b.main)
	return compileFunction(b.builder, b.main)
}

// entryCase is a graph of a batch of 3.
type entryCase struct {
	name    string
	dims    [][]int
	build   func(x []*Node) []*Node
	divided bool
}

// modulated is a block of a network of x [3, tokens, 24], vectors [3, 10] and weights.
func modulated(x []*Node) []*Node {
	mods := Reshape(Add(Dot(Tanh(x[1]), x[2]).Product(), InsertAxes(x[3], 0)), 3, 1, 72)
	shift, scale, gate := Slice(mods, AxisRange(), AxisRange(), AxisRange(0, 24)), OnePlus(Slice(mods, AxisRange(), AxisRange(), AxisRange(24, 48))), Slice(mods, AxisRange(), AxisRange(), AxisRange(48))
	y := Add(Mul(layerNorm(x[0]), scale), shift)
	q := Reshape(DotGeneral(y, []int{2}, nil, x[4], []int{1}, nil), 3, -1, 2, 12)
	angles := IotaFull(y.Graph(), shapes.Make(dtypes.Float32, q.Shape().Dim(1), 12))
	q = Mul(q, BroadcastToDims(InsertAxes(Cos(angles), 0, 1), q.Shape().Dimensions...))
	scores := DotGeneral(q, []int{3}, []int{0, 2}, q, []int{3}, []int{0, 2})
	z := DotGeneral(softmaxLast(scores), []int{3}, []int{0, 1}, q, []int{1}, []int{0, 2})
	z = Reshape(TransposeAllAxes(z, 0, 2, 1, 3), y.Shape().Dimensions...)
	return []*Node{Add(x[0], Mul(gate, geluTanh(z)))}
}

func entryCases() []entryCase {
	block := [][]int{{3, 17, 24}, {3, 10}, {10, 72}, {72}, {24, 24}}
	dense := func(x *Node, w *Node) *Node { return DotGeneral(x, []int{x.Rank() - 1}, nil, w, []int{0}, nil) }
	return []entryCase{
		{"a block", block, modulated, true},
		{"rows of all entries on one axis", [][]int{{3, 8, 20}, {20, 30}}, func(x []*Node) []*Node {
			return []*Node{Reshape(Exp(dense(Reshape(x[0], 24, 20), x[1])), 3, 8, 30)}
		}, true},
		{"an axis of one before", [][]int{{3, 8, 20}, {20, 30}}, func(x []*Node) []*Node {
			return []*Node{TransposeAllAxes(Reshape(dense(InsertAxes(x[0], 0), x[1]), 3, 8, 30), 0, 2, 1)}
		}, true},
		{"parts joined, cut and reversed", [][]int{{3, 8, 20}, {20, 30}, {3, 5, 30}}, func(x []*Node) []*Node {
			y := Concatenate([]*Node{dense(x[0], x[1]), x[2], BroadcastToDims(InsertAxes(Slice(x[1], AxisRange(0, 2)), 0), 3, 2, 30)}, 1)
			return []*Node{Reverse(Slice(y, AxisRange(), AxisRange(3, 14), AxisRange(0, 30).Stride(3)), 1), ReduceMax(y, 1)}
		}, true},
		{"a weight as long as the batch", [][]int{{3, 8, 20}, {20, 30}, {3, 30}}, func(x []*Node) []*Node {
			return []*Node{DotGeneral(dense(x[0], x[1]), []int{2}, nil, x[2], []int{1}, nil)}
		}, true},
		{"a bias as long as the batch", [][]int{{3, 8, 20}, {20, 3}, {3}}, func(x []*Node) []*Node {
			return []*Node{Add(dense(x[0], x[1]), InsertAxes(x[2], 0, 0))}
		}, true},
		{"choices and conversions", [][]int{{3, 8, 20}, {20, 30}}, func(x []*Node) []*Node {
			y := dense(x[0], x[1])
			return []*Node{Where(GreaterThan(y, Scalar(y.Graph(), dtypes.Float32, 0.5)), ConvertDType(ConvertDType(y, dtypes.BFloat16), dtypes.Float32), Neg(y))}
		}, true},
		{"a value that entries share", [][]int{{3, 8, 20}, {20, 30}}, func(x []*Node) []*Node {
			return []*Node{dense(x[0], Tanh(x[1]))}
		}, true},
		{"two results", [][]int{{3, 8, 20}, {20, 30}}, func(x []*Node) []*Node {
			y := dense(x[0], x[1])
			return []*Node{y, ReduceSum(y, 1, 2)}
		}, true},
		{"a mean over the batch", [][]int{{3, 8, 20}, {20, 30}}, func(x []*Node) []*Node {
			y := dense(x[0], x[1])
			return []*Node{Sub(y, ReduceAndKeep(y, ReduceMean, 0))}
		}, false},
		{"a part of the batch", [][]int{{6, 8, 20}, {20, 30}}, func(x []*Node) []*Node { return []*Node{dense(Slice(x[0], AxisRange(3)), x[1])} }, false},
		{"a batch joined from parts", [][]int{{1, 8, 20}, {20, 30}, {2, 8, 30}}, func(x []*Node) []*Node {
			return []*Node{Concatenate([]*Node{dense(x[0], x[1]), x[2]}, 0)}
		}, false},
		{"a batch in reverse", [][]int{{3, 8, 20}, {20, 30}}, func(x []*Node) []*Node { return []*Node{Reverse(dense(x[0], x[1]), 0)} }, false},
		{"a batch that is not the first axis", [][]int{{8, 3, 20}, {20, 30}}, func(x []*Node) []*Node {
			return []*Node{TransposeAllAxes(dense(x[0], x[1]), 1, 0, 2)}
		}, false},
		{"one row per entry", [][]int{{3, 20}, {20, 30}}, func(x []*Node) []*Node { return []*Node{Exp(dense(x[0], x[1]))} }, false},
		{"a result that is no batch", [][]int{{3, 8, 20}, {20, 30}}, func(x []*Node) []*Node {
			y := dense(x[0], x[1])
			return []*Node{y, ReduceAllSum(y)}
		}, false},
	}
}

// compileCase compiles the graph of a case for a backend.
func compileCase(t *testing.T, b compute.Backend, c entryCase) compute.Executable {
	t.Helper()
	g := NewGraph(b, c.name)
	var x []*Node
	for i, d := range c.dims {
		x = append(x, Parameter(g, fmt.Sprint("x", i), shapes.Make(dtypes.Float32, d...)))
	}
	if err := g.Compile(c.build(x)...); err != nil {
		t.Fatal(err)
	}
	return g.Executable()
}

func entryBackend(t testing.TB, config string) *Backend {
	b := newLevel(t, config)
	b.least = 1
	return b
}

// inputsOfCase are buffers of random numbers, the last of which are lent.
func inputsOfCase(t *testing.T, b *Backend, c entryCase) []compute.Buffer {
	t.Helper()
	r := rand.New(rand.NewPCG(5, 6))
	var in []compute.Buffer
	for i, d := range c.dims {
		shape := shapes.Make(dtypes.Float32, d...)
		make := func(flat any, shape shapes.Shape) (compute.Buffer, error) {
			return b.BufferFromFlatData(0, flat, shape)
		}
		if i > 0 {
			make = b.BufferOverFlatData
		}
		u, err := make(gaussian(r, shape.Size()), shape)
		if err != nil {
			t.Fatal(err)
		}
		in = append(in, u)
	}
	return in
}

// TestEntries compares graphs that are divided by the entries of a batch with the same graphs as one program, bit by bit,
// on every instruction set and number of processors, and checks which graphs are.
func TestEntries(t *testing.T) {
	configs := levels()
	if bf16, _ := Precisions(); bf16 {
		configs = append(configs, "precision=bf16")
	}
	for _, config := range configs {
		b := entryBackend(t, config)
		for _, c := range entryCases() {
			t.Run(config+" "+c.name, func(t *testing.T) {
				in := inputsOfCase(t, b, c)
				exe := compileCase(t, b, c)
				if _, divided := exe.(*batchProgram); divided != c.divided {
					t.Fatalf("divided: %v, want %v", divided, c.divided)
				}
				want, err := compileCase(t, wholeBackend{b}, c).Execute(in, nil, 0)
				if err != nil {
					t.Fatal(err)
				}
				for _, procs := range []int{1, 2, 5} {
					before := runtime.GOMAXPROCS(procs)
					got, err := exe.Execute(in, nil, 0)
					runtime.GOMAXPROCS(before)
					if err != nil {
						t.Fatal(err)
					}
					for i, v := range floatsOf(t, got) {
						if !slices.Equal(v, floatsOf(t, want)[i]) {
							t.Errorf("%d processors: result %d differs", procs, i)
						}
					}
				}
			})
		}
	}
}

// TestEntriesKeepParts checks that an entry's results do not depend on the other entries.
func TestEntriesKeepParts(t *testing.T) {
	b := entryBackend(t, "")
	c := entryCases()[0]
	in := inputsOfCase(t, b, c)
	exe := compileCase(t, b, c)
	first := outputOf(t, exe, in)
	data, err := in[0].(*buffer).Data()
	if err != nil {
		t.Fatal(err)
	}
	x := data.([]float32)
	part := len(x) / 3
	for i := part; i < 2*part; i++ {
		x[i] = float32(i)
	}
	second := outputOf(t, exe, in)
	for i, differs := range []bool{false, true, false} {
		if got := !slices.Equal(first[i*part:(i+1)*part], second[i*part:(i+1)*part]); got != differs {
			t.Errorf("entry %d differs: %v", i, got)
		}
	}
}

// TestEntriesAtOnce executes a divided graph from many goroutines.
func TestEntriesAtOnce(t *testing.T) {
	b := entryBackend(t, "")
	c := entryCases()[0]
	in := inputsOfCase(t, b, c)
	exe := compileCase(t, b, c)
	want := outputOf(t, exe, in)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				if got := outputOf(t, exe, in); !slices.Equal(got, want) {
					t.Error("the results differ")
				}
			}
		})
	}
	all.Wait()
	if m := exe.(*batchProgram).Memory(); m < exe.(*batchProgram).entry.arena {
		t.Errorf("an execution takes %d bytes", m)
	}
}

// TestEntriesKeepWeights executes divided graphs on weights that no execution has packed yet, which hangs if the goroutine
// that packs one begins another entry meanwhile.
func TestEntriesKeepWeights(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	c := entryCase{"weights", [][]int{{8, 150, 40}, {40, 700}, {700, 40}}, func(x []*Node) []*Node {
		for range 3 {
			x[0] = DotGeneral(Tanh(DotGeneral(x[0], []int{2}, nil, x[1], []int{0}, nil)), []int{2}, nil, x[2], []int{0}, nil)
		}
		return x[:1]
	}, true}
	for _, config := range []string{"", "precision=bf16"} {
		b := entryBackend(t, config)
		exe := compileCase(t, b, c)
		var want []float32
		for range 30 {
			in := inputsOfCase(t, b, c)
			got := outputOf(t, exe, in)
			if want == nil {
				want = got
			}
			if !slices.Equal(got, want) {
				t.Fatal("the results differ")
			}
			for _, u := range in {
				_ = u.Finalize()
			}
		}
	}
}

// TestKeptWeightsArePackedAlone checks that packing a weight enters no loop: see [gemm.kept].
func TestKeptWeightsArePackedAlone(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	c := entryCase{"weight", [][]int{{1, 150, 40}, {40, 700}}, func(x []*Node) []*Node {
		return []*Node{DotGeneral(x[0], []int{2}, nil, x[1], []int{0}, nil)}
	}, false}
	b := newLevel(t, "")
	exe, in := compileCase(t, b, c), inputsOfCase(t, b, c)
	var entered []int64
	for range 2 {
		before := b.pool.entered.Load()
		outputOf(t, exe, in)
		entered = append(entered, b.pool.entered.Load()-before)
	}
	if kept := len(in[1].(*buffer).kept.list); kept != 1 || entered[0] != entered[1] {
		t.Errorf("%d weights are kept, and the first execution enters %d loops, the second %d", kept, entered[0], entered[1])
	}
}

// failingOwner is an owner whose memory is bad.
type failingOwner struct{}

func (failingOwner) Ready() error { return errors.New("a bad weight") }

// failingRows are values that cannot be read.
type failingRows struct{}

func (failingRows) ReadRow([]float32, int, int) { panic("a bad row") }

// TestEntriesReportErrors checks the errors of inputs that cannot be read, and of a finalized program.
func TestEntriesReportErrors(t *testing.T) {
	b := entryBackend(t, "")
	c := entryCase{"vectors", [][]int{{3, 20}, {20, 40}, {8, 30}}, func(x []*Node) []*Node {
		y := Reshape(Dot(x[0], x[1]).Product(), 3, 5, 8)
		return []*Node{Add(DotGeneral(y, []int{2}, nil, x[2], []int{0}, nil), Reshape(ReduceSum(x[0], 1), 3, 1, 1))}
	}, true}
	exe := compileCase(t, b, c)
	if _, ok := exe.(*batchProgram); !ok {
		t.Fatal("the graph is not divided")
	}
	in := inputsOfCase(t, b, c)
	want := outputOf(t, exe, in)
	for i, u := range in {
		bad, err := b.BufferOverRows(failingRows{}, u.(*buffer).shape)
		if err != nil {
			t.Fatal(err)
		}
		again := slices.Clone(in)
		again[i] = bad
		if _, err := exe.Execute(again, nil, 0); err == nil || !strings.Contains(err.Error(), "a bad row") {
			t.Errorf("rows for x%d: error %v", i, err)
		}
	}
	if err := b.Announce(in[2], failingOwner{}); err != nil {
		t.Fatal(err)
	}
	if _, err := exe.Execute(in, nil, 0); err == nil || !strings.Contains(err.Error(), `parameter "x2": a bad weight`) {
		t.Errorf("error %v", err)
	}
	in[2].(*buffer).owner = nil
	if got := outputOf(t, exe, in); !slices.Equal(got, want) {
		t.Error("the results differ after errors")
	}
	exe.Finalize()
	if _, err := exe.Execute(in, nil, 0); err == nil || !strings.Contains(err.Error(), "finalized") {
		t.Errorf("error %v", err)
	}
}
