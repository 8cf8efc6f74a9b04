// Package nntest opens the backend for the tests of networks.
package nntest

import (
	"testing"

	"github.com/gomlx/compute"

	"reflectionflow/cpu"
)

// Backend opens the default backend; in a build with -tags xla, XLA with the PJRT plugin that the environment variable
// REFLECTIONFLOW_TEST_PLUGIN names. When the test ends, it fails if an operation of the graphs that were executed had no
// kernel of package cpu and ran on the fallback backend.
func Backend(t testing.TB) compute.Backend {
	t.Helper()
	if b := override(t); b != nil {
		return b
	}
	b, err := cpu.New("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if ops := b.(*cpu.Backend).Fallbacks(); len(ops) > 0 {
			t.Errorf("executions of operations without a kernel: %v", ops)
		}
	})
	return b
}
