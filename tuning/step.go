package tuning

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow"
	"reflectionflow/nn"
)

// stepper holds the two compiled parts of a training step: one computes the gradient of a
// batch, the other updates the weights from the batches' gradients.
type stepper struct {
	config    Config
	gradients gradients
	apply     *nn.Program
	outputs   int // number of outputs of gradients before the gradients
	trainable []string
}

func newStepper(backend compute.Backend, store *nn.Store, task Task, c Config) (*stepper, error) {
	if b, ok := backend.(interface{ Precision() string }); ok && b.Precision() != cmp.Or(c.Precision, "f32") {
		return nil, fmt.Errorf("%w: the training computes in %s, and the backend in %s", reflectionflow.ErrInvalid, cmp.Or(c.Precision, "f32"), b.Precision())
	}
	st := &stepper{config: c, outputs: 1 + len(task.Watched)}
	var err error
	if task.pieces != nil {
		var p *pieced
		if p, err = task.pieces(); err == nil {
			st.gradients, st.trainable = p, p.trainable
		}
	} else {
		var p *nn.Program
		p, st.trainable, err = compileGradients(backend, store, task, c)
		st.gradients = whole{p}
	}
	if err != nil {
		return nil, err
	}
	if err := st.keepStart(store); err != nil {
		return nil, err
	}
	inputs := []shapes.Shape{shapes.Make(dtypes.Float32), shapes.Make(dtypes.Float32)}
	for range c.Accumulate {
		for _, name := range st.trainable {
			inputs = append(inputs, shapes.Make(dtypes.Float32, store.Dims(name)...))
		}
	}
	st.apply, err = nn.Compile(backend, store, inputs, st.update, nn.Options{Seed: &c.Seed, Name: task.Name + " update"})
	return st, err
}

// compileGradients compiles the gradients of a task as one program.
func compileGradients(backend compute.Backend, store *nn.Store, task Task, c Config) (*nn.Program, []string, error) {
	var names []string
	p, err := nn.Compile(backend, store, task.Inputs, func(s nn.Scope, inputs []*Node) ([]*Node, map[string]*Node) {
		loss, watched := task.Loss(s, inputs)
		names = trainable(s.Used(), task)
		values := make([]*Node, len(names))
		for i, name := range names {
			values[i] = s.Node(name)
		}
		return append(append([]*Node{loss}, watched...), Gradient(loss, values...)...), nil
	}, nn.Options{Seed: &c.Seed, Name: task.Name + " gradients"})
	return p, names, err
}

func trainable(used []string, task Task) []string {
	var names []string
	for _, name := range used {
		if task.Trainable(name) {
			names = append(names, name)
		}
	}
	return names
}

// keepStart stores the initial weights that Prodigy measures its distance from, and
// initializes the moving averages.
func (st *stepper) keepStart(store *nn.Store) error {
	for _, name := range st.trainable {
		for _, prefix := range []string{emaPrefix, statePrefix + "p0/"} {
			if store.Has(prefix+name) || (prefix != emaPrefix && st.config.Optimizer != "prodigy") {
				continue
			}
			values, err := store.Values(name)
			if err != nil {
				return err
			}
			store.Set(prefix+name, values, store.Dims(name)...)
		}
	}
	return nil
}

// update averages the batches' gradients, clips the mean by its global norm, applies the
// optimizer and updates the moving averages. Its inputs are the learning rate, the decay of the
// averages and the gradients of every batch; its output is the norm before clipping.
func (st *stepper) update(s nn.Scope, inputs []*Node) ([]*Node, map[string]*Node) {
	rate, decay, grads := inputs[0], inputs[1], inputs[2:]
	params := make([]parameter, len(st.trainable))
	squares := ScalarZero(s.Graph(), dtypes.Float32)
	for i, name := range st.trainable {
		value, _ := s.Stored(name)
		grad := grads[i]
		for batch := 1; batch < st.config.Accumulate; batch++ {
			grad = Add(grad, grads[batch*len(params)+i])
		}
		grad = DivScalar(grad, float64(st.config.Accumulate))
		squares = Add(squares, ReduceAllSum(Square(grad)))
		dims := value.Shape().Dimensions
		params[i] = parameter{name: name, value: value, grad: grad, dims: dims, decay: len(dims) > 1}
	}
	norm := Sqrt(squares)
	scale := Min(ScalarOne(s.Graph(), dtypes.Float32), Div(Scalar(s.Graph(), dtypes.Float32, st.config.Clip), AddScalar(norm, 1e-6)))
	for i := range params {
		params[i].grad = Mul(params[i].grad, scale)
	}
	updates := newOptimizer(st.config)(s, params, rate)
	for _, p := range params {
		average, _ := s.Stored(emaPrefix + p.name)
		updates[emaPrefix+p.name] = Add(Mul(average, decay), Mul(updates[p.name], OneMinus(decay)))
	}
	return []*Node{norm}, updates
}

// run makes one step from its batches, which are computed in parallel. It returns the loss and
// the watched values, averaged over the batches, and the norm of the gradient.
func (st *stepper) run(ctx context.Context, step int, batches [][]*tensors.Tensor) (means []float64, norm float64, err error) {
	results, errs := make([][]*tensors.Tensor, len(batches)), make([]error, len(batches))
	var running sync.WaitGroup
	for i, batch := range batches {
		running.Go(func() { results[i], errs[i] = st.gradients.Run(ctx, batch...) })
	}
	running.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, 0, err
	}
	rate, decay := st.config.rate(step), st.config.emaDecay(step)
	inputs := []*tensors.Tensor{tensors.FromScalar(float32(rate)), tensors.FromScalar(float32(decay))}
	means = make([]float64, st.outputs)
	for _, result := range results {
		for i, output := range result[:st.outputs] {
			means[i] += float64(tensors.ToScalar[float32](output)) / float64(len(batches))
		}
		inputs = append(inputs, result[st.outputs:]...)
	}
	outputs, err := st.apply.Run(inputs...)
	if err != nil {
		return nil, 0, err
	}
	for _, result := range inputs {
		result.FinalizeAll() //nolint:errcheck // the garbage collector frees what is left
	}
	norm = float64(tensors.ToScalar[float32](outputs[0]))
	if !(norm < 1e30) {
		return nil, 0, fmt.Errorf("step %d: the gradient's norm is %v: the loss diverged: lower the learning rate", step+1, norm)
	}
	return means, norm, nil
}

func (st *stepper) close() {
	st.gradients.Close()
	st.apply.Close()
}
