package nn

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/cpu"
	"reflectionflow/weights"
	"reflectionflow/weights/gguf"
	"reflectionflow/weights/gguf/gguftest"
	"reflectionflow/weights/safetensors"
)

// storedTypes are the types of GGUF files.
var storedTypes = []gguf.Type{
	gguf.F32, gguf.F16, gguf.BF16, gguf.Q4_0, gguf.Q4_1, gguf.Q5_0, gguf.Q5_1, gguf.Q8_0,
	gguf.Q2K, gguf.Q3K, gguf.Q4K, gguf.Q5K, gguf.Q6K, gguf.IQ4NL, gguf.IQ4XS,
}

// ggufFile writes a file of random tensors and opens it.
func ggufFile(t *testing.T, list ...gguftest.Tensor) *weights.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weights.gguf")
	if err := gguftest.Write(path, list, 1); err != nil {
		t.Fatal(err)
	}
	return openFile(t, path)
}

func openFile(t testing.TB, path string) *weights.File {
	t.Helper()
	f, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// converted returns a store with the tensors of a source in float32.
func converted(t *testing.T, source weights.Source) *Store {
	t.Helper()
	store := NewStore()
	for _, name := range source.Names() {
		info, err := source.Info(name)
		if err != nil {
			t.Fatal(err)
		}
		values := make([]float32, info.Elements())
		if err := source.ReadRows(values, name, 0); err != nil {
			t.Fatal(err)
		}
		store.Set(name, values, info.Shape...)
	}
	return store
}

// runOn runs a network on weights of a store.
func runOn(t *testing.T, store *Store, fn Func, inputs ...*tensors.Tensor) ([]float32, error) {
	t.Helper()
	list, inputs := make([]shapes.Shape, len(inputs)), slices.Clone(inputs)
	for i, in := range inputs {
		list[i] = in.Shape()
		inputs[i] = must(in.LocalClone()) // for the backend of this run
	}
	p, err := Compile(open(t), store, list, fn, Options{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	y, err := p.Run(inputs...)
	if err != nil {
		return nil, err
	}
	var all []float32
	for _, out := range y {
		all = append(all, tensors.MustCopyFlatData[float32](out)...)
	}
	return all, nil
}

// storedIn returns a store with the tensors of a source as they are stored.
func storedIn(t testing.TB, source weights.Source) *Store {
	t.Helper()
	store := NewStore()
	if err := store.AddSource("", source); err != nil {
		t.Fatal(err)
	}
	return store
}

// sameOnStored requires that a network computes the same bits on stored weights, for any number of threads.
func sameOnStored(t *testing.T, source weights.Source, fn Func, inputs ...*tensors.Tensor) {
	t.Helper()
	want, err := runOn(t, converted(t, source), fn, inputs...)
	if err != nil {
		t.Fatal(err)
	}
	store := storedIn(t, source)
	for _, procs := range []int{1, 2, 7} {
		func() {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			got, err := runOn(t, store, fn, inputs...)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%d threads: %v, %v, want %v", procs, got[:min(5, len(got))], err, want[:5])
			}
		}()
		store.Release("")
	}
}

// TestStoredTypes multiplies by weights of every type and looks rows up: the results are those of the converted weights.
func TestStoredTypes(t *testing.T) {
	for _, kind := range storedTypes {
		t.Run(kind.String(), func(t *testing.T) {
			for _, size := range [][3]int{{1, 256, 3}, {37, 512, 2}, {65, 768, 40}, {130, 1536, 9}} {
				out, in, rows := size[0], size[1], size[2]
				f := ggufFile(t, gguftest.Tensor{Name: "layer.weight", Type: kind, Shape: []int{out, in}, Std: 0.1},
					gguftest.Tensor{Name: "layer.bias", Type: gguf.F32, Shape: []int{out}, Std: 1},
					gguftest.Tensor{Name: "words.weight", Type: kind, Shape: []int{11, in}, Std: 1})
				ids := make([]int32, rows)
				for i := range ids {
					ids[i] = int32(i*7) % 11
				}
				sameOnStored(t, f, func(s Scope, x []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
					y := graph.Add(x[0], Embedding(s.In("words"), x[1], 11, in, 1))
					back := graph.DotGeneral(Linear(s.In("layer"), y, out), []int{1}, nil, s.Weight("layer.weight", nil, out, in), []int{0}, nil)
					return []*graph.Node{Linear(s.In("layer"), y, out), GeluTanh(Linear(s.In("layer"), y, out)), back}, nil
				}, random(3, rows, in), tensors.FromFlatDataAndDimensions(ids, rows))
			}
		})
	}
}

// TestStoredFP8 multiplies by fp8 weights with and without scales, through a view that cuts and swaps rows.
func TestStoredFP8(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.safetensors")
	values, codes := make([]float32, 6*40), make([]byte, 6*40)
	for i := range codes {
		values[i], codes[i] = float32(i%17-8)/4, byte(i%0x70)|byte(i%2)<<7
	}
	raw := func(name string, kind safetensors.DType, shape ...int) safetensors.Tensor {
		if kind.Size() == 1 {
			return safetensors.Tensor{Name: name, Shape: shape, DType: kind, Raw: codes}
		}
		return safetensors.Tensor{Name: name, Shape: shape, DType: kind, Values: values[:size(shape)]}
	}
	list := []safetensors.Tensor{
		raw("plain.weight", safetensors.F8E4M3, 6, 40), raw("e5.weight", safetensors.F8E5M2, 6, 40),
		raw("all.weight", safetensors.F8E4M3, 6, 40), raw("all.weight_scale", safetensors.F32),
		raw("row.weight", safetensors.F8E4M3, 6, 40), raw("row.scale_weight", safetensors.F32, 6),
		raw("half.weight", safetensors.F16, 6, 40), raw("brain.weight", safetensors.BF16, 6, 40),
	}
	if err := safetensors.Write(path, list, nil); err != nil {
		t.Fatal(err)
	}
	f := openFile(t, path)
	cuts := map[string][]weights.Cut{}
	for _, name := range []string{"plain", "e5", "all", "row", "half", "brain"} {
		cuts[name+".weight"] = []weights.Cut{{From: name + ".weight", Begin: 4, End: 6}, {From: name + ".weight", Begin: 0, End: 3}}
		cuts[name+".one.weight"] = []weights.Cut{{From: name + ".weight", Begin: 3, End: 4}}
	}
	view, err := weights.NewView(f, cuts)
	if err != nil {
		t.Fatal(err)
	}
	for _, rows := range []int{1, 3, 50} {
		sameOnStored(t, view, func(s Scope, x []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
			var all []*graph.Node
			for _, name := range []string{"plain", "e5", "all", "row", "half", "brain"} {
				all = append(all, LinearNoBias(s.In(name), x[0], 5), LinearNoBias(s.In(name).In("one"), x[0], 1))
			}
			return all, nil
		}, random(3, rows, 40))
	}
}

// TestStoredConvolution convolves with weights in F16, which are converted at first use and again after Release.
func TestStoredConvolution(t *testing.T) {
	f := ggufFile(t, gguftest.Tensor{Name: "conv.weight", Type: gguf.F16, Shape: []int{5, 4, 3, 3}, Std: 0.1},
		gguftest.Tensor{Name: "conv.bias", Type: gguf.F16, Shape: []int{5}, Std: 1})
	sameOnStored(t, f, func(s Scope, x []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		return []*graph.Node{Conv3(s.In("conv"), x[0], 5)}, nil
	}, random(3, 2, 9, 7, 4))
	if mapped, allocated := storedIn(t, f).Bytes("conv"); mapped != 2*185 || allocated != 4*185 {
		t.Errorf("%d bytes mapped, %d allocated", mapped, allocated)
	}
}

// TestStoredNotFinite refuses a weight that is not finite before its first use and names it and the file; a table of
// which rows are looked up is not read as a whole.
func TestStoredNotFinite(t *testing.T) {
	for _, kind := range storedTypes {
		path := filepath.Join(t.TempDir(), "weights.gguf")
		list := []gguftest.Tensor{{Name: "a.weight", Type: gguf.F32, Shape: []int{2, 256}, Std: 1}, {Name: "b.weight", Type: kind, Shape: []int{2, 512}, Std: math.NaN()}}
		if err := gguftest.Write(path, list, 1); err != nil {
			t.Fatal(err)
		}
		store := storedIn(t, openFile(t, path))
		_, err := runOn(t, store, func(s Scope, x []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
			return []*graph.Node{LinearNoBias(s.In("b"), x[0], 2)}, nil
		}, random(1, 3, 512))
		if want := `weights.gguf: tensor "b.weight" holds a value that is not finite, at index 0 of 1024`; !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v, want %s", kind, err, want)
		}
		if err := store.CheckFinite("a"); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if err := store.CheckFinite(""); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: %v", kind, err)
		}
		if _, err := runOn(t, store, func(s Scope, x []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
			return []*graph.Node{Embedding(s.In("b"), x[0], 2, 512, 1)}, nil
		}, tensors.FromFlatDataAndDimensions([]int32{1}, 1)); err != nil {
			t.Errorf("%s: lookup: %v", kind, err)
		}
	}
}

