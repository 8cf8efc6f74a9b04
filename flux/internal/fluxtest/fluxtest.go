// Package fluxtest reads the fixtures of PyTorch references and compares with them.
package fluxtest

import (
	"encoding/json"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/nn"
	"reflectionflow/nn/nntest"
	"reflectionflow/weights/safetensors"
)

// tolerance is the greatest relative error against PyTorch.
const tolerance = 1e-4

// Dense is a tensor of the reference.
type Dense struct {
	Dims   []int
	Values []float32
}

// Fixture is a file of testdata: weights, inputs and outputs of the reference.
type Fixture struct {
	T     *testing.T
	File  *safetensors.File
	Store *nn.Store
}

// OpenFixture opens a file of testdata by its name without the extension.
func OpenFixture(t *testing.T, name string) *Fixture {
	t.Helper()
	file, err := safetensors.Open(filepath.Join("testdata", name+".safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() }) //nolint:errcheck // read only
	f := &Fixture{T: t, File: file, Store: nn.NewStore()}
	for _, full := range file.Names() {
		if name, ok := strings.CutPrefix(full, "weight."); ok && !strings.HasSuffix(name, "position_ids") {
			d := f.Tensor(full)
			f.Store.Set(name, d.Values, d.Dims...)
		}
	}
	return f
}

// Config decodes the configuration in the metadata of the file.
func (f *Fixture) Config(into any) {
	f.T.Helper()
	if err := json.Unmarshal([]byte(f.File.Metadata()["config"]), into); err != nil {
		f.T.Fatal(err)
	}
}

// Tensor returns a tensor by its full name.
func (f *Fixture) Tensor(name string) Dense {
	f.T.Helper()
	info, err := f.File.Info(name)
	if err != nil {
		f.T.Fatal(err)
	}
	values, err := f.File.Float32(name)
	if err != nil {
		f.T.Fatal(err)
	}
	return Dense{info.Shape, values}
}

// Output returns an output of the reference.
func (f *Fixture) Output(name string) Dense { return f.Tensor("output." + name) }

// IDs returns an input of the reference as int32.
func (f *Fixture) IDs(name string) *tensors.Tensor {
	f.T.Helper()
	info, err := f.File.Info("input." + name)
	if err != nil {
		f.T.Fatal(err)
	}
	wide, err := f.File.Int64("input." + name)
	if err != nil {
		f.T.Fatal(err)
	}
	ids := make([]int32, len(wide))
	for i, id := range wide {
		ids[i] = int32(id)
	}
	return tensors.FromFlatDataAndDimensions(ids, info.Shape...)
}

// Images returns an input of the reference, [B, C, H, W], as [B, H, W, C].
func (f *Fixture) Images(name string) *tensors.Tensor {
	d := ChannelsLast(f.Tensor("input." + name))
	return tensors.FromFlatDataAndDimensions(d.Values, d.Dims...)
}

// Run compiles and runs fn, with every weight of the Fixture and no other.
func (f *Fixture) Run(fn func(nn.Scope, []*Node) []*Node, inputs ...*tensors.Tensor) []*tensors.Tensor {
	f.T.Helper()
	var in []shapes.Shape
	for _, input := range inputs {
		in = append(in, input.Shape())
	}
	p, err := nn.Compile(nntest.Backend(f.T), f.Store, in, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		return fn(s, in), nil
	}, nn.Options{Name: f.T.Name()})
	if err != nil {
		f.T.Fatal(err)
	}
	f.T.Cleanup(p.Close)
	out, err := p.Run(inputs...)
	if err != nil {
		f.T.Fatal(err)
	}
	return out
}

// ChannelsLast turns [B, C, H, W] into [B, H, W, C].
func ChannelsLast(d Dense) Dense {
	b, c, hw := d.Dims[0], d.Dims[1], d.Dims[2]*d.Dims[3]
	out := make([]float32, len(d.Values))
	for i := range b {
		for channel := range c {
			for pixel := range hw {
				out[(i*hw+pixel)*c+channel] = d.Values[(i*c+channel)*hw+pixel]
			}
		}
	}
	return Dense{[]int{b, d.Dims[2], d.Dims[3], c}, out}
}

// Compare demands a relative error of at most 1e-4, over the norm and for every
// element; elements below the root mean square are measured by that.
func Compare(t *testing.T, name string, got *tensors.Tensor, want Dense) {
	t.Helper()
	if dims := got.Shape().Dimensions; !slices.Equal(dims, want.Dims) {
		t.Fatalf("%s has shape %v, want %v", name, dims, want.Dims)
	}
	var difference, norm float64
	values := tensors.MustCopyFlatData[float32](got)
	for i, w := range want.Values {
		d := float64(values[i]) - float64(w)
		difference += d * d
		norm += float64(w) * float64(w)
	}
	rms, worst := math.Sqrt(norm/float64(len(values))), 0.0
	for i, w := range want.Values {
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
