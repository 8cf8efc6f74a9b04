package nn_test

import (
	"errors"
	"testing"

	"reflectionflow"
	"reflectionflow/nn"
)

func TestOpenBackend(t *testing.T) {
	for _, name := range []string{"", "cpu", "cpu:f32", "cpu:bf16", "cpu:int8", "cpu:plain", "cpu:plain:bf16"} {
		backend, err := nn.OpenBackend(name)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		backend.Finalize()
	}
	for _, name := range []string{"gpu", "cpu:f16", "cpu:plain:avx1024", "bf16"} {
		if _, err := nn.OpenBackend(name); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%q: error %v, want one that wraps ErrInvalid", name, err)
		}
	}
}
