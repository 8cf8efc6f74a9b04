package weights

import (
	"archive/zip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/weights/safetensors"
)

func wantInvalid(t *testing.T, err error, part string) {
	t.Helper()
	if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(fmt.Sprint(err), part) || strings.Contains(err.Error(), "\n") || strings.Count(err.Error(), "invalid input") != 1 {
		t.Errorf("error %v, want an invalid input saying %q in one line", err, part)
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func writeTensors(t *testing.T, path string, metadata map[string]string, tensors ...safetensors.Tensor) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := safetensors.Write(path, tensors, metadata); err != nil {
		t.Fatal(err)
	}
}

// matrix is a tensor of 2 rows of 3 elements.
func matrix(name string) safetensors.Tensor {
	return safetensors.Tensor{Name: name, Shape: []int{2, 3}, DType: safetensors.BF16, Values: []float32{1, 2, 3, 4, 5, 6}}
}

func open(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestOpensFilesByTheirContent(t *testing.T) {
	dir := t.TempDir()
	reference, err := os.ReadFile("gguf/testdata/reference.gguf")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "a.ckpt"), reference)
	writeTensors(t, filepath.Join(dir, "b.gguf"), nil, matrix("m"))
	writeTensors(t, filepath.Join(dir, "shards", "one.safetensors"), nil, matrix("m"))
	writeTensors(t, filepath.Join(dir, "shards", "two.safetensors"), nil, matrix("n"))
	write(t, filepath.Join(dir, "shards", "x.json"), []byte(`{"metadata":{"total_size":24},"weight_map":{"m":"one.safetensors","n":"two.safetensors"}}`))
	writeTensors(t, filepath.Join(dir, "folder", "model.fp16.safetensors"), nil, matrix("m"))
	write(t, filepath.Join(dir, "folder", "config.json"), []byte("{}"))
	writeTensors(t, filepath.Join(dir, "single", "flux.safetensors"), nil, matrix("m"))
	for _, test := range []struct {
		path   string
		format Format
		info   Info
	}{
		{"a.ckpt", GGUF, Info{"Q4_K", "Q4_K", []int{2, 512}}},
		{"b.gguf", Safetensors, Info{"m", "BF16", []int{2, 3}}},
		{"shards/x.json", Safetensors, Info{"n", "BF16", []int{2, 3}}},
		{"folder", Safetensors, Info{"m", "BF16", []int{2, 3}}},
		{"single", Safetensors, Info{"m", "BF16", []int{2, 3}}},
	} {
		f := open(t, filepath.Join(dir, test.path))
		info, err := f.Info(test.info.Name)
		if err != nil || f.Format() != test.format || !reflect.DeepEqual(info, test.info) || !slices.Contains(f.Names(), test.info.Name) {
			t.Errorf("%s: %s %+v, %v, want %s %+v", test.path, f.Format(), info, err, test.format, test.info)
		}
		row := make([]float32, info.RowLength())
		if err := f.ReadRows(row, info.Name, 1); err != nil || test.format == Safetensors && !slices.Equal(row, []float32{4, 5, 6}) {
			t.Errorf("%s: %v, %v", test.path, row, err)
		}
		_, err = f.Info("nothing")
		wantInvalid(t, err, `there is no tensor "nothing"`)
	}
}

