//go:build xla

package nntest

import (
	"os"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/go-xla/compute/xla"
)

// override opens XLA if the environment variable REFLECTIONFLOW_TEST_PLUGIN names a PJRT plugin, so that the tests of
// networks run there.
func override(t testing.TB) compute.Backend {
	plugin := os.Getenv("REFLECTIONFLOW_TEST_PLUGIN")
	if plugin == "" {
		return nil
	}
	xla.EnableAutoInstall(false)
	b, err := xla.New(plugin)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
