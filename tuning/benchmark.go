package tuning

import (
	"math/rand/v2"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/flux"
	"reflectionflow/flux/nn"
)

// Stepper makes optimiser steps of a task one by one, without the loop's batches,
// records and checkpoints: for measuring, and for comparing with other
// implementations.
type Stepper struct {
	inner *stepper
	done  int
}

// NewStepper compiles the step of a task on the weights of store, to which it
// adds the optimiser's state. The task needs no Batch.
func NewStepper(backend compute.Backend, store *nn.Store, task Task, c Config) (*Stepper, error) {
	c = c.withDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	inner, err := newStepper(backend, store, task, c)
	if err != nil {
		return nil, err
	}
	return &Stepper{inner: inner}, nil
}

// Step makes one step from Config.Accumulate batches of the task's inputs and
// returns the loss before it.
func (s *Stepper) Step(batches ...[]*tensors.Tensor) (loss float64, err error) {
	means, _, err := s.inner.run(s.done, batches)
	if err != nil {
		return 0, err
	}
	s.done++
	return means[0], nil
}

// Close frees what was compiled.
func (s *Stepper) Close() { s.inner.close() }

// BenchmarkBase is the base stage's task at another batch and without its scenes:
// Batch gives noise in place of encoded pictures, beside the scenes' captions, at
// the model's own size, none of them drawn over a flawed one. It costs what the
// stage costs on such pictures and needs no preparation.
func BenchmarkBase(model *flux.Model, r Recipe, batch int) (Task, error) {
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
