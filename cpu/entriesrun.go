package cpu

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
)

// batchProgram is a graph that is divided by the entries of a batch. It implements [compute.Executable] and can run several
// times at once.
type batchProgram struct {
	signature
	batch   int
	divided []bool   // by parameter of entry
	before  *program // computes what entry reads behind the parameters; nil if that is nothing
	entry   *program // runs once for every entry
}

var _ compute.Executable = (*batchProgram)(nil)

// compile compiles both programs.
func (e *entries) compile(b *builder) (*batchProgram, error) {
	f := b.main
	g := e.graph(f)
	p := &batchProgram{signature: signature{backend: b.backend, name: b.Name(), names: f.names}, batch: e.batch}
	for _, n := range slices.Concat(f.params, g.found) {
		p.divided = append(p.divided, e.divided(n))
	}
	for _, n := range f.params {
		p.inputs = append(p.inputs, n.shape)
	}
	for _, n := range f.outputs {
		p.outputs = append(p.outputs, n.shape)
	}
	var err error
	if len(g.found) > 0 {
		if p.before, err = compileFunction(b, &function{builder: b, nodes: f.nodes, params: f.params, names: f.names, outputs: g.found}); err != nil {
			return nil, err
		}
		b.backend.steps.add(p.before.steps)
	}
	if p.entry, err = compileFunction(b, g.to); err != nil {
		return nil, err
	}
	b.backend.steps.add(p.entry.steps)
	return p, nil
}

// Finalize frees the memory of the program.
func (p *batchProgram) Finalize() { p.before, p.entry = nil, nil }

// Memory returns the bytes that an execution takes, besides its inputs, its results and the scratch memory of the workers.
func (p *batchProgram) Memory() int {
	bytes := min(p.batch, runtime.GOMAXPROCS(0)) * p.entry.arena
	if p.before == nil {
		return bytes
	}
	values := 0
	for _, shape := range p.before.outputs {
		values += byteSize(shape)
	}
	return values + max(bytes, p.before.arena)
}

// Execute runs the program. It may be called from several goroutines at once.
func (p *batchProgram) Execute(inputs []compute.Buffer, donate []bool, device compute.DeviceNum) ([]compute.Buffer, error) {
	if p.entry == nil {
		return nil, fmt.Errorf("cpu: execute %q: the executable is finalized", p.name)
	}
	return p.execute(inputs, donate, device, p.run)
}

// run computes the results of all entries.
func (p *batchProgram) run(inputs, results []*buffer) error {
	all := slices.Clone(inputs)
	if p.before != nil {
		found := p.before.newResults()
		defer func() {
			for _, u := range found {
				_ = u.Finalize()
			}
		}()
		if err := p.before.run(inputs, found); err != nil {
			return err
		}
		all = append(all, found...)
	}
	release, err := p.expand(all)
	defer release()
	if err != nil {
		return err
	}
	failed := make([]error, p.batch)
	p.backend.pool.runExecutions(p.batch, func(entry int) {
		own := slices.Clone(all)
		for i, u := range own {
			if p.divided[i] {
				own[i] = u.part(p.entry.inputs[i], entry)
			}
		}
		into := make([]*buffer, len(results))
		for i, u := range results {
			into[i] = u.part(p.entry.outputs[i], entry)
		}
		failed[entry] = p.entry.runSteps(own, into)
	})
	return cmp.Or(failed...)
}

// expand replaces inputs in [Rows] that are divided by their values.
func (p *batchProgram) expand(inputs []*buffer) (release func(), err error) {
	var made []*buffer
	release = func() {
		for _, u := range made {
			_ = u.Finalize()
		}
	}
	for i, u := range inputs {
		if u.rows == nil || !p.divided[i] {
			continue
		}
		if u.owner != nil {
			if err := u.owner.Ready(); err != nil {
				return release, fmt.Errorf("cpu: execute %q: parameter %q: %w", p.name, p.names[i], err)
			}
		}
		whole := p.backend.newBuffer(u.shape)
		made, inputs[i] = append(made, whole), whole
		if err := p.backend.readAll(whole.flat.([]float32), u); err != nil {
			return release, fmt.Errorf("cpu: execute %q: parameter %q: %w", p.name, p.names[i], err)
		}
	}
	return release, nil
}

// part returns a buffer of the shape over one of the equal parts of a buffer.
func (u *buffer) part(shape shapes.Shape, i int) *buffer {
	n := byteSize(shape)
	return &buffer{backend: u.backend, shape: shape, bytes: u.bytes[i*n : (i+1)*n : (i+1)*n], owner: u.owner}
}
