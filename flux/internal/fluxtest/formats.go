package fluxtest

import (
	"bytes"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"reflectionflow/flux"
	"reflectionflow/nn"
	"reflectionflow/weights"
	"reflectionflow/weights/gguf"
	"reflectionflow/weights/gguf/gguftest"
	"reflectionflow/weights/safetensors"
)

// ggufTypes are types of matrices in GGUF files that people have.
var ggufTypes = []gguf.Type{gguf.BF16, gguf.F16, gguf.Q8_0, gguf.Q4_0, gguf.Q5_1, gguf.Q4K, gguf.Q5K, gguf.Q6K, gguf.IQ4NL, gguf.IQ4XS}

// blockColumns is a multiple of the block of every type.
const blockColumns = 256

// SameInEveryFormat writes random weights of a component in every format and demands that
// generate gives the same bytes with them as with their values in float32. base holds the
// weights of the other components.
func SameInEveryFormat(t *testing.T, c flux.Component, base *nn.Store, generate func(*nn.Store) []byte) {
	t.Helper()
	variables, err := c.Variables()
	if err != nil {
		t.Fatal(err)
	}
	images := map[string]bool{}
	try := func(format string, write func(path string) error) {
		t.Run(format, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "weights")
			if err := write(path); err != nil {
				t.Fatal(err)
			}
			source, err := weights.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { source.Close() }) //nolint:errcheck // read only
			stored, plain := without(t, base, c.Prefix), without(t, base, c.Prefix)
			if err := c.LoadSource(stored, source); err != nil {
				t.Fatal(err)
			}
			for _, v := range variables {
				name := c.Prefix + "." + v.Name
				values, err := stored.Values(name)
				if err != nil {
					t.Fatal(err)
				}
				plain.Set(name, values, v.Shape...)
			}
			image := generate(stored)
			if !bytes.Equal(image, generate(plain)) {
				t.Error("another image than with the values in float32")
			}
			images[string(image)] = true
		})
	}
	for _, kind := range ggufTypes {
		try("gguf "+kind.String(), func(path string) error { return gguftest.Write(path, ggufTensors(variables, kind), 1) })
	}
	try("fp8", func(path string) error { return safetensors.Write(path, fp8Tensors(variables), nil) })
	if len(images) <= len(ggufTypes) {
		t.Errorf("%d images of %d formats with different values: the comparison is blind", len(images), len(ggufTypes)+1)
	}
}

// without returns a copy of the store without the weights below the prefix.
func without(t *testing.T, base *nn.Store, prefix string) *nn.Store {
	t.Helper()
	store := nn.NewStore()
	if err := store.CopyFrom(base, "", ""); err != nil {
		t.Fatal(err)
	}
	store.Delete(prefix + ".")
	return store
}

// ggufTensors are the variables, with those matrices in the type whose rows are whole
// blocks; the others are in BF16 and F32, as in published files.
func ggufTensors(variables []nn.Variable, kind gguf.Type) []gguftest.Tensor {
	var tensors []gguftest.Tensor
	for _, v := range variables {
		t := gguftest.Tensor{Name: v.Name, Type: gguf.F32, Shape: v.Shape, Std: 1}
		if len(v.Shape) == 2 {
			t.Type, t.Std = gguf.BF16, 0.06
			if v.Shape[1]%blockColumns == 0 {
				t.Type = kind
			}
		}
		tensors = append(tensors, t)
	}
	return tensors
}

// fp8Tensors are the variables, with matrices in F8_E4M3 and a scale each.
func fp8Tensors(variables []nn.Variable) []safetensors.Tensor {
	random := rand.New(rand.NewPCG(3, 4))
	var tensors []safetensors.Tensor
	for _, v := range variables {
		t := safetensors.Tensor{Name: v.Name, Shape: v.Shape, DType: safetensors.F32}
		if len(v.Shape) == 2 {
			t.DType, t.Raw = safetensors.F8E4M3, make([]byte, v.Size())
			for i := range t.Raw {
				t.Raw[i] = byte(random.IntN(0x40)) | byte(random.IntN(2)<<7) // below 2: none is NaN
			}
			scale := safetensors.Tensor{Name: v.Name + "_scale", DType: safetensors.F32, Values: []float32{0.11}}
			tensors = append(tensors, scale)
		} else {
			t.Values = make([]float32, v.Size())
			for i := range t.Values {
				t.Values[i] = float32(random.NormFloat64())
			}
		}
		tensors = append(tensors, t)
	}
	return tensors
}
