package nn

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/support/exceptions"

	"reflectionflow"
)

// Func builds a computation from a scope and the program's inputs. Besides outputs it
// may return updates: new values for tensors of the store, by full name.
type Func func(s Scope, inputs []*graph.Node) (outputs []*graph.Node, updates map[string]*graph.Node)

// Options say how a program is compiled.
type Options struct {
	// Seed, if not nil, seeds the initial values of weights that the store lacks. It
	// makes the program one that trains.
	Seed *uint64
	// Name appears in errors.
	Name string
}

// Program is a compiled computation bound to a store. Programs without updates
// may run from several goroutines at once.
type Program struct {
	name    string
	graph   *graph.Graph
	backend compute.Backend // of the buffers
	store   *Store
	inputs  []shapes.Shape
	weights []string        // parameters after the inputs, in order
	updates []string        // store names of the outputs after nOutputs
	donated []bool          // by weight: replaced by an update, so its buffer may be reused
	dtypes  []dtypes.DType  // by weight: of the parameter
	whole   map[string]bool // weights that are read as a whole, and not by rows that inputs choose
	outputs int
	mu      sync.Mutex // held by a run with updates
}

// Compile builds fn for inputs of the given shapes and compiles it.
func Compile(backend compute.Backend, store *Store, inputs []shapes.Shape, fn Func, opts Options) (*Program, error) {
	p := &Program{name: opts.Name, backend: backend, store: store, inputs: inputs, whole: map[string]bool{}}
	if n, ok := backend.(*narrowing); ok {
		p.backend = n.Backend
	}
	err := exceptions.TryCatch[error](func() { p.build(graph.NewGraph(backend, p.name), fn, opts) })
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", p.name, oneLine(err))
	}
	return p, nil
}

func (p *Program) build(g *graph.Graph, fn Func, opts Options) {
	nodes := make([]*graph.Node, len(p.inputs))
	for i, shape := range p.inputs {
		nodes[i] = graph.Parameter(g, fmt.Sprintf("input %d", i), shape)
	}
	b := newBinding(p.store, opts.Seed)
	b.graph = g
	outputs, updates := fn(Scope{binding: b}, nodes)
	p.graph, p.weights, p.outputs = g, b.names, len(outputs)
	p.updates = slices.Sorted(maps.Keys(updates))
	outputs = slices.Clone(outputs)
	for _, name := range p.updates {
		outputs = append(outputs, updates[name])
	}
	for _, name := range p.weights {
		_, found := slices.BinarySearch(p.updates, name)
		dtype := b.parameters[name].DType()
		p.dtypes = append(p.dtypes, dtype)
		if found && dtype == dtypes.BFloat16 {
			panic(fmt.Errorf("weight %q is bfloat16: a program that updates it needs a seed", name))
		}
		p.donated = append(p.donated, found)
		if !b.lookups[name] {
			p.whole[name] = true
		}
	}
	if err := g.Compile(outputs...); err != nil {
		panic(err)
	}
}

// Renamed returns the compiled program on other weights of the same shapes, such as those of another block: rename gives
// their names in the store. It must not be used after p is closed, and needs no Close. A weight that the store lacks, or
// has in another shape or type, is an error.
func (p *Program) Renamed(rename func(name string) string) (*Program, error) {
	if len(p.updates) > 0 {
		return nil, fmt.Errorf("rename the weights of %s: the program has updates", p.name)
	}
	other := &Program{
		name: p.name, graph: p.graph, backend: p.backend, store: p.store, inputs: p.inputs, donated: p.donated, dtypes: p.dtypes, outputs: p.outputs,
		whole: map[string]bool{},
	}
	for i, old := range p.weights {
		name := rename(old)
		if have, want := p.store.Dims(name), p.store.Dims(old); !slices.Equal(have, want) {
			return nil, fmt.Errorf("%w: weight %q has shape %v, want %v as %q", reflectionflow.ErrInvalid, name, have, want, old)
		}
		if w := p.store.borrowed[name]; p.dtypes[i] == dtypes.BFloat16 && (w == nil || w.shape.DType != dtypes.BFloat16) {
			return nil, fmt.Errorf("%w: weight %q is not stored in bfloat16, as %q is", reflectionflow.ErrInvalid, name, old)
		}
		other.weights = append(other.weights, name)
	}
	for old := range p.whole {
		other.whole[rename(old)] = true
	}
	return other, nil
}

