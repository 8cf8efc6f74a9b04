package nn

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"

	"reflectionflow"
)

// Init returns the initial values of a weight of the given dimensions, row-major.
type Init func(rng *rand.Rand, dims []int) []float32

// Adapter returns the adapted output of the linear layer at path, with input x and
// output y; it returns y for a layer that it does not adapt. LoRA is an Adapter.
type Adapter func(path string, x, y *graph.Node) *graph.Node

// Scope gives a graph function the weights of a store below one path.
type Scope struct {
	binding *binding
	path    string
	adapter Adapter
}

// binding ties the weights that one graph uses to its parameters.
type binding struct {
	graph *graph.Graph
	store *Store
	seed  *uint64 // nil: a missing weight is an error
	// shapeOnly makes a parameter of every weight asked for, without a look into the store.
	shapeOnly bool
	names     []string
	nodes     map[string]*graph.Node // in float32

	parameters map[string]*graph.Node
	lookups    map[string]bool // weights of which rows are looked up, and nothing else
}

func newBinding(store *Store, seed *uint64) *binding {
	return &binding{store: store, seed: seed, nodes: map[string]*graph.Node{}, parameters: map[string]*graph.Node{}, lookups: map[string]bool{}}
}

// Graph returns the graph being built.
func (s Scope) Graph() *graph.Graph { return s.binding.graph }

// In returns the scope below name; names are joined by dots.
func (s Scope) In(name string) Scope {
	s.path = s.join(name)
	return s
}

// WithAdapter returns the scope with every linear layer passing through a, after the
// adapters that the scope has already. nil changes nothing.
func (s Scope) WithAdapter(a Adapter) Scope {
	before := s.adapter
	switch {
	case a == nil:
	case before == nil:
		s.adapter = a
	default:
		s.adapter = func(path string, x, y *graph.Node) *graph.Node { return a(path, x, before(path, x, y)) }
	}
	return s
}

// Path returns the scope's full name.
func (s Scope) Path() string { return s.path }

// Has reports whether the store holds the weight name in this scope.
func (s Scope) Has(name string) bool { return s.binding.store.Has(s.join(name)) }

// Weight returns the weight name in this scope as a node of the given
// dimensions, in float32. In training a missing weight is initialized by init, with
// random numbers that depend on the seed and its name only. In inference it is an
// error that wraps [reflectionflow.ErrInvalid], as is any other shape.
func (s Scope) Weight(name string, init Init, dims ...int) *graph.Node {
	full := s.join(name)
	delete(s.binding.lookups, full)
	return s.weight(full, init, dims)
}

// weight is Weight by the full name.
func (s Scope) weight(full string, init Init, dims []int) *graph.Node {
	if node, ok := s.binding.nodes[full]; ok {
		return node
	}
	node := s.parameter(full, init, dims)
	if node.DType() != dtypes.Float32 {
		node = graph.ConvertDType(node, dtypes.Float32)
	}
	s.binding.nodes[full] = node
	return node
}

// parameter makes the parameter of a weight by its full name: of float32, or of
// bfloat16 where the store has it so, or the backend wants it so, and the program does
// not train.
func (s Scope) parameter(full string, init Init, dims []int) *graph.Node {
	b := s.binding
	if node, ok := b.parameters[full]; ok {
		return node
	}
	if b.shapeOnly {
		return b.parameter(full, shapes.Make(dtypes.Float32, dims...))
	}
	if !b.store.Has(full) {
		if b.seed == nil {
			panic(fmt.Errorf("%w: weight %q is missing", reflectionflow.ErrInvalid, full))
		}
		b.store.Set(full, init(stream(*b.seed, full), dims), dims...)
	}
	if have := b.store.Dims(full); !slices.Equal(have, dims) {
		panic(fmt.Errorf("%w: weight %q has shape %v, want %v", reflectionflow.ErrInvalid, full, have, dims))
	}
	shape := shapes.Make(dtypes.Float32, dims...)
	w := b.store.borrowed[full]
	switch {
	case w == nil:
	case b.seed == nil:
		shape = w.shapeOn(b.graph.Backend())
	case w.tensor == nil: // of others, those that the program updates
		if err := b.store.own(full); err != nil {
			panic(err)
		}
	}
	return b.parameter(full, shape)
}