func TestOpenSaysWhatAnotherFileIs(t *testing.T) {
	dir := t.TempDir()
	torch := filepath.Join(dir, "torch")
	file, err := os.Create(torch)
	if err != nil {
		t.Fatal(err)
	}
	archive := zip.NewWriter(file)
	if _, err := archive.Create("archive/data.pkl"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(archive.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
	zipped, err := os.ReadFile(torch)
	if err != nil {
		t.Fatal(err)
	}
	writeTensors(t, filepath.Join(dir, "whole"), nil, matrix("m"))
	whole, err := os.ReadFile(filepath.Join(dir, "whole"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, content, want string }{
		{"empty", "", "the file is empty"},
		{"pickle", "\x80\x02}q\x00.", "Python pickle"},
		{"torch", string(zipped), "PyTorch file"},
		{"zip", "PK\x03\x04 and more", "zip archive"},
		{"lfs", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 23802932552\n", "run git lfs pull"},
		{"page", "\n<!DOCTYPE html>\n<html>", "web page"},
		{"error", `{"error":"Invalid username or password."}`, "JSON text"},
		{"zeros", strings.Repeat("\x00", 600), "download is incomplete"},
		{"ggml", "tjgg\x03\x00\x00\x00", "GGJT"},
		{"text", "hello, world", `begins with "hello, w"`},
		{"long header", "\x00\x00\x00\x00\x00\x00\x00\x10{", `begins with "\x00`},
		{"short", "GG", `begins with "GG"`},
		{"truncated GGUF", "GGUF\x03\x00\x00\x00\x01", "truncated"},
		{"truncated header", string(whole[:20]), "truncated"},
		{"truncated data", string(whole[:len(whole)-1]), "truncated"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(dir, "flux.safetensors")
			write(t, path, []byte(test.content))
			_, err := Open(path)
			wantInvalid(t, err, test.want)
			wantInvalid(t, err, "flux.safetensors: ")
		})
	}
	_, err = Open(filepath.Join(dir, "nothing"))
	wantInvalid(t, err, "nothing: ")
	writeTensors(t, filepath.Join(dir, "two", "a.safetensors"), nil, matrix("m"))
	writeTensors(t, filepath.Join(dir, "two", "b.safetensors"), nil, matrix("m"))
	write(t, filepath.Join(dir, "pipeline", "model_index.json"), []byte("{}"))
	write(t, filepath.Join(dir, "none", "readme"), nil)
	for folder, want := range map[string]string{"two": "2 weight files, such as a.safetensors", "pipeline": "pipeline of several models", "none": "no safetensors or GGUF file"} {
		_, err := Open(filepath.Join(dir, folder))
		wantInvalid(t, err, want)
	}
}

func f8(name string, shape []int, codes ...byte) safetensors.Tensor {
	return safetensors.Tensor{Name: name, Shape: shape, DType: safetensors.F8E4M3, Raw: codes}
}

func numbers(name string, shape []int, values ...float32) safetensors.Tensor {
	return safetensors.Tensor{Name: name, Shape: shape, DType: safetensors.F32, Values: values}
}

func marker(name, text string) safetensors.Tensor {
	return safetensors.Tensor{Name: name, Shape: []int{len(text)}, DType: safetensors.U8, Raw: []byte(text)}
}

func TestAppliesTheScalesOfFP8Weights(t *testing.T) {
	codes := []byte{0x38, 0x40, 0xb8, 0x30} // 1, 2, -1, 0.5
	path := filepath.Join(t.TempDir(), "x.safetensors")
	writeTensors(t, path, map[string]string{"_quantization_metadata": `{"format_version":"1.0","layers":{"new":{"format":"float8_e4m3fn"}}}`},
		f8("plain.weight", []int{2, 2}, codes...),
		f8("old.weight", []int{2, 2}, codes...), numbers("old.scale_weight", nil, 0.5), numbers("old.scale_input", nil, 9),
		f8("new.weight", []int{2, 2}, codes...), numbers("new.weight_scale", []int{1}, 3), numbers("new.input_scale", nil, 9), marker("new.comfy_quant", `{"format":"float8_e4m3fn"}`),
		f8("rows.weight", []int{2, 2}, codes...), numbers("rows.weight_scale", []int{2, 1}, 3, 5),
		f8("scaled_fp8", []int{2}, 0, 0),
		numbers("old.bias", []int{2}, 1, 2), numbers("alone.weight_scale", nil, 4))
	f := open(t, path)
	if want := []string{"alone.weight_scale", "new.weight", "old.bias", "old.weight", "plain.weight", "rows.weight"}; !slices.Equal(f.Names(), want) {
		t.Errorf("names %v, want %v", f.Names(), want)
	}
	for name, want := range map[string][]float32{
		"plain.weight": {1, 2, -1, 0.5}, "old.weight": {0.5, 1, -0.5, 0.25}, "new.weight": {3, 6, -3, 1.5}, "rows.weight": {3, 6, -5, 2.5},
	} {
		got := make([]float32, 4)
		if err := f.ReadRows(got, name, 0); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s = %v, %v, want %v", name, got, err, want)
		}
		if err := f.ReadRows(got[:2], name, 1); err != nil || !slices.Equal(got[:2], want[2:]) {
			t.Errorf("row 1 of %s = %v, %v, want %v", name, got[:2], err, want[2:])
		}
	}
}

func TestRejectsQuantizationsByName(t *testing.T) {
	w := f8("a.weight", []int{2, 2}, 0, 0, 0, 0)
	for _, test := range []struct {
		name     string
		metadata string
		tensors  []safetensors.Tensor
		want     string
	}{
		{"two scales", "", []safetensors.Tensor{w, numbers("a.weight_scale", nil, 1), numbers("a.scale_weight", nil, 1)}, `"a.weight" has two scales`},
		{"scale per block", "", []safetensors.Tensor{w, numbers("a.weight_scale", []int{2, 2}, 1, 1, 1, 1)}, "only a scale per tensor or per row"},
		{"scale of NaN", "", []safetensors.Tensor{w, f8("a.weight_scale", nil, 0x7f)}, "holds NaN"},
		{"scale of another type", "", []safetensors.Tensor{w, marker("a.weight_scale", "x")}, "is of type U8"},
		{"nvfp4", "", []safetensors.Tensor{w, numbers("a.weight_scale_2", nil, 1)}, "nvfp4"},
		{"SVDQuant", "", []safetensors.Tensor{marker("a.qweight", "x")}, "SVDQuant"},
		{"bitsandbytes", "", []safetensors.Tensor{w, marker("a.weight.absmax", "x")}, "bitsandbytes"},
		{"marker", "", []safetensors.Tensor{w, marker("a.comfy_quant", `{"format":"mxfp8"}`)}, `quantized as "mxfp8"`},
		{"marker that is no JSON", "", []safetensors.Tensor{w, marker("a.comfy_quant", `mxfp8`)}, "a.comfy_quant"},
		{"marker of numbers", "", []safetensors.Tensor{w, numbers("a.comfy_quant", nil, 1)}, "no description of a quantization"},
		{"metadata", `{"layers":{"b":{"format":"float8_e5m2"},"a":{"format":"int8_tensorwise"}}}`, []safetensors.Tensor{w}, `"a" is quantized as "int8_tensorwise"`},
		{"metadata that is no JSON", `[]`, []safetensors.Tensor{w}, "_quantization_metadata"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.safetensors")
			writeTensors(t, path, map[string]string{"_quantization_metadata": test.metadata}, test.tensors...)
			_, err := Open(path)
			wantInvalid(t, err, test.want)
			wantInvalid(t, err, "x.safetensors: ")
		})
	}
}

func FuzzIdentify(f *testing.F) {
	for _, o := range others {
		f.Add([]byte(o.prefix + "x"))
	}
	f.Add([]byte("GGUF"))
	f.Add([]byte("\x08\x00\x00\x00\x00\x00\x00\x00{}"))
	f.Fuzz(func(t *testing.T, head []byte) {
		if _, err := identify(head); err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("error of several lines: %q", err)
		}
	})
}
