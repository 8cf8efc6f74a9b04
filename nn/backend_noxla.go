//go:build !xla

package nn

import (
	"fmt"

	"github.com/gomlx/compute"

	"reflectionflow"
)

func openXLA(string) (compute.Backend, error) {
	return nil, fmt.Errorf("%w: this binary was built without XLA: rebuild it with CGO_ENABLED=1 go build -tags xla", reflectionflow.ErrInvalid)
}
