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
// path) in builds with -tags xla, and "xla:PLUGIN:bf16" for the same with products in bf16 and their
// sums in f32. The latter keeps stored matrices in bf16, see [Store.SetStored].
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
		plugin, narrow := strings.CutSuffix(rest, ":bf16")
		backend, err := openXLA(strings.TrimSuffix(plugin, ":f32"))
		if err == nil && narrow {
			backend = &narrowing{backend}
		}
		return backend, err
	}
	return nil, fmt.Errorf("%w: unknown backend %q: use cpu, cpu:bf16, xla:PLUGIN or xla:PLUGIN:bf16", reflectionflow.ErrInvalid, config)
}
