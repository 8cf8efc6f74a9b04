package nn

import (
	"fmt"
	"strings"

	"github.com/gomlx/compute"

	"reflectionflow"
	"reflectionflow/cpu"
)

// OpenBackend opens the compute backend that config names: "" or "cpu" for the
// pure-Go one in f32, "cpu:bf16" for the same with products in bf16 where the processor
// multiplies them (see [cpu.New]), "xla:PLUGIN" for XLA through a PJRT plugin (its name or absolute
// path) in builds with -tags xla.
func OpenBackend(config string) (compute.Backend, error) {
	kind, rest, _ := strings.Cut(config, ":")
	switch kind {
	case "", "cpu":
		switch rest {
		case "", "f32":
			return cpu.New("")
		case "bf16":
			return cpu.New("precision=bf16")
		}
	case "xla":
		return openXLA(rest)
	}
	return nil, fmt.Errorf("%w: unknown backend %q: use cpu, cpu:bf16 or xla:PLUGIN", reflectionflow.ErrInvalid, config)
}