func (b *binding) parameter(full string, shape shapes.Shape) *graph.Node {
	node := graph.Parameter(b.graph, full, shape)
	b.names = append(b.names, full)
	b.parameters[full] = node
	return node
}

func (s Scope) join(name string) string {
	if s.path == "" {
		return name
	}
	return s.path + "." + name
}

// stream returns the random numbers for one name, whatever the order of use.
func stream(seed uint64, name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name)) //nolint:errcheck // a hash never fails
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// InitZeros initializes with zeros.
func InitZeros(_ *rand.Rand, dims []int) []float32 { return make([]float32, size(dims)) }

// InitOnes initializes with ones.
func InitOnes(_ *rand.Rand, dims []int) []float32 {
	values := make([]float32, size(dims))
	for i := range values {
		values[i] = 1
	}
	return values
}

// InitNormal initializes with normal numbers of the given standard deviation.
func InitNormal(std float64) Init {
	return func(rng *rand.Rand, dims []int) []float32 {
		values := make([]float32, size(dims))
		for i := range values {
			values[i] = float32(rng.NormFloat64() * std)
		}
		return values
	}
}

// InitXavier initializes a matrix [out, in, ...] uniformly within ±√(6/(fan in + fan out)) (Glorot and Bengio, 2010).
func InitXavier(rng *rand.Rand, dims []int) []float32 {
	receptive := size(dims[2:])
	bound := math.Sqrt(6 / float64((dims[0]+dims[1])*receptive))
	return uniform(rng, dims, bound)
}

// InitKaiming initializes a matrix [out, in, ...] uniformly within ±√(3/fan in), which keeps the variance of its input.
func InitKaiming(rng *rand.Rand, dims []int) []float32 {
	return uniform(rng, dims, math.Sqrt(3/float64(size(dims[1:]))))
}

// InitIdentity initializes a convolution [out, in, k, k] to the identity, channel by
// channel, plus noise of half [InitKaiming]'s size: information that a network must
// keep, such as colors, passes through it from the first training step.
func InitIdentity(rng *rand.Rand, dims []int) []float32 {
	values := InitKaiming(rng, dims)
	in, kernel := dims[1], dims[2]*dims[3]
	for i := range values {
		values[i] /= 2
	}
	for out := range dims[0] {
		values[(out*in+out%in)*kernel+kernel/2]++
	}
	return values
}

func uniform(rng *rand.Rand, dims []int, bound float64) []float32 {
	values := make([]float32, size(dims))
	for i := range values {
		values[i] = float32((2*rng.Float64() - 1) * bound)
	}
	return values
}

func size(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}

// Used returns the full names of the weights that the graph has asked for so far, in
// the order of first use.
func (s Scope) Used() []string { return slices.Clone(s.binding.names) }

// Node returns the node of a weight already asked for, by full name.
func (s Scope) Node(name string) *graph.Node { return s.binding.nodes[name] }

// InitConstant initializes every value with v.
func InitConstant(v float32) Init {
	return func(_ *rand.Rand, dims []int) []float32 {
		values := make([]float32, size(dims))
		for i := range values {
			values[i] = v
		}
		return values
	}
}

// Stored returns the weight of the full name in the store's shape, and whether the
// store has it.
func (s Scope) Stored(full string) (*graph.Node, bool) {
	if !s.binding.store.Has(full) {
		return nil, false
	}
	root := s
	root.path = ""
	return root.Weight(full, nil, s.binding.store.Dims(full)...), true
}
