package config

import (
	"fmt"
	"slices"
	"strings"

	"reflectionflow"
)

// Auto is the precision that a model's weights choose.
const Auto = "auto"

// Precisions are those that can be asked for, in the order of documentation.
func Precisions() []string { return []string{"f32", "bf16", "int8", Auto} }

// Compute joins a backend and a precision to the name that networks are opened with: cpu and
// bf16 make "cpu:bf16". An empty precision is f32, no backend is the CPU, and auto is f32: it is
// for the weights of a generator, which replace it by another one.
func Compute(backend, precision string) string {
	if precision == "" || precision == "f32" || precision == Auto {
		return backend
	}
	if backend == "" {
		backend = "cpu"
	}
	return backend + ":" + precision
}

// SplitCompute checks a backend and a precision. Older records and configurations have the
// precision in the backend, as "cpu:bf16": it becomes the precision. Errors wrap
// [reflectionflow.ErrInvalid].
func SplitCompute(backend, precision string) (string, string, error) {
	for _, name := range Precisions() {
		rest, cut := strings.CutSuffix(backend, ":"+name)
		if !cut {
			continue
		}
		if precision != "" && precision != name {
			return "", "", fmt.Errorf("%w: the backend %q has another precision than %q: leave it out of the backend", reflectionflow.ErrInvalid, backend, precision)
		}
		backend, precision = rest, name
	}
	if precision != "" && !slices.Contains(Precisions(), precision) {
		return "", "", fmt.Errorf("%w: unknown precision %q: use %s", reflectionflow.ErrInvalid, precision, strings.Join(Precisions(), ", "))
	}
	return backend, precision, nil
}
