package tuning

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/flux"
	"reflectionflow/nn"
)

// gradients computes a loss, watched values and the gradients of the trained weights from a
// batch, in this order.
type gradients interface {
	Run(ctx context.Context, batch ...*tensors.Tensor) ([]*tensors.Tensor, error)
	Close()
}

// whole computes gradients in one program.
type whole struct{ *nn.Program }

// Run implements [gradients].
func (w whole) Run(_ context.Context, batch ...*tensors.Tensor) ([]*tensors.Tensor, error) {
	return w.Program.Run(batch...)
}

// pieced computes the gradient of a denoiser piece by piece (gradient checkpointing, arXiv
// 1604.06174): forward, it keeps what each piece hands to the next; backward, it computes
// each piece again with its gradient. So memory holds the intermediate values of one block at
// a time. Blocks of one kind share a compiled program.
type pieced struct {
	begin     *nn.Program // batch to inputs, target and shared vectors
	pieces    []pieceProgram
	first     int // the first piece with trained weights
	trainable []string
	own       []*nn.Program // those to close
	kept      int           // bytes between the programs

	mu sync.Mutex // one batch at a time: memory is for one
}

// pieceProgram is a piece. Its programs read the inputs and the state; backward reads after
// them the gradient of what the piece returns, or the target, and returns the gradients of
// the state and of the trained weights.
type pieceProgram struct {
	kind              string
	forward, backward *nn.Program // nil for what is not needed
	states            int         // number of tensors of the state
	trainable         []string
}

// denoising is what a pieced gradient is of.
type denoising struct {
	store *nn.Store
	parts flux.Pieces
	batch []shapes.Shape
	// begin makes the inputs of the pieces and the target, as tensors that inputs reads.
	begin func(s nn.Scope, batch []*Node) (inputs []*Node, target *Node)
	// inputs gives the tensors their meaning.
	inputs func(tensors []*Node) flux.Inputs
	// adapt returns the scope whose layers are adapted.
	adapt     func(s nn.Scope) nn.Scope
	trainable func(name string) bool
}

// newPieced compiles the programs. Close frees them.
func newPieced(backend compute.Backend, d denoising) (_ *pieced, err error) {
	p := &pieced{}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	c := pieceCompiler{d: d, backend: backend, made: map[string]made{}}
	if p.begin, err = c.compileBegin(); err != nil {
		return nil, err
	}
	p.own = append(p.own, p.begin)
	p.kept = bytesOf(d.batch) + bytesOf(c.given) + bytesOf([]shapes.Shape{c.target})
	var state []shapes.Shape
	largest := 0
	for i, piece := range d.parts.List {
		last := i == len(d.parts.List)-1
		one, after, err := c.compile(piece, state, last, len(p.trainable) > 0)
		p.own = append(p.own, c.take()...)
		if err != nil {
			return nil, err
		}
		if len(p.trainable) == 0 && len(one.trainable) > 0 {
			p.first = i
		}
		p.trainable = append(p.trainable, one.trainable...)
		p.pieces, state = append(p.pieces, one), after
		p.kept, largest = p.kept+bytesOf(after), max(largest, bytesOf(after))
	}
	p.kept += 2 * largest // gradients of a state, before and after a piece
	return p, nil
}

func bytesOf(list []shapes.Shape) (bytes int) {
	for _, s := range list {
		bytes += 4 * s.Size()
	}
	return bytes
}

// memory returns the bytes that a run takes beside the weights: of the largest program, as the
// programs run one after another, and of what is kept between them. ok is false on a
// backend that does not say.
func (p *pieced) memory() (bytes int, ok bool) {
	for _, program := range p.own {
		bytes = max(bytes, program.Memory())
	}
	return bytes + p.kept, bytes > 0
}

// pieceCompiler compiles the programs of pieces.
type pieceCompiler struct {
	d       denoising
	backend compute.Backend
	given   []shapes.Shape // of inputs and shared vectors
	count   int            // of inputs
	target  shapes.Shape
	made    map[string]made // by kind
	fresh   []*nn.Program
}

// made is the first piece of a kind.
type made struct {
	program pieceProgram
	block   string
	state   []shapes.Shape
	after   []shapes.Shape
}

func (c *pieceCompiler) take() []*nn.Program {
	fresh := c.fresh
	c.fresh = nil
	return fresh
}

func (c *pieceCompiler) program(name string, inputs []shapes.Shape, fn func(s nn.Scope, in []*Node) []*Node) (*nn.Program, error) {
	p, err := nn.Compile(c.backend, c.d.store, inputs, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		return fn(s, in), nil
	}, nn.Options{Name: name})
	if err == nil {
		c.fresh = append(c.fresh, p)
	}
	return p, err
}

// compileBegin compiles what is before the pieces. Its outputs are the inputs, the shared
// vectors and the target.
func (c *pieceCompiler) compileBegin() (*nn.Program, error) {
	p, err := c.program("inputs", c.d.batch, func(s nn.Scope, batch []*Node) []*Node {
		all, target := c.d.begin(s, batch)
		c.count, c.target = len(all), target.Shape()
		all = append(all, c.d.parts.Shared(s, c.d.inputs(all))...)
		c.given = shapesOf(all)
		return append(all, target)
	})
	c.fresh = nil
	return p, err
}

