package nn

import (
	"fmt"
	"strings"

	"github.com/gomlx/compute"

	"reflectionflow"
	"reflectionflow/cpu"
	"reflectionflow/weights"
)

// OpenBackend opens the compute backend that config names: "" or "cpu" for the
// pure-Go one in f32, "cpu:bf16" and "cpu:int8" for the same in other precisions, "cpu:avx512" or "cpu:avx512:bf16" for one
// without better instruction sets than that (see [cpu.New]), "xla:PLUGIN" for XLA through a PJRT plugin (its name or absolute
// path) in builds with -tags xla, and "xla:PLUGIN:bf16" for the same with products in bf16 and their
// sums in f32. The latter keeps stored matrices in bf16, see [Store.SetStored].
func OpenBackend(config string) (compute.Backend, error) {
	kind, rest, _ := strings.Cut(config, ":")
	switch kind {
	case "", "cpu":
		options := []string{"precision=f32"}
		for option := range strings.SplitSeq(rest, ":") {
			switch option {
			case "":
			case "f32", "bf16", "int8":
				options = append(options, "precision="+option)
			default:
				options = append(options, "isa="+option)
			}
		}
		backend, err := cpu.New(strings.Join(options, ","))
		if err != nil {
			return nil, fmt.Errorf("%w: backend %q: %w", reflectionflow.ErrInvalid, config, err)
		}
		return backend, nil
	case "xla":
		if strings.HasSuffix(rest, ":int8") {
			return nil, fmt.Errorf("%w: XLA has no products in int8: use the precision f32 or bf16", reflectionflow.ErrInvalid)
		}
		plugin, narrow := strings.CutSuffix(rest, ":bf16")
		backend, err := openXLA(strings.TrimSuffix(plugin, ":f32"))
		if err == nil && narrow {
			backend = &narrowing{backend}
		}
		return backend, err
	}
	return nil, fmt.Errorf("%w: unknown backend %q: use cpu or xla:PLUGIN", reflectionflow.ErrInvalid, config)
}

// compiled says where XLA's compiled programs are kept; see [KeepCompiled].
var compiled struct {
	folder string
	report func(problem error)
}

// KeepCompiled keeps the programs that XLA compiles in a folder, of at most 2 GiB, for the next start of this program
// with the same plugin on the same devices: of plugins that are named by their path. It must be called before the first [OpenBackend], and holds for the process,
// as PJRT plugins do. report is told what keeps a program from being loaded or kept: it is compiled then. Builds without
// -tags xla keep nothing: package cpu compiles in milliseconds.
func KeepCompiled(folder string, report func(problem error)) {
	compiled.folder, compiled.report = folder, report
}

// AutoPrecision returns the precision that is fastest for weights stored as the given type
// ([weights.Info]) on a backend (see [OpenBackend]) and this processor, and rounds no more
// than they are: int8 for GGUF's blocks, or bf16 where that uses AMX; bf16 for types of 16 and 8 bits; and f32 for others and
// where the processor lacks the instructions.
func AutoPrecision(backend string, stored *weights.Tensor) string {
	kind := stored.Info().Type
	_, integers := stored.Integers()
	switch bf16, int8 := cpu.Precisions(); {
	case strings.HasPrefix(backend, "xla:"):
		if kind != "F32" && kind != "F64" {
			return "bf16"
		}
	case integers && int8 && (!cpu.AMX() || strings.HasPrefix(backend, "cpu:")): // which names an instruction set
		return "int8"
	case bf16 && kind != "F32" && kind != "F64":
		return "bf16"
	}
	return "f32"
}
