package tuning

import (
	"context"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/flux/nn"
)

// Task is what a run learns.
type Task struct {
	Name string
	// Inputs are the shapes of one batch.
	Inputs []shapes.Shape
	// Loss builds the scalar to be minimised, and further scalars worth watching.
	Loss func(s nn.Scope, inputs []*graph.Node) (loss *graph.Node, watched []*graph.Node)
	// Watched names those scalars.
	Watched []string
	// Trainable says which weights learn; the others stay as they are and are not
	// part of a checkpoint.
	Trainable func(name string) bool
	// Batch makes the inputs of one gradient. It depends on index alone, which
	// counts gradients from 0; it is called from several goroutines at once.
	Batch func(index uint64) ([]*tensors.Tensor, error)
	// Sample, when set, draws pictures with the averaged weights into the file
	// path (PNG) and may return measurements by name.
	Sample func(ctx context.Context, averaged *nn.Store, path string) (map[string]float64, error)
}

// Progress is one step of a run, for a display and for the record of metrics.
type Progress struct {
	Step    int                `json:"step"` // steps done
	Steps   int                `json:"steps"`
	Loss    float64            `json:"loss"`
	Norm    float64            `json:"gradient_norm"` // before clipping
	Rate    float64            `json:"learning_rate"`
	Watched map[string]float64 `json:"watched,omitempty"`
	Sampled map[string]float64 `json:"sampled,omitempty"` // what Task.Sample measured at this step
}
