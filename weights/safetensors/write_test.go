package safetensors

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

// referenceTensors are the tensors of testdata/make.py.
func referenceTensors(t *testing.T) []Tensor {
	t.Helper()
	v := []float32{0, -1, 1.0 / 3, 65504, 1e-7, -2.5}
	f, err := Open("testdata/reference.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	stored := func(name string) []byte {
		b, err := f.Bytes(name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	return []Tensor{
		{Name: "b.half", Shape: []int{2, 3}, DType: F16, Values: v},
		{Name: "a.brain", Shape: []int{2, 3}, DType: BF16, Load: func() ([]float32, error) { return v, nil }},
		{Name: "z.float", Shape: []int{2, 3}, DType: F32, Values: v},
		{Name: "quote \" <é> \n", Shape: []int{1}, DType: F32, Values: v[:1]},
		{Name: "odd.half", Shape: []int{3}, DType: F16, Values: v[:3]},
		{Name: "double", Shape: []int{3}, DType: F64, Raw: stored("double")},
		{Name: "ids", Shape: []int{3}, DType: I64, Raw: stored("ids")},
		{Name: "bytes", Shape: []int{2}, DType: U8, Raw: []byte{0, 255}},
		{Name: "scalar", DType: F32, Values: []float32{7}},
		{Name: "empty", Shape: []int{0, 4}, DType: F32},
	}
}

func TestWritesTheBytesOfTheReferenceImplementation(t *testing.T) {
	want, err := os.ReadFile("testdata/reference.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	tensors := referenceTensors(t)
	path := filepath.Join(t.TempDir(), "m.safetensors")
	for range 2 { // in either order, and over an older file
		slices.Reverse(tensors)
		if err := Write(path, tensors, map[string]string{"format": "np"}); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("wrote\n%q, want\n%q", got, want)
		}
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("the folder holds %v, %v", files, err)
	}
}

func TestRoundTrip(t *testing.T) {
	values := make([]float32, 50_000) // several chunks
	for i := range values {
		values[i] = float32(math.Sin(float64(i)))
	}
	metadata := map[string]string{"b": "2", "a": "1 <&> \u2028", "": ""}
	path := filepath.Join(t.TempDir(), "m.safetensors")
	err := Write(path, []Tensor{
		{Name: "wide", Shape: []int{100, 500}, DType: F32, Values: values},
		{Name: "narrow", Shape: []int{50_000}, DType: BF16, Values: values},
	}, metadata)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := f.Metadata(); !reflect.DeepEqual(got, metadata) {
		t.Errorf("metadata = %q", got)
	}
	if got, err := f.Float32("wide"); err != nil || !slices.Equal(got, values) {
		t.Errorf("F32 did not come back: %v", err)
	}
	got, err := f.Float32("narrow")
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range got {
		if math.Abs(float64(v-values[i])) > 0x1p-8*math.Abs(float64(values[i])) {
			t.Fatalf("BF16 of %v is %v", values[i], v)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	one := []float32{1}
	failure := errors.New("the disk is full")
	for _, test := range []struct {
		name    string
		tensors []Tensor
		want    string
	}{
		{"name twice", []Tensor{{Name: "a", Shape: []int{1}, DType: F32, Values: one}, {Name: "a", Shape: []int{1}, DType: F16, Values: one}}, `tensor "a" comes twice`},
		{"reserved name", []Tensor{{Name: "__metadata__", Shape: []int{1}, DType: F32, Values: one}}, "keeps for itself"},
		{"name not UTF-8", []Tensor{{Name: "\xff", Shape: []int{1}, DType: F32, Values: one}}, "UTF-8"},
		{"count", []Tensor{{Name: "a", Shape: []int{2, 3}, DType: F32, Values: one}}, "has 1 values, but shape [2 3] takes 6"},
		{"loaded count", []Tensor{{Name: "a", Shape: []int{2}, DType: F32, Load: func() ([]float32, error) { return one, nil }}}, "has 1 values"},
		{"raw count", []Tensor{{Name: "a", Shape: []int{2}, DType: F32, Raw: make([]byte, 7)}}, "has 7 bytes, but shape [2] of F32 takes 8"},
		{"integers", []Tensor{{Name: "a", Shape: []int{1}, DType: I64, Values: one}}, "only raw data"},
		{"unknown type", []Tensor{{Name: "a", Shape: []int{1}, DType: "Q4", Values: one}}, `unknown dtype "Q4"`},
		{"negative", []Tensor{{Name: "a", Shape: []int{0, -1}, DType: F32}}, "impossible shape"},
		{"overflow", []Tensor{{Name: "a", Shape: []int{1 << 32, 1 << 32}, DType: F32}}, "impossible shape"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			wantInvalid(t, Write(filepath.Join(dir, "m.safetensors"), test.tensors, nil), test.want)
			if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
				t.Errorf("left %v behind, %v", files, err)
			}
		})
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "m.safetensors")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	err := Write(path, []Tensor{{Name: "a", Shape: []int{1}, DType: F32, Load: func() ([]float32, error) { return nil, failure }}}, nil)
	if !errors.Is(err, failure) {
		t.Errorf("error %v, want the one of Load", err)
	}
	if old, err := os.ReadFile(path); err != nil || string(old) != "old" {
		t.Errorf("the older file is %q, %v", old, err)
	}
	if err := Write(filepath.Join(dir, "missing", "m.safetensors"), nil, nil); err == nil {
		t.Error("wrote into a folder that is not there")
	}
}
