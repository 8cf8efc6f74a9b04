package cpu_test

import (
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/support/backendtest"

	"reflectionflow/cpu"
)

func newBackend(t testing.TB) *cpu.Backend {
	t.Helper()
	b, err := cpu.New("")
	if err != nil {
		t.Fatal(err)
	}
	return b.(*cpu.Backend)
}

// TestCompliance runs GoMLX's own suite for backends.
func TestCompliance(t *testing.T) { backendtest.RunAll(t, newBackend(t), nil) }

// TestRegister finds the backend through GoMLX's registry.
func TestRegister(t *testing.T) {
	cpu.Register()
	b, err := compute.NewWithConfig("cpu")
	if err != nil {
		t.Fatal(err)
	}
	if b.Name() != "cpu" {
		t.Errorf("name %q, want cpu", b.Name())
	}
	if _, err := compute.NewWithConfig("cpu:fast"); err == nil {
		t.Error("an unknown option was accepted")
	}
}
