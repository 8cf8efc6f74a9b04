package nn

import (
	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
)

// narrowing is a backend that computes matrix products of float32, those of attention among them, in bfloat16 with sums
// in float32: it rounds both operands and asks the backend below for a product of bfloat16 whose result is float32.
// Everything else stays in float32. Buffers are those of the backend below, and belong to it. Stored matrices go to such a backend in bfloat16, see [Store.SetStored].
type narrowing struct{ compute.Backend }

// narrows reports whether a backend keeps stored matrices in bfloat16.
func narrows(b compute.Backend) bool {
	_, ok := b.(*narrowing)
	return ok
}

func (n *narrowing) Builder(name string) compute.Builder {
	return &narrowingBuilder{n.Backend.Builder(name)}
}

type narrowingBuilder struct{ compute.Builder }

func (b *narrowingBuilder) Main() compute.Function {
	return newNarrowingFunction(b, b.Builder.Main())
}

func (b *narrowingBuilder) NewFunction(name string) (compute.Function, error) {
	f, err := b.Builder.NewFunction(name)
	if err != nil {
		return nil, err
	}
	return newNarrowingFunction(b, f), nil
}

// narrowingFunction overrides the product, and what takes or returns a function.
type narrowingFunction struct {
	compute.Function
	builder *narrowingBuilder
	parent  compute.Function
	narrow  map[compute.Value]compute.Value // by value in float32: the same in bfloat16
}

func newNarrowingFunction(b *narrowingBuilder, f compute.Function) *narrowingFunction {
	return &narrowingFunction{Function: f, builder: b, narrow: map[compute.Value]compute.Value{}}
}

func (f *narrowingFunction) Builder() compute.Builder { return f.builder }

func (f *narrowingFunction) Parent() compute.Function { return f.parent }

func (f *narrowingFunction) Closure() (compute.Function, error) {
	inner, err := f.Function.Closure()
	if err != nil {
		return nil, err
	}
	closure := newNarrowingFunction(f.builder, inner)
	closure.parent = f
	return closure, nil
}

// below returns the function of the backend below.
func below(f compute.Function) compute.Function {
	if n, ok := f.(*narrowingFunction); ok {
		return n.Function
	}
	return f
}

func (f *narrowingFunction) Call(called compute.Function, inputs ...compute.Value) ([]compute.Value, error) {
	return f.Function.Call(below(called), inputs...)
}

func (f *narrowingFunction) Sort(comparator compute.Function, axis int, isStable bool, inputs ...compute.Value) ([]compute.Value, error) {
	return f.Function.Sort(below(comparator), axis, isStable, inputs...)
}

func (f *narrowingFunction) While(cond, body compute.Function, initial ...compute.Value) ([]compute.Value, error) {
	return f.Function.While(below(cond), below(body), initial...)
}

func (f *narrowingFunction) If(pred compute.Value, yes, no compute.Function) ([]compute.Value, error) {
	return f.Function.If(pred, below(yes), below(no))
}

// ConvertDType remembers what was bfloat16 before, such as a weight: a product takes it as it is.
func (f *narrowingFunction) ConvertDType(x compute.Value, dtype dtypes.DType) (compute.Value, error) {
	y, err := f.Function.ConvertDType(x, dtype)
	if err != nil || dtype != dtypes.Float32 {
		return y, err
	}
	shape, err := f.Shape(x)
	if err == nil && shape.DType == dtypes.BFloat16 {
		f.narrow[y] = x
	}
	return y, err
}

func (f *narrowingFunction) DotGeneral(lhs compute.Value, lhsContracting, lhsBatch []int, rhs compute.Value, rhsContracting, rhsBatch []int, config compute.DotGeneralConfig) (compute.Value, error) { //nolint:revive // compute's interface
	x, narrowLHS, err := f.narrowed(lhs)
	if err != nil {
		return nil, err
	}
	y, narrowRHS, err := f.narrowed(rhs)
	if err != nil {
		return nil, err
	}
	if narrowLHS && narrowRHS && config == (compute.DotGeneralConfig{}) {
		lhs, rhs = x, y
		config = compute.DotGeneralConfig{AccumulatorDType: dtypes.Float32, OutputDType: dtypes.Float32}
	}
	return f.Function.DotGeneral(lhs, lhsContracting, lhsBatch, rhs, rhsContracting, rhsBatch, config)
}

// narrowed returns a value of float32 in bfloat16, and false for one of another type.
func (f *narrowingFunction) narrowed(x compute.Value) (compute.Value, bool, error) {
	if y, ok := f.narrow[x]; ok {
		return y, true, nil
	}
	shape, err := f.Shape(x)
	if err != nil || shape.DType != dtypes.Float32 {
		return nil, false, err
	}
	y, err := f.Function.ConvertDType(x, dtypes.BFloat16)
	if err != nil {
		return nil, false, err
	}
	f.narrow[x] = y
	return y, true, nil
}
