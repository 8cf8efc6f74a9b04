package flux1

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"reflectionflow/flux"
	"reflectionflow/nn"
	"reflectionflow/weights/safetensors"
)

// constantStore holds all weights of a folder, each filled with a number of its own.
func constantStore(t testing.TB, f *Folder) *nn.Store {
	t.Helper()
	store := nn.NewStore()
	for i, c := range f.Components() {
		variables, err := c.Variables()
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range variables {
			values := make([]float32, v.Size())
			for j := range values {
				values[j] = float32(1+i+k) / 64
			}
			store.Set(c.Prefix+"."+v.Name, values, v.Shape...)
		}
	}
	return store
}

// writeTinyFolder writes a folder of constant weights, without tokenizers.
func writeTinyFolder(t *testing.T, f *Folder, dtype safetensors.DType) string {
	t.Helper()
	dir := t.TempDir()
	if err := f.WriteConfigs(dir); err != nil {
		t.Fatal(err)
	}
	if err := f.SaveWeights(dir, constantStore(t, f), dtype); err != nil {
		t.Fatal(err)
	}
	return dir
}

// rewrite replaces a weight file by one of the tensors that change returns for its own.
func rewrite(t *testing.T, path string, change func([]safetensors.Tensor) []safetensors.Tensor) {
	t.Helper()
	file, err := safetensors.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	var tensors []safetensors.Tensor
	for _, name := range file.Names() {
		info, err := file.Info(name)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := file.Bytes(name)
		if err != nil {
			t.Fatal(err)
		}
		tensors = append(tensors, safetensors.Tensor{Name: name, Shape: info.Shape, DType: info.DType, Raw: slices.Clone(raw)})
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if err := safetensors.Write(path, change(tensors), nil); err != nil {
		t.Fatal(err)
	}
}

// named applies a change to the tensor of that name, and drops it where the change returns false.
func named(name string, change func(*safetensors.Tensor) bool) func([]safetensors.Tensor) []safetensors.Tensor {
	return func(tensors []safetensors.Tensor) (kept []safetensors.Tensor) {
		for _, tensor := range tensors {
			if tensor.Name != name || change(&tensor) {
				kept = append(kept, tensor)
			}
		}
		return kept
	}
}

func TestCheckWeightsAcceptsWholeModels(t *testing.T) {
	embedded, err := OpenFolderFS(os.DirFS("../../models/clipart"))
	if err != nil {
		t.Fatal(err)
	}
	onDisk, err := OpenFolder(writeTinyFolder(t, tinyFolder(), safetensors.F16))
	if err != nil {
		t.Fatal(err)
	}
	for name, folder := range map[string]*Folder{"embedded": embedded, "tiny": onDisk} {
		if problems, err := folder.CheckWeights(); err != nil || len(problems) > 0 {
			t.Errorf("%s: %v, %v", name, problems.Report(), err)
		}
	}
}

func TestCheckWeightsReportsWhatDoesNotFit(t *testing.T) {
	const transformer = "transformer/diffusion_pytorch_model.safetensors"
	const embedder, embedderWeight = "x_embedder.bias", "x_embedder.weight"
	for _, c := range []struct {
		name, file string
		change     func([]safetensors.Tensor) []safetensors.Tensor
		report     string
		loads      bool
	}{
		{"missing", transformer, named(embedder, func(*safetensors.Tensor) bool { return false }), `transformer: tensor "x_embedder.bias" is missing: [16] BF16`, false},
		{"other shape", transformer, named(embedderWeight, func(s *safetensors.Tensor) bool {
			s.Shape = []int{8, 16}
			return true
		}), `transformer: tensor "x_embedder.weight" has shape [8 16], the model needs [16 8]`, false},
		{"integers", "text_encoder_2/model.safetensors", named("shared.weight", func(s *safetensors.Tensor) bool {
			s.DType, s.Raw = safetensors.I8, make([]byte, 11*8)
			return true
		}), `text_encoder_2: tensor "shared.weight" has dtype I8, the model needs floating-point numbers`, false},
		{"unexpected", "vae/diffusion_pytorch_model.safetensors", func(tensors []safetensors.Tensor) []safetensors.Tensor {
			return append(tensors, safetensors.Tensor{Name: "quant_conv.bias", Shape: []int{4}, DType: safetensors.F32, Values: make([]float32, 4)})
		}, `vae: tensor "quant_conv.bias" is unexpected`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := writeTinyFolder(t, tinyFolder(), safetensors.BF16)
			rewrite(t, filepath.Join(dir, c.file), c.change)
			folder, err := OpenFolder(dir)
			if err != nil {
				t.Fatal(err)
			}
			problems, err := folder.CheckWeights()
			if got := problems.Report(); err != nil || !slices.Equal(got, []string{c.report}) {
				t.Errorf("report %q, want %q (%v)", got, c.report, err)
			}
			wantInvalid(t, problems.Err(), problems[0].Tensor)
			if err := folder.LoadWeights(nn.NewStore()); c.loads {
				if err != nil {
					t.Error(err)
				}
			} else {
				wantInvalid(t, err, problems[0].Tensor)
			}
		})
	}
}

