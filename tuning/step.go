package tuning

import (
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/flux/nn"
)

// stepper holds the two compiled halves of a training step: one adds a batch's
// gradient to the sum, the other turns the sum into new weights.
type stepper struct {
	config    Config
	gradients *nn.Program
	apply     *nn.Program
	trainable []string
}

func newStepper(backend compute.Backend, store *nn.Store, task Task, c Config) (*stepper, error) {
	st := &stepper{config: c}
	var err error
	st.gradients, err = nn.Compile(backend, store, task.Inputs, func(s nn.Scope, inputs []*Node) ([]*Node, map[string]*Node) {
		loss, watched := task.Loss(s, inputs)
		st.trainable = trainable(s.Used(), task)
		return append([]*Node{loss}, watched...), st.sum(s, loss)
	}, nn.Options{Seed: &c.Seed, Name: task.Name + " gradients"})
	if err != nil {
		return nil, err
	}
	if err := st.keepStart(store); err != nil {
		return nil, err
	}
	scalarShape := shapes.Make(dtypes.Float32)
	st.apply, err = nn.Compile(backend, store, []shapes.Shape{scalarShape, scalarShape}, st.update,
		nn.Options{Seed: &c.Seed, Name: task.Name + " update"})
	return st, err
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

// sum adds the gradient of loss to what the step has summed up so far.
func (st *stepper) sum(s nn.Scope, loss *Node) map[string]*Node {
	values := make([]*Node, len(st.trainable))
	for i, name := range st.trainable {
		values[i] = s.Node(name)
	}
	updates := map[string]*Node{}
	for i, grad := range Gradient(loss, values...) {
		name := gradPrefix + st.trainable[i]
		updates[name] = Add(s.Weight(name, nn.InitZeros, values[i].Shape().Dimensions...), grad)
	}
	return updates
}

// keepStart keeps the weights that Prodigy measures its distance from, and
// starts the moving average.
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

// update clips the summed gradient by its global norm, applies the optimiser
// and moves the average. Inputs: learning rate, averaging decay. Output: the norm.
func (st *stepper) update(s nn.Scope, inputs []*Node) ([]*Node, map[string]*Node) {
	rate, decay := inputs[0], inputs[1]
	params := make([]parameter, len(st.trainable))
	squares := ScalarZero(s.Graph(), dtypes.Float32)
	for i, name := range st.trainable {
		value, _ := s.Stored(name)
		grad, _ := s.Stored(gradPrefix + name)
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
		updates[gradPrefix+p.name] = ZerosLike(p.grad)
	}
	return []*Node{norm}, updates
}

// run makes one step from its batches and returns loss, watched values (both
// averaged over the batches) and the gradient's norm.
func (st *stepper) run(step int, batches [][]*tensors.Tensor) (means []float64, norm float64, err error) {
	for _, batch := range batches {
		outputs, err := st.gradients.Run(batch...)
		if err != nil {
			return nil, 0, err
		}
		if means == nil {
			means = make([]float64, len(outputs))
		}
		for i, output := range outputs {
			means[i] += float64(tensors.ToScalar[float32](output)) / float64(len(batches))
		}
	}
	rate, decay := st.config.rate(step), st.config.averaging(step)
	outputs, err := st.apply.Run(tensors.FromScalar(float32(rate)), tensors.FromScalar(float32(decay)))
	if err != nil {
		return nil, 0, err
	}
	norm = float64(tensors.ToScalar[float32](outputs[0]))
	if !(norm < 1e30) {
		return nil, 0, fmt.Errorf("step %d: the gradient's norm is %v: the loss diverged, lower the learning rate", step+1, norm)
	}
	return means, norm, nil
}

func (st *stepper) close() {
	st.gradients.Close()
	st.apply.Close()
}
