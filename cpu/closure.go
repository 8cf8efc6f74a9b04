package cpu

import (
	"errors"
	"fmt"

	"github.com/gomlx/compute"
)

// Control flow and sorting run on the fallback backend, with everything inside their closures: the replay of such an
// operation rebuilds the closures around the values that they captured.

type sortAttr struct {
	axis   int
	stable bool
}

func (f *function) functions(fs ...compute.Function) ([]*function, error) {
	own := make([]*function, len(fs))
	for i, fn := range fs {
		o, ok := fn.(*function)
		if !ok || o == nil || o.builder != f.builder {
			return nil, errors.New("cpu: a function is from another computation or backend")
		}
		if o.outputs == nil {
			return nil, fmt.Errorf("cpu: the function %q has not returned", o.Name())
		}
		own[i] = o
	}
	return own, nil
}

// invoke calls the operation on fn with its functions already there.
func invoke(op compute.OpType, attr any, fn compute.Function, in []compute.Value, fs []compute.Function) ([]compute.Value, error) {
	switch op {
	case compute.OpTypeWhile:
		return fn.While(fs[0], fs[1], in...)
	case compute.OpTypeIf:
		return fn.If(in[0], fs[0], fs[1])
	case compute.OpTypeSort:
		a := attr.(sortAttr)
		return fn.Sort(fs[0], a.axis, a.stable, in...)
	default:
		return fn.Call(fs[0], in...)
	}
}

func (f *function) applyClosures(op compute.OpType, attr any, shadows []compute.Value, closures []*function) ([]compute.Value, error) {
	fs := make([]compute.Function, len(closures))
	for i, c := range closures {
		fs[i] = c.shadow
	}
	return invoke(op, attr, f.shadow, shadows, fs)
}

// control records an operation that calls functions.
func (f *function) control(op compute.OpType, attr any, values []compute.Value, fs ...compute.Function) ([]compute.Value, error) {
	closures, err := f.functions(fs...)
	if err != nil {
		return nil, err
	}
	count := len(values)
	replayed := func(fn compute.Function, in []compute.Value) ([]compute.Value, error) {
		built := make([]compute.Function, len(closures))
		rest := in[count:]
		for i, c := range closures {
			outside := c.captured()
			env := make(map[*node]compute.Value, len(outside)+len(c.nodes))
			for j, n := range outside {
				env[n] = rest[j]
			}
			rest = rest[len(outside):]
			var err error
			if built[i], err = c.rebuild(fn, env, op == compute.OpTypeCall, i); err != nil {
				return nil, err
			}
		}
		return invoke(op, attr, fn, in[:count], built)
	}
	nodes, err := f.apply(op, attr, replayed, values, closures...)
	if err != nil {
		return nil, err
	}
	return asValues(nodes), nil
}

// rebuild repeats the function inside another computation, as a closure of fn or as a function of its builder.
func (f *function) rebuild(fn compute.Function, env map[*node]compute.Value, named bool, index int) (compute.Function, error) {
	var target compute.Function
	var err error
	if named {
		target, err = fn.Builder().NewFunction(fmt.Sprintf("%s_%d", f.Name(), index))
	} else {
		target, err = fn.Closure()
	}
	if err != nil {
		return nil, err
	}
	for i, n := range f.nodes {
		if n.op == compute.OpTypeParameter {
			name := fmt.Sprintf("p%d", i)
			if env[n], err = target.Parameter(name, n.shape, nil); err != nil {
				return nil, err
			}
		} else if err := n.repeat(target, env); err != nil {
			return nil, err
		}
	}
	outputs := make([]compute.Value, len(f.outputs))
	for i, n := range f.outputs {
		outputs[i] = env[n]
	}
	return target, target.Return(outputs, nil)
}

// repeat applies the operation of the node to target and enters its results in env.
func (n *node) repeat(target compute.Function, env map[*node]compute.Value) error {
	if n.of != nil {
		return nil // entered together with the operation of all results
	}
	in := make([]compute.Value, len(n.operand))
	for i, o := range n.operand {
		in[i] = env[o]
	}
	out, err := n.replay(target, in)
	if err != nil {
		return err
	}
	if n.shape.Ok() {
		env[n] = out[0]
		return nil
	}
	for _, p := range n.fn.nodes[n.id+1 : n.id+1+len(out)] {
		env[p] = out[p.part]
	}
	return nil
}

func asValues(nodes []*node) []compute.Value {
	values := make([]compute.Value, len(nodes))
	for i, n := range nodes {
		values[i] = n
	}
	return values
}

// Call calls a named function of the same computation.
func (f *function) Call(fn compute.Function, inputs ...compute.Value) ([]compute.Value, error) {
	return f.control(compute.OpTypeCall, nil, inputs, fn)
}

// Sort sorts tensors along an axis by a comparator; see [compute.Function].
func (f *function) Sort(comparator compute.Function, axis int, stable bool, inputs ...compute.Value) ([]compute.Value, error) {
	return f.control(compute.OpTypeSort, sortAttr{axis, stable}, inputs, comparator)
}

// While repeats body as long as cond holds; see [compute.Function].
func (f *function) While(cond, body compute.Function, state ...compute.Value) ([]compute.Value, error) {
	return f.control(compute.OpTypeWhile, nil, state, cond, body)
}

// If executes one of two closures; see [compute.Function].
func (f *function) If(pred compute.Value, yes, no compute.Function) ([]compute.Value, error) {
	return f.control(compute.OpTypeIf, nil, []compute.Value{pred}, yes, no)
}
