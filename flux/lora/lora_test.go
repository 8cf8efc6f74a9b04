package lora_test

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/flux/lora"
	"reflectionflow/nn"
	"reflectionflow/nn/nntest"
	"reflectionflow/weights"
	"reflectionflow/weights/gguf"
	"reflectionflow/weights/gguf/gguftest"
	"reflectionflow/weights/safetensors"
)

// fixture is the cases of one architecture, see testdata/make_fixtures.py.
type fixture struct {
	file    *safetensors.File
	linear  map[string][2]int
	headers map[string]map[string]string
}

func openFixture(t testing.TB, name string) fixture {
	t.Helper()
	file, err := safetensors.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	f := fixture{file: file}
	if err := errors.Join(json.Unmarshal([]byte(file.Metadata()["linear"]), &f.linear), json.Unmarshal([]byte(file.Metadata()["headers"]), &f.headers)); err != nil {
		t.Fatal(err)
	}
	return f
}

// variables lists the weights of the network whose layers have that prefix.
func (f fixture) variables(prefix string) (list []nn.Variable) {
	for _, name := range slices.Sorted(maps.Keys(f.linear)) {
		if own, ok := strings.CutPrefix(name, prefix+"."); ok {
			shape := f.linear[name]
			list = append(list, nn.Variable{Name: own + ".weight", Shape: shape[:]})
		}
	}
	return list
}

// networks are those of the fixture's architecture.
func (f fixture) networks() []lora.Network {
	if _, isFirst := f.linear["text_encoder_2.encoder.block.0.layer.0.SelfAttention.q"]; !isFirst {
		return []lora.Network{lora.FLUX2("transformer", f.variables("transformer"))}
	}
	return []lora.Network{
		lora.FLUX1("transformer", f.variables("transformer")), lora.CLIP("text_encoder", f.variables("text_encoder")),
		lora.T5("text_encoder_2", f.variables("text_encoder_2")),
	}
}

// save writes the file of a case.
func (f fixture) save(t testing.TB, name string) string {
	t.Helper()
	var list []safetensors.Tensor
	for _, full := range f.file.Names() {
		own, ok := strings.CutPrefix(full, name+"|")
		if !ok {
			continue
		}
		info, err := f.file.Info(full)
		if err != nil {
			t.Fatal(err)
		}
		values, err := f.file.Float32(full)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, safetensors.Tensor{Name: own, Shape: info.Shape, DType: info.DType, Values: values})
	}
	header := maps.Clone(f.headers[name])
	path := filepath.Join(t.TempDir(), "lora.safetensors")
	if config, ok := header["adapter_config"]; ok {
		delete(header, "adapter_config")
		path = filepath.Join(filepath.Dir(path), "adapter_model.safetensors")
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), "adapter_config.json"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := safetensors.Write(path, list, header); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, path string, weight float64) lora.File {
	t.Helper()
	file, err := lora.Open(path, weight)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Weights.Close() })
	return file
}

// probe is the input of a layer.
func probe(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(math.Sin(float64(i + 1)))
	}
	return x
}

