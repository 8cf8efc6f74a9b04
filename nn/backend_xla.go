//go:build xla

package nn

import (
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/go-xla/compute/xla"
)

func openXLA(plugin string) (compute.Backend, error) {
	xla.EnableAutoInstall(false)
	backend, err := xla.New(plugin)
	if err != nil {
		return nil, fmt.Errorf("open XLA plugin %q: %w", plugin, oneLine(err))
	}
	return backend, nil
}