// Run executes the program on inputs of the compiled shapes and returns its
// outputs; updates are written to the store.
func (p *Program) Run(inputs ...*tensors.Tensor) ([]*tensors.Tensor, error) {
	if len(p.updates) > 0 {
		p.mu.Lock()
		defer p.mu.Unlock()
	}
	if err := p.check(inputs); err != nil {
		return nil, err
	}
	if _, direct := p.backend.(lender); !direct { // which checks a weight when it comes to it
		if err := p.store.checkOnce(slices.Collect(maps.Keys(p.whole))); err != nil {
			return nil, fmt.Errorf("run %s: %w", p.name, err)
		}
	}
	var outputs []*tensors.Tensor
	err := exceptions.TryCatch[error](func() { outputs = p.run(inputs) })
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", p.name, oneLine(err))
	}
	for i, name := range p.updates {
		p.store.put(name, outputs[p.outputs+i])
	}
	return outputs[:p.outputs], nil
}

func (p *Program) check(inputs []*tensors.Tensor) error {
	if len(inputs) != len(p.inputs) {
		return fmt.Errorf("run %s: %d inputs, want %d", p.name, len(inputs), len(p.inputs))
	}
	for i, t := range inputs {
		if !t.Shape().Equal(p.inputs[i]) {
			return fmt.Errorf("run %s: input %d has shape %s, want %s", p.name, i, t.Shape(), p.inputs[i])
		}
	}
	return nil
}

func (p *Program) run(inputs []*tensors.Tensor) []*tensors.Tensor {
	n := len(inputs) + len(p.weights)
	buffers, donate := make([]compute.Buffer, 0, n), make([]bool, n)
	for _, t := range inputs {
		buffers = append(buffers, must(t.Buffer(p.backend, 0)))
	}
	for i, name := range p.weights {
		if !p.donated[i] {
			buffers = append(buffers, must(p.store.buffer(name, place{p.backend, p.dtypes[i], p.whole[name]})))
			continue
		}
		if err := p.store.own(name); err != nil {
			panic(err)
		}
		buffers = append(buffers, must(p.store.tensors[name].DonateBuffer(p.backend, 0)))
		donate[len(inputs)+i] = true
	}
	return p.graph.RunWithBuffers(buffers, donate, 0)
}

// Memory returns the bytes that a run takes besides the weights, its inputs and its outputs, as far as the backend says:
// package cpu does, and 0 is no answer.
func (p *Program) Memory() int {
	if e, ok := p.graph.Executable().(interface{ Memory() int }); ok {
		return e.Memory()
	}
	return 0
}

// Inputs returns the shapes of what Run takes.
func (p *Program) Inputs() []shapes.Shape { return slices.Clone(p.inputs) }

// Outputs returns the shapes of what Run returns.
func (p *Program) Outputs() []shapes.Shape {
	return slices.Clone(p.graph.Executable().Outputs()[:p.outputs])
}

// Close frees the compiled program.
func (p *Program) Close() { p.graph.Finalize() }

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// oneLine drops the stack trace that GoMLX attaches to its errors. Errors that wrap
// [reflectionflow.ErrInvalid] have none.
func oneLine(err error) error {
	if unfit, ok := errors.AsType[unfitError](err); ok {
		return unfit.error
	}
	if errors.Is(err, reflectionflow.ErrInvalid) {
		return err
	}
	return fmt.Errorf("%s", err.Error())
}
