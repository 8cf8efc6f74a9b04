package flux

import (
	"encoding/json"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/nn"
	"reflectionflow/nn/nntest"
	"reflectionflow/weights/safetensors"
)

// tolerance is the greatest relative error against PyTorch.
const tolerance = 1e-4

// dense is a tensor of the reference.
type dense struct {
	dims   []int
	values []float32
}

// fixture is a file of testdata: weights, inputs and outputs of the reference.
type fixture struct {
	t     *testing.T
	file  *safetensors.File
	store *nn.Store
}

func openBackend(t testing.TB) compute.Backend { return nntest.Backend(t) }

func openFixture(t *testing.T, name string) *fixture {
	t.Helper()
	file, err := safetensors.Open(filepath.Join("testdata", name+".safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	f := &fixture{t: t, file: file, store: nn.NewStore()}
	for _, full := range file.Names() {
		if name, ok := strings.CutPrefix(full, "weight."); ok && !strings.HasSuffix(name, "position_ids") {
			d := f.tensor(full)
			f.store.Set(name, d.values, d.dims...)
		}
	}
	return f
}

func (f *fixture) config(into any) {
	f.t.Helper()
	if err := json.Unmarshal([]byte(f.file.Metadata()["config"]), into); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) tensor(name string) dense {
	f.t.Helper()
	info, err := f.file.Info(name)
	if err != nil {
		f.t.Fatal(err)
	}
	values, err := f.file.Float32(name)
	if err != nil {
		f.t.Fatal(err)
	}
	return dense{info.Shape, values}
}

func (f *fixture) output(name string) dense { return f.tensor("output." + name) }

func (f *fixture) ids(name string) *tensors.Tensor {
	f.t.Helper()
	info, err := f.file.Info("input." + name)
	if err != nil {
		f.t.Fatal(err)
	}
	wide, err := f.file.Int64("input." + name)
	if err != nil {
		f.t.Fatal(err)
	}
	ids := make([]int32, len(wide))
	for i, id := range wide {
		ids[i] = int32(id)
	}
	return tensors.FromFlatDataAndDimensions(ids, info.Shape...)
}

func (f *fixture) images(name string) *tensors.Tensor {
	d := channelsLast(f.tensor("input." + name))
	return tensors.FromFlatDataAndDimensions(d.values, d.dims...)
}

// run compiles and runs fn, with every weight of the fixture and no other.
func (f *fixture) run(fn func(nn.Scope, []*Node) []*Node, inputs ...*tensors.Tensor) []*tensors.Tensor {
	f.t.Helper()
	var in []shapes.Shape
	for _, input := range inputs {
		in = append(in, input.Shape())
	}
	p, err := nn.Compile(openBackend(f.t), f.store, in, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		return fn(s, in), nil
	}, nn.Options{Name: f.t.Name()})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(p.Close)
	out, err := p.Run(inputs...)
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

// channelsLast turns [B, C, H, W] into [B, H, W, C].
func channelsLast(d dense) dense {
	b, c, hw := d.dims[0], d.dims[1], d.dims[2]*d.dims[3]
	out := make([]float32, len(d.values))
	for i := range b {
		for channel := range c {
			for pixel := range hw {
				out[(i*hw+pixel)*c+channel] = d.values[(i*c+channel)*hw+pixel]
			}
		}
	}
	return dense{[]int{b, d.dims[2], d.dims[3], c}, out}
}

// compare demands a relative error of at most 1e-4, over the norm and for every
// element; elements below the root mean square are measured by that.
func compare(t *testing.T, name string, got *tensors.Tensor, want dense) {
	t.Helper()
	if dims := got.Shape().Dimensions; !slices.Equal(dims, want.dims) {
		t.Fatalf("%s has shape %v, want %v", name, dims, want.dims)
	}
	var difference, norm float64
	values := tensors.MustCopyFlatData[float32](got)
	for i, w := range want.values {
		d := float64(values[i]) - float64(w)
		difference += d * d
		norm += float64(w) * float64(w)
	}
	rms, worst := math.Sqrt(norm/float64(len(values))), 0.0
	for i, w := range want.values {
		d := math.Abs(float64(values[i]) - float64(w))
		if e := d / max(rms, math.Abs(float64(w))); !(e <= worst) {
			worst = e
		}
	}
	relative := math.Sqrt(difference / norm)
	t.Logf("%s: relative error %.2g, of one element %.2g", name, relative, worst)
	if !(relative <= tolerance && worst <= tolerance) {
		t.Errorf("%s: relative error %.3g, of one element %.3g, at most %g allowed", name, relative, worst, tolerance)
	}
}
