package nn

import (
	"fmt"
	"strings"

	"github.com/gomlx/compute"

	"reflectionflow"
	"reflectionflow/cpu"
)

// OpenBackend opens the compute backend that config names: "" or "cpu" for the
// pure-Go one, "xla:PLUGIN" for XLA through a PJRT plugin (its name or absolute
// path) in builds with -tags xla.
func OpenBackend(config string) (compute.Backend, error) {
	kind, rest, _ := strings.Cut(config, ":")
	switch kind {
	case "", "cpu":
		return cpu.New("")
	case "xla":
		return openXLA(rest)
	}
	return nil, fmt.Errorf("%w: unknown backend %q: use cpu or xla:PLUGIN", reflectionflow.ErrInvalid, config)
}
