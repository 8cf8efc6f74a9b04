package tuning

import (
	"context"
	"math/rand/v2"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/nn"
)

// Stepper makes single optimizer steps of a task, without the batches, records and
// checkpoints of [Run]. It is for benchmarks and comparisons with other implementations.
type Stepper struct {
	inner *stepper
	done  int
}

// NewStepper compiles the step of a task on the weights of store, and adds the optimizer's
// state to store. It computes in the backend's precision. The task needs no Batch. An invalid configuration is an error wrapping
// [reflectionflow.ErrInvalid].
func NewStepper(backend compute.Backend, store *nn.Store, task Task, c Config) (*Stepper, error) {
	c = c.withDefaults()
	if b, ok := backend.(interface{ Precision() string }); ok {
		c.Precision = b.Precision()
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	inner, err := newStepper(backend, store, task, c)
	if err != nil {
		return nil, err
	}
	return &Stepper{inner: inner}, nil
}

// Step makes one optimizer step from Config.Accumulate batches of the task's inputs, and
// returns the loss before it.
func (s *Stepper) Step(batches ...[]*tensors.Tensor) (loss float64, err error) {
	means, _, err := s.inner.run(context.Background(), s.done, batches)
	if err != nil {
		return 0, err
	}
	s.done++
	return means[0], nil
}

// Close frees the compiled programs.
func (s *Stepper) Close() { s.inner.close() }

// BenchmarkBase returns the task of the base stage at the model's own size and another batch
// size, with noise instead of encoded images. It has the cost of the stage without the
// flawed images, and needs no preparation.
func BenchmarkBase(model *flux1.Model, r Recipe, batch int) (Task, error) {
	data, err := newCaptioned(r)
	if err != nil {
		return Task{}, err
	}
	unit := 2 * model.Folder.VAE.Factor()
	task := flowTask(model, flux.Grid{Rows: model.Settings.Height / unit, Cols: model.Settings.Width / unit}, batch, 0)
	task.Batch = func(index uint64) ([]*tensors.Tensor, error) {
		rng := rand.New(rand.NewPCG(r.Base.Train.Seed, index))
		text := newTexts(model, batch)
		for i := range batch {
			text.add(data.caption(i, rng))
		}
		return flowBatch(rng, normal(rng, task.Inputs[0].Dimensions...), text, r.Base.Timestep), nil
	}
	return task, nil
}
