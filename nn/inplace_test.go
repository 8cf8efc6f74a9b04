package nn

import (
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// allocated returns the bytes that body allocates.
func allocated(body func()) uint64 {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	body()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// bfloats are the bits of random numbers in bfloat16, and the numbers.
func bfloats(seed uint64, dims ...int) (bits []uint16, values []float32) {
	for _, v := range tensors.MustCopyFlatData[float32](random(seed, dims...)) {
		b := math.Float32bits(v) >> 16
		bits, values = append(bits, uint16(b)), append(values, math.Float32frombits(b<<16))
	}
	return bits, values
}

// TestBFloat16InPlace runs layers on weights in bfloat16: the results are those of the same weights in float32, and no
// float32 copy of a weight is made.
func TestBFloat16InPlace(t *testing.T) {
	const in, out, words = 1024, 1536, 2000
	w, wide := bfloats(1, out, in)
	table, wideTable := bfloats(2, words, in)
	for _, rows := range []int{2, 40, 200} {
		layers := func(s Scope, x []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
			y := graph.Add(x[0], Embedding(s.In("words"), x[1], words, in, 1))
			return []*graph.Node{LinearNoBias(s.In("layer"), y, out)}, nil
		}
		b, x, ids := open(t), random(3, rows, in), tensors.FromFlatDataAndDimensions(make([]int32, rows), rows)
		run := func(store *Store) []float32 {
			p, err := Compile(b, store, []shapes.Shape{x.Shape(), ids.Shape()}, layers, Options{})
			if err != nil {
				t.Fatal(err)
			}
			y, err := p.Run(x, ids)
			if err != nil {
				t.Fatal(err)
			}
			return tensors.MustCopyFlatData[float32](y[0])
		}
		plain := NewStore()
		plain.Set("layer.weight", wide, out, in)
		plain.Set("words.weight", wideTable, words, in)
		want := run(plain)
		store := NewStore()
		store.SetBFloat16("layer.weight", w, out, in)
		store.SetBFloat16("words.weight", table, words, in)
		var got []float32
		if bytes := allocated(func() { got = run(store) }); bytes > 4*out*in*3/4 {
			t.Errorf("%d rows: %d bytes allocated, the weights in float32 would be %d", rows, bytes, 4*(out*in+words*in))
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("%d rows: value %d is %v, want %v", rows, i, got[i], want[i])
			}
		}
	}
}

// TestBFloat16Trains trains from weights in bfloat16, which become float32, beside a program that reads them as they were.
func TestBFloat16Trains(t *testing.T) {
	b, seed := open(t), uint64(1)
	bits, values := bfloats(4, 3, 5)
	store := NewStore()
	store.SetBFloat16("layer.weight", bits, 3, 5)
	if got, err := store.Values("layer.weight"); err != nil || !slices.Equal(got, values) || store.Parameters("") != 15 {
		t.Fatalf("%v, %v, want %v", got, err, values)
	}
	shared := NewStore()
	shared.Share(store, "layer.weight", "other.weight")
	if names := shared.Names(""); !slices.Equal(names, []string{"other.weight"}) {
		t.Fatalf("names %q", names)
	}
	x := random(5, 4, 5)
	forward := func(s Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		return []*graph.Node{LinearNoBias(s.In("layer"), in[0], 3)}, nil
	}
	reader, err := Compile(b, store, []shapes.Shape{x.Shape()}, forward, Options{})
	if err != nil {
		t.Fatal(err)
	}
	step := func(s Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		w, _ := s.Stored("layer.weight")
		return nil, map[string]*graph.Node{"layer.weight": graph.MulScalar(w, 2)}
	}
	if _, err := Compile(b, store, nil, step, Options{}); err == nil {
		t.Error("a program updates a weight in bfloat16")
	}
	trainer, err := Compile(b, store, nil, step, Options{Seed: &seed})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Run(x); err != nil {
		t.Errorf("before the weight changes: %v", err)
	}
	for range 2 {
		if _, err := trainer.Run(); err != nil {
			t.Fatal(err)
		}
	}
	got, err := store.Values("layer.weight")
	if err != nil || got[0] != 4*values[0] || store.tensors["layer.weight"].DType() != dtypes.Float32 {
		t.Errorf("after two steps: %v, %v, want %v times 4", got, err, values)
	}
	if _, err := reader.Run(x); err == nil {
		t.Error("a program read weights that have changed since as if they had not")
	}
}

// Weights in float32 are read where they are, and a program that updates one works on a copy: the memory may be read-only.
func TestFloat32InPlace(t *testing.T) {
	const in, out, rows = 1024, 1536, 40
	b, seed, x := open(t), uint64(1), random(3, rows, in)
	values := tensors.MustCopyFlatData[float32](random(1, out, in))
	before := slices.Clone(values)
	store := NewStore()
	store.SetInPlace("layer.weight", values, out, in)
	forward := func(s Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		return []*graph.Node{LinearNoBias(s.In("layer"), in[0], out)}, nil
	}
	reader, err := Compile(b, store, []shapes.Shape{x.Shape()}, forward, Options{})
	if err != nil {
		t.Fatal(err)
	}
	run := func() []float32 {
		y, err := reader.Run(x)
		if err != nil {
			t.Fatal(err)
		}
		return tensors.MustCopyFlatData[float32](y[0])
	}
	var first []float32
	if bytes := allocated(func() { first = run() }); bytes > 4*out*in/2 {
		t.Errorf("%d bytes allocated, the weights have %d", bytes, 4*out*in)
	}
	step := func(s Scope, _ []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		w, _ := s.Stored("layer.weight")
		return nil, map[string]*graph.Node{"layer.weight": graph.MulScalar(w, 2)}
	}
	trainer, err := Compile(b, store, nil, step, Options{Seed: &seed})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(run(), first) {
		t.Error("compiling a program that trains changes the results of another")
	}
	if _, err := trainer.Run(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(values, before) {
		t.Error("an update has written to memory that the store does not own")
	}
	for i, v := range run() {
		if v != 2*first[i] {
			t.Fatalf("after the update value %d is %v, want %v", i, v, 2*first[i])
		}
	}
}
