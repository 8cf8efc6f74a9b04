package tuning

import (
	"github.com/gomlx/gomlx/core/graph"

	"reflectionflow/flux/nn"
)

// Prefixes of the tensors that training keeps in the store beside the weights.
const (
	emaPrefix   = "ema/"
	statePrefix = "state/"
)

// parameter is a trainable weight with its summed gradient, inside a graph.
type parameter struct {
	name        string
	value, grad *graph.Node
	decay       bool // weight decay applies: matrices and kernels, not biases and norms
	dims        []int
}

// optimizer builds one update: it returns new values by name, for the
// parameters and for its own state. rate is the scalar learning rate.
type optimizer func(s nn.Scope, params []parameter, rate *graph.Node) map[string]*graph.Node

// newOptimizer returns the optimiser that c names.
func newOptimizer(c Config) optimizer {
	switch c.Optimizer {
	case "prodigy":
		return prodigy(c)
	case "muon":
		return muon(c)
	}
	return adamW(c)
}

// state is a tensor of the optimiser's own, zero at first.
func state(s nn.Scope, kind string, p parameter) (string, *graph.Node) {
	name := statePrefix + kind + "/" + p.name
	return name, s.Weight(name, nn.InitZeros, p.dims...)
}

// scalar is a number of the optimiser's own.
func scalar(s nn.Scope, name string, first float32) (string, *graph.Node) {
	name = statePrefix + name
	return name, s.Weight(name, nn.InitConstant(first))
}