// TestStoredFileCutShort runs a program whose file is cut short: one error, and the process lives.
func TestStoredFileCutShort(t *testing.T) {
	if open(t).Name() != cpu.Name {
		t.Skip("the backend has a copy of the weights")
	}
	// 1,200 columns: a smaller weight is packed once and for all, see cpu/gemmkept.go.
	for _, kind := range storedTypes {
		for _, rows := range []int{2, 40} {
			path := filepath.Join(t.TempDir(), "weights.gguf")
			if err := gguftest.Write(path, []gguftest.Tensor{{Name: "a.weight", Type: kind, Shape: []int{1200, 512}, Std: 1}}, 1); err != nil {
				t.Fatal(err)
			}
			f := openFile(t, path)
			store, x := storedIn(t, f), random(1, rows, 512)
			p, err := Compile(open(t), store, []shapes.Shape{x.Shape()}, func(s Scope, x []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
				return []*graph.Node{LinearNoBias(s.In("a"), x[0], 1200)}, nil
			}, Options{Name: "test"})
			if err != nil {
				t.Fatal(err)
			}
			if rows > 2 { // before the check of the values, or after it
				if _, err := p.Run(x); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Truncate(path, 0); err != nil {
				t.Fatal(err)
			}
			if _, err := p.Run(x); err == nil || !strings.Contains(err.Error(), `"a.weight"`) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s, %d rows: %v", kind, rows, err)
			}
		}
	}
}

