package weights

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"reflectionflow"
	"reflectionflow/weights/gguf"
	"reflectionflow/weights/gguf/gguftest"
	"reflectionflow/weights/internal/float"
	"reflectionflow/weights/safetensors"
)

// elsewhereSource is a Source of another package.
type elsewhereSource struct{ Source }

// sources are the same tensors by several ways: matrices m and s, which has scales, and a vector v.
func sources(t *testing.T) map[string]Source {
	t.Helper()
	dir := t.TempDir()
	codes, scales := make([]byte, 7*40), make([]float32, 7)
	for i := range codes {
		codes[i] = byte(i%0x78) | byte(i%3%2)<<7
		scales[i/40] = 0.25 * float32(i/40+1)
	}
	path := filepath.Join(dir, "x.safetensors")
	writeTensors(t, path, nil,
		safetensors.Tensor{Name: "m", Shape: []int{7, 4, 10}, DType: safetensors.F8E5M2, Raw: codes},
		safetensors.Tensor{Name: "s.weight", Shape: []int{7, 40}, DType: safetensors.F8E4M3, Raw: codes},
		safetensors.Tensor{Name: "s.weight_scale", Shape: []int{7}, DType: safetensors.F32, Values: scales},
		safetensors.Tensor{Name: "v", Shape: []int{7}, DType: safetensors.F32, Values: scales})
	stored := open(t, path)
	blocks := filepath.Join(dir, "x.gguf")
	if err := gguftest.Write(blocks, []gguftest.Tensor{{Name: "m", Type: gguf.Q4K, Shape: []int{7, 512}, Std: 1}, {Name: "v", Type: gguf.Q5_1, Shape: []int{96}, Std: 1}}, 3); err != nil {
		t.Fatal(err)
	}
	quantized := open(t, blocks)
	cuts := map[string][]Cut{"m": {{"m", 5, 7}, {"m", 0, 2}, {"m", 4, 5}}, "v": {{"v", 3, 7}, {"v", 0, 1}}}
	all := map[string]Source{"safetensors": stored, "GGUF": quantized, "elsewhere": elsewhereSource{stored}}
	for name, source := range map[string]Source{"safetensors": stored, "GGUF": quantized} {
		view, err := NewView(source, cuts)
		if err != nil {
			t.Fatal(err)
		}
		nested, err := NewView(view, map[string][]Cut{"m": {{"m", 1, 4}}, "v": {{"v", 2, 5}}})
		if err != nil {
			t.Fatal(err)
		}
		all["view of "+name], all["view of a view of "+name] = view, nested
	}
	return all
}

// TestTensorsEqualReadRows reads every tensor of every kind of source by parts of rows and as a whole: the values are
// those of ReadRows.
func TestTensorsEqualReadRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for what, source := range sources(t) {
		for _, name := range source.Names() {
			tensor, err := Find(source, name)
			if err != nil {
				t.Fatal(err)
			}
			info := tensor.Info()
			want := make([]float32, info.Elements())
			if err := source.ReadRows(want, name, 0); err != nil {
				t.Fatal(err)
			}
			if got, err := tensor.Values(); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s, %s: values %v, want %v (%v)", what, name, got[:3], want[:3], err)
			}
			rounded := make([]uint16, len(want))
			for i, v := range want {
				rounded[i] = float.ToBF16(v)
			}
			if got, err := tensor.BFloat16Values(); err != nil || !slices.Equal(got, rounded) {
				t.Errorf("%s, %s: bfloat16 %x, want %x (%v)", what, name, got[:3], rounded[:3], err)
			}
			if err := tensor.CheckFinite(); err != nil {
				t.Errorf("%s, %s: %v", what, name, err)
			}
			tensor.Release()
			width := 1
			if len(info.Shape) > 1 {
				width = info.RowLength()
			}
			for range 50 {
				row, column := rng.IntN(info.Shape[0]), rng.IntN(width)
				part := make([]float32, rng.IntN(width-column)+1)
				tensor.ReadRow(part, row, column)
				if at := row*width + column; !slices.Equal(part, want[at:at+len(part)]) {
					t.Errorf("%s, %s: row %d from %d on: %v, want %v", what, name, row, column, part, want[at:at+len(part)])
				}
			}
		}
		if _, err := Find(source, "nothing"); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestTensorsInPlace gives f32 and bf16 without a copy where they lie together, and nothing else.
func TestTensorsInPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	values := []float32{1, 2, 3, 4, 5, 6, 7, 8}
	writeTensors(t, path, nil,
		safetensors.Tensor{Name: "single", Shape: []int{4, 2}, DType: safetensors.F32, Values: values},
		safetensors.Tensor{Name: "brain", Shape: []int{4, 2}, DType: safetensors.BF16, Values: values},
		safetensors.Tensor{Name: "half", Shape: []int{4, 2}, DType: safetensors.F16, Values: values})
	view, err := NewView(open(t, path), map[string][]Cut{
		"single": {{"single", 1, 3}}, "brain": {{"brain", 1, 3}}, "half": {{"half", 1, 3}}, "swapped": {{"brain", 2, 4}, {"brain", 0, 2}}, "empty": {{"brain", 1, 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]bool{"single": {true, false}, "brain": {false, true}, "half": {}, "swapped": {}, "empty": {}} {
		tensor, err := Find(view, name)
		if err != nil {
			t.Fatal(err)
		}
		single, ok := tensor.Float32()
		if ok != want[0] || ok && !slices.Equal(single, values[2:6]) {
			t.Errorf("%s: %v, %v", name, single, ok)
		}
		bits, ok := tensor.BFloat16()
		if ok != want[1] || ok && (len(bits) != 4 || bits[0] != 0x4040) {
			t.Errorf("%s: %x, %v", name, bits, ok)
		}
	}
}

// TestTensorOfAFileCutShort ends with an error that names file and tensor.
func TestTensorOfAFileCutShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.gguf")
	if err := gguftest.Write(path, []gguftest.Tensor{{Name: "m", Type: gguf.Q6K, Shape: []int{64, 512}, Std: 1}}, 1); err != nil {
		t.Fatal(err)
	}
	tensor, err := Find(open(t, path), "m")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	_, err = tensor.Values()
	wantInvalid(t, err, `x.gguf: tensor "m" could not be read`)
	wantInvalid(t, tensor.CheckFinite(), `x.gguf: tensor "m" could not be read`)
}

// FuzzScaledFile opens safetensors files of any content, with fp8 weights and scales among them, and reads what it finds.
func FuzzScaledFile(f *testing.F) {
	path := filepath.Join(f.TempDir(), "x.safetensors")
	for _, scale := range [][]int{{}, {1}, {3}, {3, 1}, {2}} {
		err := safetensors.Write(path, []safetensors.Tensor{
			{Name: "a.weight", Shape: []int{3, 4}, DType: safetensors.F8E4M3, Raw: make([]byte, 12)},
			{Name: "a.weight_scale", Shape: scale, DType: safetensors.F32, Values: make([]float32, max(1, safetensors.Info{Shape: scale}.Elements()))},
			{Name: "a.comfy_quant", Shape: []int{26}, DType: safetensors.U8, Raw: []byte(`{"format":"float8_e4m3fn"}`)},
		}, map[string]string{"_quantization_metadata": `{"layers":{"a":{"format":"float8_e4m3fn"}}}`})
		if err != nil {
			f.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		stored, err := safetensors.FromBytes("x", data)
		if err != nil {
			return
		}
		file, err := ofSafetensors(stored, nil)
		if err != nil {
			if !errors.Is(err, reflectionflow.ErrInvalid) {
				t.Error(err)
			}
			return
		}
		for _, name := range file.Names() {
			tensor, err := Find(file, name)
			if err != nil {
				if !errors.Is(err, reflectionflow.ErrInvalid) {
					t.Error(err)
				}
				continue
			}
			values, err := tensor.Values()
			if err != nil || len(values) != tensor.Info().Elements() {
				t.Error(fmt.Errorf("%s: %d values: %w", name, len(values), err))
			}
			_ = tensor.CheckFinite()
		}
	})
}