// outputs runs every layer with base weights of zero, and returns those outputs that are not zero.
func (f fixture) outputs(t testing.TB, backend compute.Backend, files ...lora.File) map[string][]float32 {
	t.Helper()
	store := nn.NewStore()
	adapters, err := lora.Load(store, "lora", f.networks(), files)
	if err != nil {
		t.Fatal(err)
	}
	layers := slices.Sorted(maps.Keys(f.linear))
	var inputs []*tensors.Tensor
	var given []shapes.Shape
	for _, name := range layers {
		shape := f.linear[name]
		store.Set(name+".weight", make([]float32, shape[0]*shape[1]), shape[0], shape[1])
		inputs = append(inputs, tensors.FromFlatDataAndDimensions(probe(shape[1]), 1, shape[1]))
		given = append(given, inputs[len(inputs)-1].Shape())
	}
	p, err := nn.Compile(backend, store, given, func(s nn.Scope, in []*Node) (out []*Node, _ map[string]*Node) {
		s = s.WithAdapter(adapters.Adapter(s))
		for i, name := range layers {
			out = append(out, nn.LinearNoBias(s.In(name), in[i], f.linear[name][0]))
		}
		return out, nil
	}, nn.Options{Name: "layers"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	out, err := p.Run(inputs...)
	if err != nil {
		t.Fatal(err)
	}
	added := map[string][]float32{}
	for i, o := range out {
		values := tensors.MustCopyFlatData[float32](o)
		if slices.ContainsFunc(values, func(v float32) bool { return v != 0 }) {
			added[layers[i]] = values
		}
	}
	if len(added) != len(adapters.Layers()) {
		t.Errorf("%d layers change, %d are adapted", len(added), len(adapters.Layers()))
	}
	return added
}

func (f fixture) want(t testing.TB, name string) map[string][]float32 {
	t.Helper()
	want := map[string][]float32{}
	for _, full := range f.file.Names() {
		if layer, ok := strings.CutPrefix(full, name+">"); ok {
			values, err := f.file.Float32(full)
			if err != nil {
				t.Fatal(err)
			}
			want[layer] = values
		}
	}
	return want
}

func compare(t testing.TB, got, want map[string][]float32) {
	t.Helper()
	for name := range want {
		if got[name] == nil {
			t.Errorf("%s is not adapted", name)
		}
	}
	for name, values := range got {
		if len(values) != len(want[name]) {
			t.Errorf("%s has %d values, want %d", name, len(values), len(want[name]))
			continue
		}
		for i, v := range values {
			if d := math.Abs(float64(v - want[name][i])); !(d <= 1e-5) {
				t.Errorf("%s: value %d is %v, want %v", name, i, v, want[name][i])
				break
			}
		}
	}
}

func TestConventions(t *testing.T) {
	for _, name := range []string{"flux1.safetensors", "flux2.safetensors"} {
		f := openFixture(t, name)
		if len(f.headers) < 6 {
			t.Fatalf("%s has %d cases", name, len(f.headers))
		}
		for _, c := range slices.Sorted(maps.Keys(f.headers)) {
			t.Run(name+"/"+c, func(t *testing.T) {
				got := f.outputs(t, nntest.Backend(t), open(t, f.save(t, c), 1))
				compare(t, got, f.want(t, c))
			})
		}
	}
}

// Several files add up, each with its weight, and a weight of zero is nothing.
func TestSeveralWithWeights(t *testing.T) {
	f := openFixture(t, "flux1.safetensors")
	got := f.outputs(t, nntest.Backend(t), open(t, f.save(t, "kohya"), 0.5), open(t, f.save(t, "XLabs"), -2), open(t, f.save(t, "biases"), 0), open(t, f.save(t, "differences"), 0.25))
	want := map[string][]float32{}
	for name, weight := range map[string]float32{"kohya": 0.5, "XLabs": -2, "differences": 0.25} {
		for layer, values := range f.want(t, name) {
			if want[layer] == nil {
				want[layer] = make([]float32, len(values))
			}
			for i, v := range values {
				want[layer][i] += weight * v
			}
		}
	}
	compare(t, got, want)
	_, err := lora.Load(nn.NewStore(), "lora", f.networks(), []lora.File{{Weights: open(t, f.save(t, "fal"), 1).Weights, Weight: math.NaN()}})
	if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "weight of the LoRA is NaN") {
		t.Error(err)
	}
}

// On quantized weights, which are read where they lie, a LoRA adds what it adds to a base of zeros.
func TestQuantizedBase(t *testing.T) {
	f := openFixture(t, "flux1.safetensors")
	const layer = "transformer.transformer_blocks.0.ff.net.2"
	shape := f.linear[layer]
	path := filepath.Join(t.TempDir(), "base.gguf")
	if err := gguftest.Write(path, []gguftest.Tensor{{Name: layer + ".weight", Type: gguf.Q8_0, Shape: shape[:], Std: 1}}, 1); err != nil {
		t.Fatal(err)
	}
	base, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer base.Close()
	backend := nntest.Backend(t)
	output := func(adapted bool) []float32 {
		store := nn.NewStore()
		if err := store.AddSource("", base); err != nil {
			t.Fatal(err)
		}
		adapters := &lora.Adapters{}
		if adapted {
			var err error
			if adapters, err = lora.Load(store, "lora", f.networks(), []lora.File{open(t, f.save(t, "fal"), 1)}); err != nil {
				t.Fatal(err)
			}
		}
		x := tensors.FromFlatDataAndDimensions(probe(shape[1]), 1, shape[1])
		p, err := nn.Compile(backend, store, []shapes.Shape{x.Shape()}, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
			s = s.WithAdapter(adapters.Adapter(s))
			return []*Node{nn.LinearNoBias(s.In(layer), in[0], shape[0])}, nil
		}, nn.Options{Name: "layer"})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		out, err := p.Run(x)
		if err != nil {
			t.Fatal(err)
		}
		return tensors.MustCopyFlatData[float32](out[0])
	}
	got, plain, added := output(true), output(false), f.want(t, "fal")[layer]
	for i := range plain {
		plain[i] += added[i]
	}
	compare(t, map[string][]float32{layer: got}, map[string][]float32{layer: plain})
}