// TestStoredTrains trains beside frozen weights: those stay as they are stored, and the one that is updated becomes float32.
func TestStoredTrains(t *testing.T) {
	f := ggufFile(t, gguftest.Tensor{Name: "a.weight", Type: gguf.Q8_0, Shape: []int{64, 64}, Std: 0.1},
		gguftest.Tensor{Name: "b.weight", Type: gguf.BF16, Shape: []int{64, 64}, Std: 0.1},
		gguftest.Tensor{Name: "c.weight", Type: gguf.BF16, Shape: []int{64, 64}, Std: 0.1})
	shape, seed := random(1, 9, 64).Shape(), uint64(1)
	step := func(s Scope, x []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		y := x[0]
		for _, name := range []string{"c", "a", "b"} {
			y = graph.Tanh(LinearNoBias(s.In(name), y, 64))
		}
		c := s.Node("c.weight")
		loss := graph.ReduceAllSum(y)
		return []*graph.Node{loss}, map[string]*graph.Node{"c.weight": graph.Sub(c, graph.Gradient(loss, c)[0])}
	}
	train := func(store *Store) []float32 {
		p, err := Compile(open(t), store, []shapes.Shape{shape}, step, Options{Seed: &seed})
		if err != nil {
			t.Fatal(err)
		}
		x := random(1, 9, 64)
		for range 3 {
			if _, err := p.Run(x); err != nil {
				t.Fatal(err)
			}
		}
		values, err := store.Values("c.weight")
		if err != nil {
			t.Fatal(err)
		}
		return values
	}
	store := storedIn(t, f)
	if got, want := train(store), train(converted(t, f)); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got[:5], want[:5])
	}
	if store.tensors["c.weight"] == nil || store.borrowed["a.weight"] == nil || store.borrowed["b.weight"] == nil {
		t.Error("a frozen weight was converted")
	}
}

// TestStoredOnOtherBackends runs on a backend that cannot read rows: it gets the weights converted, once, and again after
// Release.
func TestStoredOnOtherBackends(t *testing.T) {
	f := ggufFile(t, gguftest.Tensor{Name: "a.weight", Type: gguf.Q4K, Shape: []int{64, 256}, Std: 0.1},
		gguftest.Tensor{Name: "b.weight", Type: gguf.BF16, Shape: []int{8, 64}, Std: 0.1},
		gguftest.Tensor{Name: "b.bias", Type: gguf.F16, Shape: []int{8}, Std: 0.1})
	backend, err := gobackend.New("ops_sequential")
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Finalize()
	run := func(store *Store, times int) []float32 {
		x := random(1, 5, 256)
		p, err := Compile(backend, store, []shapes.Shape{x.Shape()}, func(s Scope, x []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
			return []*graph.Node{Linear(s.In("b"), LinearNoBias(s.In("a"), x[0], 64), 8)}, nil
		}, Options{Name: "test"})
		if err != nil {
			t.Fatal(err)
		}
		var out []float32
		for range times {
			y, err := p.Run(x)
			if err != nil {
				t.Fatal(err)
			}
			out = tensors.MustCopyFlatData[float32](y[0])
			store.Release("")
		}
		return out
	}
	if got, want := run(storedIn(t, f), 3), run(converted(t, f), 1); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
