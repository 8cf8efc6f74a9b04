package config_test

import (
	"errors"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/config"
)

func TestCompute(t *testing.T) {
	for _, c := range []struct{ backend, precision, wantBackend, wantPrecision, name string }{
		{"", "", "", "", ""},
		{"", "f32", "", "f32", ""},
		{"", "bf16", "", "bf16", "cpu:bf16"},
		{"cpu", "int8", "cpu", "int8", "cpu:int8"},
		{"cpu:bf16", "", "cpu", "bf16", "cpu:bf16"},
		{"cpu:bf16", "bf16", "cpu", "bf16", "cpu:bf16"},
		{"xla:/a:b.so:bf16", "", "xla:/a:b.so", "bf16", "xla:/a:b.so:bf16"},
		{"xla:/a:b.so", "", "xla:/a:b.so", "", "xla:/a:b.so"},
	} {
		backend, precision, err := config.SplitCompute(c.backend, c.precision)
		if err != nil || backend != c.wantBackend || precision != c.wantPrecision {
			t.Errorf("%q, %q: %q, %q, %v", c.backend, c.precision, backend, precision, err)
		}
		if name := config.Compute(backend, precision); name != c.name {
			t.Errorf("%q, %q make %q, want %q", backend, precision, name, c.name)
		}
	}
	for _, c := range [][2]string{{"cpu:bf16", "f32"}, {"", "fp4"}} {
		if _, _, err := config.SplitCompute(c[0], c[1]); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%q: %v", c, err)
		}
	}
}
