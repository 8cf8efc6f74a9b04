package nn

import (
	"fmt"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"

	"reflectionflow"
)

// OpenBackend opens the compute backend that config names: "" or "cpu" for the
// pure-Go one, "xla:PLUGIN" for XLA through a PJRT plugin (its name or absolute
// path) in builds with -tags xla.
func OpenBackend(config string) (compute.Backend, error) {
	kind, rest, _ := strings.Cut(config, ":")
	switch kind {
	case "", "cpu":
		// Operations in sequence: GoMLX's parallel executor can wait for itself
		// forever. A matrix product still uses every core.
		return gobackend.New("ops_sequential")
	case "xla":
		return openXLA(rest)
	}
	return nil, fmt.Errorf("%w: unknown backend %q: use cpu or xla:PLUGIN", reflectionflow.ErrInvalid, config)
}
