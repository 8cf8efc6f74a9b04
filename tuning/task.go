package tuning

import (
	"context"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/nn"
)

// Task is what [Run] trains.
type Task struct {
	Name string
	// Inputs are the shapes of one batch.
	Inputs []shapes.Shape
	// Loss builds the scalar to minimize, and further scalars to watch.
	Loss func(s nn.Scope, inputs []*graph.Node) (loss *graph.Node, watched []*graph.Node)
	// Watched names the further scalars.
	Watched []string
	// Trainable reports whether a weight is trained. Other weights do not change and are not part
	// of a checkpoint.
	Trainable func(name string) bool
	// Batch makes the inputs of one gradient. It depends on index alone, which counts gradients
	// from 0, and is called from several goroutines.
	Batch func(index uint64) ([]*tensors.Tensor, error)
	// Sample, if set, saves images of the averaged weights as PNG in the file path, and may
	// return measurements by name.
	Sample func(ctx context.Context, averaged *nn.Store, path string) (map[string]float64, error)

	// pieces, if set, compiles the gradients of a denoiser that is too large for one
	// program; Loss and Inputs are then not used.
	pieces func() (*pieced, error)
}

// Progress is one step of a run, for displays and metrics.jsonl.
type Progress struct {
	Step    int                `json:"step"` // steps done
	Steps   int                `json:"steps"`
	Loss    float64            `json:"loss"`
	Norm    float64            `json:"gradient_norm"` // before clipping
	Rate    float64            `json:"learning_rate"`
	Watched map[string]float64 `json:"watched,omitempty"`
	Sampled map[string]float64 `json:"sampled,omitempty"` // measurements of Task.Sample at this step
}
