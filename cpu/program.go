package cpu

import (
	"fmt"
	"sync"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
)

// step is one kernel of a program, complete but for the addresses.
type step struct {
	name          string
	origin        string // the nodes that it computes, for errors
	tape          *tape  // or nil
	reads, writes []*storage
	byRows        *storage // of reads: may be an input in Rows
	begins        int      // inputs that no step before it reads
	run           func(x *execution) error
}

// signature is what callers see of a compiled graph.
type signature struct {
	backend *Backend
	name    string
	names   []string
	inputs  []shapes.Shape
	outputs []shapes.Shape
}

// program is a compiled graph. It implements [compute.Executable] and can run several times at once.
type program struct {
	signature
	storages []*storage
	steps    []*step
	arena    int       // bytes
	plain    []bool    // by input: a step needs its values in memory
	order    []int     // inputs, in the order in which steps first read them
	idle     sync.Pool // of *execution
}

var _ compute.Executable = (*program)(nil)

// execution is one run of a program: the addresses of all storages.
type execution struct {
	program *program
	base    [][]byte      // by storage id
	scratch []scratchRows // of a worker
	inputs  []*buffer
}

// scratchRows locates the current rows of a storage in a worker's scratch memory.
type scratchRows struct {
	s     *storage
	bytes []byte
}

// bytesOf returns the memory of a storage.
func (x *execution) bytesOf(s *storage) []byte {
	if s.kind == inScratch {
		for i := range x.scratch {
			if x.scratch[i].s == s {
				return x.scratch[i].bytes
			}
		}
	}
	return x.base[s.id]
}

// slice returns the memory of a storage as a slice of T, from element off on.
func slice[T any](x *execution, s *storage, off int) []T {
	raw := x.bytesOf(s)
	if len(raw) == 0 {
		return nil
	}
	n := len(raw) / int(unsafe.Sizeof(*new(T)))
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(raw))), n)[off:]
}

// parallel runs body for n items on the shared pool.
func (x *execution) parallel(n int, body func(item int)) { x.program.backend.pool.run(n, body) }

// Finalize frees the memory of the program.
func (p *program) Finalize() { p.steps, p.storages = nil, nil }

// Memory returns the bytes that an execution takes, besides its inputs, its results and the scratch memory of the workers.
func (p *program) Memory() int { return p.arena }

// Inputs returns the names and shapes of the parameters.
func (p *signature) Inputs() ([]string, []shapes.Shape) { return p.names, p.inputs }

// Outputs returns the shapes of the results.
func (p *signature) Outputs() []shapes.Shape { return p.outputs }

// Execute runs the program. It may be called from several goroutines at once.
func (p *program) Execute(inputs []compute.Buffer, donate []bool, device compute.DeviceNum) ([]compute.Buffer, error) {
	if p.steps == nil && p.storages == nil {
		return nil, fmt.Errorf("cpu: execute %q: the executable is finalized", p.name)
	}
	return p.execute(inputs, donate, device, p.run)
}

// execute checks the inputs, lets run compute the results into new buffers, and finalizes the inputs that are donated.
func (p *signature) execute(inputs []compute.Buffer, donate []bool, device compute.DeviceNum, run func(inputs, results []*buffer) error) ([]compute.Buffer, error) {
	if device != 0 {
		return nil, fmt.Errorf("cpu: execute %q on device %d: there is only device 0", p.name, device)
	}
	own, err := p.checkInputs(inputs)
	if err != nil {
		return nil, err
	}
	results, out := p.newResults(), make([]compute.Buffer, len(p.outputs))
	if err := run(own, results); err != nil {
		for _, u := range results {
			_ = u.Finalize()
		}
		return nil, err
	}
	for i, u := range results {
		out[i] = u
	}
	return out, finalizeDonated(own, donate)
}

func (p *signature) newResults() []*buffer {
	results := make([]*buffer, len(p.outputs))
	for i, shape := range p.outputs {
		results[i] = p.backend.newBuffer(shape)
	}
	return results
}

// run is an execution.
func (p *program) run(inputs, results []*buffer) error {
	p.backend.pool.running.Add(1)
	defer p.backend.pool.running.Add(-1)
	return p.runSteps(inputs, results)
}

// runSteps executes the steps.
func (p *program) runSteps(inputs, results []*buffer) error {
	arena, err := p.takeArena()
	if err != nil {
		return err
	}
	defer p.backend.memory.putArena(arena)
	x, ok := p.idle.Get().(*execution)
	if !ok {
		x = &execution{program: p, base: make([][]byte, len(p.storages))}
	}
	defer func() {
		clear(x.base)
		x.inputs = nil
		p.idle.Put(x)
	}()
	x.locate(arena, inputs, results)
	expanded, err := p.expand(x)
	defer expanded.release(p.backend.memory)
	if err != nil {
		return err
	}
	begun, timing := 0, p.backend.timing.Load()
	for _, st := range p.steps {
		if begun, err = p.ready(x, begun, st); err != nil {
			return err
		}
		if err := st.timed(x, timing); err != nil {
			return p.failed(x, st, err)
		}
	}
	return nil
}

// takeArena returns an idle arena, or a new one if there is room for it.
func (p *program) takeArena() ([]byte, error) {
	if arena := p.backend.memory.idleArena(p.arena); arena != nil {
		return arena, nil
	}
	needed := p.arena
	for _, shape := range p.outputs {
		needed += byteSize(shape)
	}
	p.backend.memory.dropArenas(p.arena)
	if err := p.backend.memory.room(fmt.Sprintf("execute %q", p.name), needed); err != nil {
		return nil, err
	}
	return p.backend.memory.newArena(p.arena), nil
}

// locate sets the addresses of all storages.
func (x *execution) locate(arena []byte, inputs, results []*buffer) {
	x.inputs = inputs
	for _, s := range x.program.storages {
		switch s.kind {
		case inArena:
			x.base[s.id] = arena[s.offset : s.offset+s.bytes]
		case inInput:
			x.base[s.id] = inputs[s.index].bytes
		case inConstant:
			x.base[s.id] = s.constant
		case inOutput:
			x.base[s.id] = results[s.index].bytes
		}
	}
}

func (p *signature) checkInputs(inputs []compute.Buffer) ([]*buffer, error) {
	if len(inputs) != len(p.inputs) {
		return nil, fmt.Errorf("cpu: execute %q: %d inputs given, %d wanted", p.name, len(inputs), len(p.inputs))
	}
	own, err := p.backend.ownBuffers(inputs)
	if err != nil {
		return nil, err
	}
	for i, u := range own {
		if u.shape.DType != p.inputs[i].DType || !u.shape.EqualDimensions(p.inputs[i]) {
			return nil, fmt.Errorf("cpu: execute %q: parameter %q (input %d) is %s, but the buffer is %s",
				p.name, p.names[i], i, p.inputs[i], u.shape)
		}
	}
	return own, nil
}
