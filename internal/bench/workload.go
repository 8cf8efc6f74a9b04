package bench

import (
	"fmt"
	"io/fs"
	"math/rand/v2"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/nn"
	"reflectionflow/tuning"
)

// subject is the measured model.
type subject struct {
	files  fs.FS
	recipe tuning.Recipe
}

// load reads the model once per backend: a store's tensors belong to one.
func (s subject) load() (*flux1.Model, error) {
	folder, err := flux1.OpenFolderFS(s.files)
	if err != nil {
		return nil, err
	}
	return flux1.LoadModel(folder, nil)
}

// Job is a compiled workload on a backend.
type Job struct {
	Run   func() error // one execution
	Close func()
}

// workload is one of the model's graphs.
type workload struct {
	name, what string // what one execution does
	batch      int    // the usual one
	open       func(b compute.Backend, m *flux1.Model, batch int) (Job, error)
}

// request returns a request for an image of the model's usual size.
func request(m *flux1.Model) reflectionflow.Request {
	s := m.Settings
	return reflectionflow.Request{Width: s.Width, Height: s.Height, Steps: s.Steps, Guidance: max(s.Guidance, 2)}
}

func (s subject) forward() workload {
	return workload{"forward", "one guided denoising step", 1, func(b compute.Backend, m *flux1.Model, batch int) (Job, error) {
		program, err := flux.NewPipeline(b, m, flux.Options{Lanes: batch}).StepProgram(request(m))
		return programJob(program, err)
	}}
}

func (s subject) decode() workload {
	return workload{"vae_decode", "one image decoded", 1, func(b compute.Backend, m *flux1.Model, batch int) (Job, error) {
		program, err := flux.NewPipeline(b, m, flux.Options{Lanes: batch}).DecodeProgram(request(m))
		return programJob(program, err)
	}}
}

// programJob runs a program on random inputs.
func programJob(program *nn.Program, err error) (Job, error) {
	if err != nil {
		return Job{}, err
	}
	var inputs []*tensors.Tensor
	for i, shape := range program.Inputs() {
		inputs = append(inputs, randomTensor(uint64(i), shape))
	}
	return Job{Close: program.Close, Run: func() error {
		outputs, err := program.Run(inputs...)
		return free(outputs, err)
	}}, nil
}

// train is the base stage's step: gradients of transformer and text encoders, clip,
// AdamW and moving average. A recipe's accumulated batches are one batch here.
func (s subject) train() workload {
	c := s.recipe.Base.Train
	return workload{"train", "one training step of the base", c.Batch * max(c.Accumulate, 1), func(b compute.Backend, m *flux1.Model, batch int) (Job, error) {
		task, err := tuning.BenchmarkBase(m, s.recipe, batch)
		if err != nil {
			return Job{}, err
		}
		c := c
		c.Batch, c.Accumulate = batch, 1
		c.LearningRate *= 1e-3 // many steps on noise are to leave the weights sound
		stepper, err := tuning.NewStepper(b, m.Store, task, c)
		if err != nil {
			return Job{}, err
		}
		inputs, err := task.Batch(0)
		if err != nil {
			return Job{}, err
		}
		return Job{Close: stepper.Close, Run: func() error {
			_, err := stepper.Step(inputs)
			return err
		}}, nil
	}}
}

// flop counts the work of one execution at a batch.
func (s subject) flop(w workload, oracle compute.Backend, batch int) (float64, error) {
	m, err := s.load()
	if err != nil {
		return 0, err
	}
	counting := &counter{Backend: oracle}
	j, err := w.open(counting, m, batch)
	if err != nil {
		return 0, fmt.Errorf("count the work of %s: %w", w.name, err)
	}
	j.Close()
	return counting.flop, nil
}

// free gives outputs back.
func free(outputs []*tensors.Tensor, err error) error {
	if err != nil {
		return err
	}
	for _, t := range outputs {
		if err := t.FinalizeAll(); err != nil {
			return err
		}
	}
	return nil
}

// randomTensor is normal numbers; of a vector, such as noise levels, all are 0.5.
func randomTensor(seed uint64, shape shapes.Shape) *tensors.Tensor {
	rng := rand.New(rand.NewPCG(seed, 1))
	values := make([]float32, shape.Size())
	for i := range values {
		if shape.Rank() == 1 {
			values[i] = 0.5
		} else {
			values[i] = float32(rng.NormFloat64())
		}
	}
	if shape.DType == dtypes.BFloat16 {
		return tensors.FromFlatDataAndDimensions(bfloat16.FromFloat32s(values...), shape.Dimensions...)
	}
	return tensors.FromFlatDataAndDimensions(values, shape.Dimensions...)
}
