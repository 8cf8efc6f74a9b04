package tuning

import (
	"github.com/gomlx/gomlx/core/graph"

	"reflectionflow/nn"
)

// The prefixes of training state in the store.
const (
	emaPrefix   = "ema/"
	statePrefix = "state/"
)

// parameter is a trainable weight in a graph with its gradient.
type parameter struct {
	name        string
	value, grad *graph.Node
	decay       bool // weight decay applies: to matrices and kernels, not to biases and norms
	dims        []int
}

// optimizer builds one update. It returns new values by name for the parameters and its own
// state. rate is the learning rate, a scalar.
type optimizer func(s nn.Scope, params []parameter, rate *graph.Node) map[string]*graph.Node

// newOptimizer returns the optimizer that c names.
func newOptimizer(c Config) optimizer {
	switch c.Optimizer {
	case "prodigy":
		return prodigy(c)
	case "muon":
		return muon(c)
	}
	return adamW(c)
}

// state is a tensor of the optimizer's state, zero at first.
func state(s nn.Scope, kind string, p parameter) (string, *graph.Node) {
	name := statePrefix + kind + "/" + p.name
	return name, s.Weight(name, nn.InitZeros, p.dims...)
}

// scalar is a number of the optimizer's state.
func scalar(s nn.Scope, name string, first float32) (string, *graph.Node) {
	name = statePrefix + name
	return name, s.Weight(name, nn.InitConstant(first))
}