// A file with Black Forest Labs' names lacks every tensor and has as many others: messages stay short and say what it is.
func TestCheckWeightsRecognizesBFLNames(t *testing.T) {
	dir := writeTinyFolder(t, tinyFolder(), safetensors.BF16)
	rewrite(t, filepath.Join(dir, "transformer/diffusion_pytorch_model.safetensors"), func(tensors []safetensors.Tensor) []safetensors.Tensor {
		for i := range tensors {
			tensors[i].Name = "double_blocks.0." + tensors[i].Name
		}
		return tensors
	})
	folder, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	problems, err := folder.CheckWeights()
	if err != nil {
		t.Fatal(err)
	}
	variables, err := folder.Transformer.variables()
	if err != nil {
		t.Fatal(err)
	}
	if len(problems) != 2*len(variables) {
		t.Errorf("%d problems for %d tensors", len(problems), len(variables))
	}
	wantInvalid(t, problems.Err(), "Black Forest Labs")
	if text := problems.Err().Error(); len(text) > 600 {
		t.Errorf("an error of %d bytes: %s", len(text), text)
	}
}

// The list of weights must be that of the programs that generate, or it would check for the wrong thing.
func TestVariablesAreTheWeightsThatProgramsUse(t *testing.T) {
	for _, settings := range []Settings{tinySettings, {TextLength: 12}} {
		model := openTinyModel(t, settings)
		var want []string
		for _, name := range model.Store.Names("") {
			if !strings.HasPrefix(name, CorrectorPrefix+".") {
				want = append(want, name)
			}
		}
		var got []string
		for _, c := range model.Folder.Components() {
			variables, err := c.Variables()
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range variables {
				got = append(got, c.Prefix+"."+v.Name)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("variables are %q, training makes %q", got, want)
		}
	}
}

func TestVariablesOfFluxDev(t *testing.T) {
	f := &Folder{Transformer: Variants[0].Params, VAE: flux.FluxDevAutoencoder(), CLIP: FluxDevCLIP(), T5: FluxDevT5()}
	want := map[string][2]int{ // tensors and parameters of the published files
		TransformerPrefix: {1160, 11_901_408_320}, VAEPrefix: {244, 83_819_683}, CLIPPrefix: {196, 123_060_480}, T5Prefix: {219, 4_762_310_656},
	}
	for _, c := range f.Components() {
		variables, err := c.Variables()
		if err != nil {
			t.Fatal(err)
		}
		parameters := 0
		for _, v := range variables {
			parameters += v.Size()
		}
		if got := [2]int{len(variables), parameters}; got != want[c.Prefix] {
			t.Errorf("%s has %d parameters in %d tensors, want %v", c.Prefix, parameters, len(variables), want[c.Prefix])
		}
	}
}

// heapBytes returns the bytes that body allocates on the heap.
func heapBytes(body func()) uint64 {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	body()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Loading copies no weight, whatever its type.
func TestLoadingDoesNotCopyWeights(t *testing.T) {
	const rows, columns = 1024, 1024
	for _, dtype := range []safetensors.DType{safetensors.F32, safetensors.BF16, safetensors.F16, safetensors.F8E4M3} {
		dir, size := t.TempDir(), dtype.Size()
		raw := make([]byte, rows*columns*size)
		for i := 0; i < len(raw); i += size { // 1.0 in each type
			switch dtype {
			case safetensors.F32:
				binary.LittleEndian.PutUint32(raw[i:], 0x3f800000)
			case safetensors.BF16:
				binary.LittleEndian.PutUint16(raw[i:], 0x3f80)
			case safetensors.F8E4M3:
				raw[i] = 0x38
			default:
				binary.LittleEndian.PutUint16(raw[i:], 0x3c00)
			}
		}
		tensors := []safetensors.Tensor{{Name: "layer.weight", Shape: []int{rows, columns}, DType: dtype, Raw: raw}}
		if err := safetensors.Write(filepath.Join(dir, "model.safetensors"), tensors, nil); err != nil {
			t.Fatal(err)
		}
		store := nn.NewStore()
		bytes := heapBytes(func() {
			if err := flux.LoadWeights(store, "", dir, "model"); err != nil {
				t.Fatal(err)
			}
		})
		if got := float64(bytes) / (rows * columns); got > 0.1 {
			t.Errorf("%s: loading allocates %.2f bytes per parameter", dtype, got)
		}
		values, err := store.Values("layer.weight")
		if err != nil || values[rows*columns-1] != 1 {
			t.Errorf("%s: %v, %v", dtype, values[rows*columns-1], err)
		}
	}
}

func TestWeightsOfUnsupportedTypeAreRefused(t *testing.T) {
	dir := t.TempDir()
	tensors := []safetensors.Tensor{
		{Name: "position_ids", Shape: []int{1}, DType: safetensors.I64, Raw: make([]byte, 8)},
		{Name: "layer.weight", Shape: []int{2}, DType: safetensors.F8E8M0, Raw: make([]byte, 2)},
	}
	if err := safetensors.Write(filepath.Join(dir, "model.safetensors"), tensors, nil); err != nil {
		t.Fatal(err)
	}
	wantInvalid(t, flux.LoadWeights(nn.NewStore(), "", dir, "model"), "F8_E8M0")
	if err := os.Remove(filepath.Join(dir, "model.safetensors")); err != nil {
		t.Fatal(err)
	}
}