// compile compiles a piece, or renames the programs of the first of its kind, and returns the
// shapes of what it returns. inside says that the gradient of its state is needed.
func (c *pieceCompiler) compile(piece flux.Piece, state []shapes.Shape, last, inside bool) (pieceProgram, []shapes.Shape, error) {
	key := fmt.Sprintf("%s %v", piece.Kind, inside)
	if like, ok := c.made[key]; ok && piece.Kind != "" {
		one, err := like.renamed(piece.Block)
		if err == nil {
			return one, like.after, nil
		}
		// Its weights are stored in other types: it gets programs of its own.
	}
	one, after := pieceProgram{kind: piece.Kind, states: len(state)}, []shapes.Shape(nil)
	name := strings.TrimSpace("piece " + piece.Block)
	run := func(s nn.Scope, in []*Node) []*Node {
		own := in[len(c.given):][:len(state)]
		return piece.Run(c.d.adapt(s), c.d.inputs(in[:c.count]), in[c.count:len(c.given)], own)
	}
	read := slices.Concat(c.given, state)
	forward, err := c.program(name, read, func(s nn.Scope, in []*Node) []*Node {
		out := run(s, in)
		after = shapesOf(out)
		for _, used := range s.Used() {
			if c.d.trainable(used) {
				one.trainable = append(one.trainable, used)
			}
		}
		return out
	})
	if err != nil {
		return one, nil, err
	}
	one.forward = forward
	if !inside && len(one.trainable) == 0 {
		return one, after, nil
	}
	goal := after
	if last {
		goal = []shapes.Shape{c.target}
	}
	one.backward, err = c.program("gradient of "+name, slices.Concat(read, goal), func(s nn.Scope, in []*Node) []*Node {
		loss := towards(run(s, in), in[len(read):], last)
		var values []*Node
		if inside {
			values = append(values, in[len(c.given):len(read)]...)
		}
		for _, name := range one.trainable {
			values = append(values, s.Node(name))
		}
		gradients := Gradient(loss, values...)
		if last {
			gradients = append([]*Node{loss}, gradients...)
		}
		return gradients
	})
	if piece.Kind != "" {
		c.made[key] = made{program: one, block: piece.Block, state: state, after: after}
	}
	return one, after, err
}

// towards returns the scalar to differentiate: of the last piece the loss, and of others the
// product of what they return with its gradient.
func towards(out, goal []*Node, last bool) *Node {
	if last {
		return ReduceAllMean(Square(Sub(out[0], goal[0])))
	}
	sum := ReduceAllSum(Mul(out[0], goal[0]))
	for i := 1; i < len(out); i++ {
		sum = Add(sum, ReduceAllSum(Mul(out[i], goal[i])))
	}
	return sum
}

// renamed returns the programs on the weights of another block.
func (m made) renamed(block string) (pieceProgram, error) {
	rename := func(name string) string { return strings.Replace(name, "."+m.block+".", "."+block+".", 1) }
	one := m.program
	var err error
	if one.forward, err = one.forward.Renamed(rename); err != nil {
		return one, err
	}
	if one.backward, err = one.backward.Renamed(rename); err != nil {
		return one, err
	}
	one.trainable = nil
	for _, name := range m.program.trainable {
		one.trainable = append(one.trainable, rename(name))
	}
	return one, nil
}

func shapesOf(nodes []*Node) []shapes.Shape {
	list := make([]shapes.Shape, len(nodes))
	for i, n := range nodes {
		list[i] = n.Shape()
	}
	return list
}

// Run implements [gradients].
func (p *pieced) Run(ctx context.Context, batch ...*tensors.Tensor) ([]*tensors.Tensor, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all pool
	defer all.free()
	given, err := all.run(ctx, p.begin, batch)
	if err != nil {
		return nil, err
	}
	inputs, target := given[:len(given)-1], given[len(given)-1]
	states := [][]*tensors.Tensor{nil} // what every piece reads
	for _, piece := range p.pieces[:len(p.pieces)-1] {
		state, err := all.run(ctx, piece.forward, inputs, states[len(states)-1])
		if err != nil {
			return nil, err
		}
		states = append(states, state)
	}
	var loss *tensors.Tensor
	byPiece, back := make([][]*tensors.Tensor, len(p.pieces)), []*tensors.Tensor{target}
	for i := len(p.pieces) - 1; i >= p.first; i-- {
		out, err := all.run(ctx, p.pieces[i].backward, inputs, states[i], back)
		if err != nil {
			return nil, err
		}
		if loss == nil {
			loss, out = out[0], out[1:]
		} else {
			all.release(back...)
		}
		all.release(states[i]...)
		if i > p.first {
			back, out = out[:p.pieces[i].states], out[p.pieces[i].states:]
		}
		byPiece[i] = out
	}
	result := append([]*tensors.Tensor{loss}, slices.Concat(byPiece...)...)
	all.keep(result...)
	return result, nil
}

// Close implements [gradients].
func (p *pieced) Close() {
	for _, program := range p.own {
		program.Close()
	}
}

// pool frees tensors without waiting for the garbage collector.
type pool map[*tensors.Tensor]bool

// run runs a program on lists of inputs, unless ctx has ended. The pool gets its outputs.
func (p *pool) run(ctx context.Context, program *nn.Program, lists ...[]*tensors.Tensor) ([]*tensors.Tensor, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out, err := program.Run(slices.Concat(lists...)...)
	p.add(out...)
	return out, err
}

func (p *pool) add(list ...*tensors.Tensor) {
	if *p == nil {
		*p = pool{}
	}
	for _, t := range list {
		(*p)[t] = true
	}
}

// keep leaves tensors to the caller.
func (p *pool) keep(list ...*tensors.Tensor) {
	for _, t := range list {
		delete(*p, t)
	}
}

func (p *pool) release(list ...*tensors.Tensor) {
	for _, t := range list {
		if (*p)[t] {
			delete(*p, t)
			_ = t.FinalizeAll() //nolint:errcheck // the garbage collector tries again
		}
	}
}

func (p *pool) free() {
	for t := range *p {
		p.release(t)
	}
}
