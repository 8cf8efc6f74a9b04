package main

import (
	"errors"
	"math/rand/v2"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/flux"
	"reflectionflow/flux/flux1"
	"reflectionflow/internal/bench"
	clipartmodel "reflectionflow/models/clipart"
	"reflectionflow/nn"
	"reflectionflow/tuning"
	"reflectionflow/weights/safetensors"
)

// training configures the optimiser, which tools/bench/pytorch.py repeats: AdamW after a clip by
// the global norm, and a moving average of the weights.
var training = tuning.Config{
	Steps: 1 << 30, LearningRate: 1e-4, FinalRate: 1, Beta1: 0.9, Beta2: 0.99, WeightDecay: 0.01, Clip: 1, EMA: 0.99, Seed: 1,
}

// checkedSteps is the number of training steps whose losses check writes.
const checkedSteps = 4

// network is the embedded model's transformer at a batch.
type network struct {
	model  *flux1.Model
	grid   flux.Grid
	names  []string
	inputs []*tensors.Tensor // latents, text, pooled, timestep, target
}

func newNetwork(batch int) (*network, error) {
	folder, err := flux1.OpenFolderFS(clipartmodel.Files)
	if err != nil {
		return nil, err
	}
	m, err := flux1.LoadModel(folder, nil)
	if err != nil {
		return nil, err
	}
	p, s, unit := folder.Transformer, m.Settings, 2*folder.VAE.Factor()
	n := &network{model: m, grid: flux.Grid{Rows: s.Height / unit, Cols: s.Width / unit}}
	n.names = []string{"latents", "text", "pooled", "timestep", "target"}
	for i, dims := range [][]int{
		{batch, n.grid.Tokens(), p.InChannels},
		{batch, s.TextLength, p.JointAttentionDim},
		{batch, p.PooledProjectionDim},
		{batch},
		{batch, n.grid.Tokens(), p.InChannels},
	} {
		n.inputs = append(n.inputs, random(uint64(i), dims))
	}
	return n, nil
}

// random returns normal numbers or, for timesteps, which have one axis, numbers in [0, 1).
func random(seed uint64, dims []int) *tensors.Tensor {
	rng := rand.New(rand.NewPCG(seed, 2))
	values := make([]float32, shapes.Make(dtypes.Float32, dims...).Size())
	for i := range values {
		if len(dims) == 1 {
			values[i] = rng.Float32()
		} else {
			values[i] = float32(rng.NormFloat64())
		}
	}
	return tensors.FromFlatDataAndDimensions(values, dims...)
}

func (n *network) shapes() []shapes.Shape {
	given := make([]shapes.Shape, len(n.inputs))
	for i, t := range n.inputs {
		given[i] = t.Shape()
	}
	return given
}

func (n *network) velocity(s nn.Scope, in []*graph.Node) *graph.Node {
	return flux1.Transformer(s.In(flux1.TransformerPrefix), n.model.Folder.Transformer, flux1.Inputs{
		Latents: in[0], Grid: n.grid, Text: in[1], Pooled: in[2], Timestep: in[3],
	})
}

func (n *network) forward(b compute.Backend) (*nn.Program, error) {
	return nn.Compile(b, n.model.Store, n.shapes(), func(s nn.Scope, in []*graph.Node) ([]*graph.Node, map[string]*graph.Node) {
		return []*graph.Node{n.velocity(s, in)}, nil
	}, nn.Options{Name: "transformer"})
}

// stepper minimises the mean squared error of the velocity against the target.
func (n *network) stepper(b compute.Backend) (*tuning.Stepper, error) {
	c := training
	c.Batch = n.inputs[0].Shape().Dim(0)
	return tuning.NewStepper(b, n.model.Store, tuning.Task{
		Name: "transformer", Inputs: n.shapes(),
		Loss: func(s nn.Scope, in []*graph.Node) (*graph.Node, []*graph.Node) {
			return graph.ReduceAllMean(graph.Square(graph.Sub(n.velocity(s, in), in[4]))), nil
		},
		Trainable: func(name string) bool { return strings.HasPrefix(name, flux1.TransformerPrefix+".") },
	}, c)
}

func forward(b compute.Backend, batch int) (bench.Job, error) {
	n, err := newNetwork(batch)
	if err != nil {
		return bench.Job{}, err
	}
	program, err := n.forward(b)
	if err != nil {
		return bench.Job{}, err
	}
	return bench.Job{Close: program.Close, Run: func() error {
		out, err := program.Run(n.inputs...)
		if err != nil {
			return err
		}
		return out[0].FinalizeAll()
	}}, nil
}

func train(b compute.Backend, batch int) (bench.Job, error) {
	n, err := newNetwork(batch)
	if err != nil {
		return bench.Job{}, err
	}
	stepper, err := n.stepper(b)
	if err != nil {
		return bench.Job{}, err
	}
	return bench.Job{Close: stepper.Close, Run: func() error {
		_, err := stepper.Step(n.inputs)
		return err
	}}, nil
}

// check writes the inputs, the network's output and the losses of the first
// training steps to a safetensors file.
func check(b compute.Backend, batch int, path string) error {
	n, err := newNetwork(batch)
	if err != nil {
		return err
	}
	program, err := n.forward(b)
	if err != nil {
		return err
	}
	defer program.Close()
	out, err := program.Run(n.inputs...)
	if err != nil {
		return err
	}
	stepper, err := n.stepper(b)
	if err != nil {
		return err
	}
	defer stepper.Close()
	losses := make([]float32, checkedSteps)
	for i := range losses {
		loss, err := stepper.Step(n.inputs)
		if err != nil {
			return err
		}
		losses[i] = float32(loss)
	}
	names := append(n.names, "velocity", "losses")
	var written []safetensors.Tensor
	for i, t := range append(n.inputs, out[0], tensors.FromValue(losses)) {
		values, err := tensors.CopyFlatData[float32](t)
		if err != nil {
			return errors.Join(errors.New(names[i]), err)
		}
		written = append(written, safetensors.Tensor{
			Name: names[i], Shape: t.Shape().Dimensions, DType: safetensors.F32,
			Load: func() ([]float32, error) { return values, nil },
		})
	}
	return safetensors.Write(path, written, nil)
}
