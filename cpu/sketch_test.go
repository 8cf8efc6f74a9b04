package cpu

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
)

var (
	floatTypes   = []dtypes.DType{dtypes.Float32, dtypes.Float64, dtypes.BFloat16, dtypes.Float16}
	integerTypes = []dtypes.DType{
		dtypes.Int8, dtypes.Int16, dtypes.Int32, dtypes.Int64, dtypes.Uint8, dtypes.Uint16, dtypes.Uint32, dtypes.Uint64,
	}
)

// sketch builds a random graph: the same one on every backend for the same seed.
type sketch struct {
	r       *rand.Rand
	g       *Graph
	params  []*Node
	values  []*Node
	exact   map[*Node]bool // parameters and what only moved or compared them
	log     []string
	largest int // elements of a value
}

// newSketch makes a graph of some steps. With gradient it also has the gradients of its float parameters.
func newSketch(seed uint64, b compute.Backend, gradient bool) (s *sketch, outputs []*Node) {
	s = &sketch{r: rand.New(rand.NewPCG(seed, 10)), g: NewGraph(b, fmt.Sprint("sketch ", seed)), exact: map[*Node]bool{}, largest: 3000}
	if seed%32 == 0 { // large enough for several items of the pool
		s.largest = 60000
	}
	dims := s.dimensions(!gradient)
	main := floatTypes[s.r.IntN(len(floatTypes))]
	if s.r.IntN(2) == 0 {
		main = dtypes.Float32
	}
	types := []dtypes.DType{main, main}
	if !gradient {
		types = append(types, []dtypes.DType{integerTypes[s.r.IntN(len(integerTypes))], dtypes.Bool, main}[s.r.IntN(3)])
	}
	for i, d := range types {
		p := Parameter(s.g, fmt.Sprint("x", i), shapes.Make(d, dims...))
		s.params = append(s.params, p)
		s.add(p.Shape().String(), p, true)
	}
	for range 3 + s.r.IntN(8) {
		s.step()
	}
	for i, v := range s.values[len(s.params):] {
		if s.r.IntN(3) == 0 || i+len(s.params) == len(s.values)-1 {
			outputs = append(outputs, v)
		}
	}
	if gradient {
		outputs = append(outputs, s.gradients()...)
	}
	if len(outputs) == 0 { // no step was possible
		outputs = []*Node{Identity(s.params[0])}
	}
	return s, outputs
}

// dimensions are odd ones, and sometimes zero, of which GoMLX makes no gradients.
func (s *sketch) dimensions(zero bool) []int {
	for {
		dims := make([]int, 1+s.r.IntN(4))
		for i := range dims {
			dims[i] = []int{1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33, 65, 130}[s.r.IntN(13)]
		}
		if zero && s.r.IntN(20) == 0 {
			dims[s.r.IntN(len(dims))] = 0
		}
		if product(dims) <= s.largest {
			return dims
		}
	}
}

// gradients are those of a weighted sum of all floats by the parameters.
func (s *sketch) gradients() []*Node {
	var loss *Node
	for _, v := range s.values[len(s.params):] {
		if !isFloat(v.DType()) || v.Shape().Size() == 0 || s.r.IntN(3) == 0 {
			continue
		}
		x := ConvertDType(v, dtypes.Float32)
		sum := x
		if x.Rank() > 0 {
			sum = ReduceAllSum(Mul(x, AddScalar(Sin(IotaFull(s.g, x.Shape())), 0.5)))
		}
		if loss == nil {
			loss = sum
		} else {
			loss = Add(loss, sum)
		}
	}
	if loss == nil {
		return nil
	}
	return Gradient(loss, s.params...)
}

func (s *sketch) add(what string, v *Node, exact bool) {
	s.log = append(s.log, fmt.Sprintf("%d: %s %s", len(s.values), what, v.Shape()))
	s.values = append(s.values, v)
	s.exact[v] = exact
}

// pick prefers late values, so that chains grow.
func (s *sketch) pick() *Node {
	if s.r.IntN(5) == 0 {
		return s.values[s.r.IntN(len(s.values))]
	}
	return s.values[len(s.values)-1-s.r.IntN(min(3, len(s.values)))]
}

// scalar is a number that every dtype holds exactly.
func (s *sketch) scalar(d dtypes.DType, v float64) *Node { return Scalar(s.g, d, v) }

// partner returns a value of the dtype that has the dimensions or is broadcast to them.
func (s *sketch) partner(d dtypes.DType, dims []int) *Node {
	for range 6 {
		v := s.pick()
		if v.DType() == d && slices.Equal(v.Shape().Dimensions, dims) {
			return v
		}
	}
	small := slices.Clone(dims)
	for i := range small {
		if s.r.IntN(3) == 0 {
			small[i] = min(small[i], 1)
		}
	}
	for range 4 {
		v := s.pick()
		if n := product(small); v.DType() == d && v.Shape().Size() >= n && n > 0 {
			y := Reshape(Slice(Reshape(v, v.Shape().Size()), AxisRange(0, n)), small...)
			s.exact[y] = s.exact[v]
			return y
		}
	}
	if d == dtypes.Bool {
		return LessThan(s.partner(dtypes.Int32, dims), s.scalar(dtypes.Int32, 3))
	}
	y := s.scalar(d, float64(s.r.IntN(4)))
	s.exact[y] = true
	return y
}

func (s *sketch) step() {
	x := s.pick()
	switch k := s.r.IntN(20); {
	case k < 5:
		s.unary(x)
	case k < 10:
		s.binary(x)
	case k < 13:
		s.move(x)
	case k < 15:
		s.reduce(x)
	case k == 15:
		s.dot(x)
	case k == 16:
		s.convert(x)
	case k == 17:
		s.compare(x)
	case k == 18:
		s.lookUp(x)
	default:
		s.blend(x)
	}
}

func (s *sketch) unary(x *Node) {
	d := x.DType()
	type function struct {
		name  string
		apply func(*Node) *Node
		exact bool
	}
	var list []function
	switch {
	case d == dtypes.Bool:
		list = []function{{"not", LogicalNot, s.exact[x]}}
	case d.IsInt():
		list = []function{
			{"bitwise not", BitwiseNot, true},
			{"bit count", func(x *Node) *Node { return StopGradient(BitCount(x)) }, true},
			{"abs", Abs, true},
			{"square", Square, true},
		}
		if !d.IsUnsigned() {
			list = append(list, function{"neg", Neg, true}, function{"sign", Sign, true})
		}
	default:
		tame := func(x *Node) *Node { return Tanh(x) }
		list = []function{
			{"tanh", Tanh, false},
			{"logistic", Sigmoid, false},
			{"neg", Neg, s.exact[x]},
			{"exp", func(x *Node) *Node { return Exp(tame(x)) }, false},
			{"sqrt", func(x *Node) *Node { return Sqrt(OnePlus(Square(tame(x)))) }, false},
			{"log", func(x *Node) *Node { return Log(AddScalar(Square(tame(x)), 1.5)) }, false},
			{"log1p", func(x *Node) *Node { return Log1P(Square(tame(x))) }, false},
			{"expm1", func(x *Node) *Node { return Expm1(StopGradient(tame(x))) }, false},
			{"rsqrt", func(x *Node) *Node { return Rsqrt(StopGradient(OnePlus(Square(tame(x))))) }, false},
			{"sin", Sin, false},
			{"cos", Cos, false},
			{"erf", Erf, false},
			{"gelu", geluTanh, false},
			{"softmax", softmaxLast, false},
			{"norm", func(x *Node) *Node { return layerNorm(Add(tame(x), IotaLike(x, -1))) }, false},
			{"pow", func(x *Node) *Node { return Pow(AddScalar(Square(tame(x)), 0.5), s.scalar(d, 2.5)) }, false},
			{"sign", func(x *Node) *Node { return Sign(StopGradient(x)) }, false},
			{"round", func(x *Node) *Node { return Round(StopGradient(x)) }, false},
			{"floor", func(x *Node) *Node { return Floor(StopGradient(x)) }, false},
			{"ceil", func(x *Node) *Node { return Ceil(StopGradient(x)) }, false},
		}
		if s.exact[x] {
			list = append(list, function{"abs", Abs, true})
		}
		if x.Shape().Size() == 0 || x.Rank() == 0 {
			list = list[:12] // no last axis to reduce
		}
	}
	f := list[s.r.IntN(len(list))]
	s.add(f.name, f.apply(x), f.exact)
}

func (s *sketch) binary(x *Node) {
	d := x.DType()
	y := s.partner(d, x.Shape().Dimensions)
	both := s.exact[x] && s.exact[y]
	if s.r.IntN(2) == 0 {
		x, y = y, x
	}
	type function struct {
		name  string
		apply func(x, y *Node) *Node
		exact bool
	}
	var list []function
	switch {
	case d == dtypes.Bool:
		list = []function{{"and", LogicalAnd, both}, {"or", LogicalOr, both}, {"xor", LogicalXor, both}}
	case d.IsInt():
		positive := func(y *Node) *Node { return Max(y, s.scalar(d, 1)) }
		list = []function{
			{"add", Add, true},
			{"sub", Sub, true},
			{"mul", Mul, true},
			{"max", Max, true},
			{"min", Min, true},
			{"div", func(x, y *Node) *Node { return Div(x, positive(y)) }, true},
			{"rem", func(x, y *Node) *Node { return Rem(x, positive(y)) }, true},
			{"bitwise and", BitwiseAnd, true},
			{"bitwise or", BitwiseOr, true},
			{"bitwise xor", BitwiseXor, true},
			{"shift left", func(x, _ *Node) *Node { return BitwiseShiftLeft(x, s.scalar(d, 3)) }, true},
			{"shift right", func(x, _ *Node) *Node { return BitwiseShiftRightLogical(x, s.scalar(d, 2)) }, true},
			{"shift right of signed", func(x, _ *Node) *Node { return BitwiseShiftRightArithmetic(x, s.scalar(d, 1)) }, true},
		}
	default:
		list = []function{
			{"add", Add, false},
			{"sub", Sub, false},
			{"mul", Mul, false},
			{"mul of tanh", func(x, y *Node) *Node { return Mul(Tanh(x), y) }, false},
			{"div", func(x, y *Node) *Node { return Div(x, OnePlus(Square(y))) }, false},
			{"max", func(x, y *Node) *Node { return Max(StopGradient(x), StopGradient(y)) }, both},
			{"clamp", func(x, y *Node) *Node { return StopGradient(Clip(x, Sin(y), s.scalar(d, 1))) }, false},
		}
		if both {
			list = append(list, function{"max", Max, true}, function{"min", Min, true},
				function{"atan2", func(x, y *Node) *Node { return Atan2(StopGradient(x), StopGradient(y)) }, false},
				function{"rem", func(x, y *Node) *Node { return Rem(StopGradient(x), StopGradient(y)) }, false})
		}
	}
	f := list[s.r.IntN(len(list))]
	s.add(f.name, f.apply(x, y), f.exact)
}

// move applies an operation that computes nothing.
func (s *sketch) move(x *Node) {
	d, rank := x.Shape().Dimensions, x.Rank()
	if rank == 0 {
		s.add("broadcast", BroadcastToDims(x, 1+s.r.IntN(5), 3), s.exact[x])
		return
	}
	axis := s.r.IntN(rank)
	var what string
	var y *Node
	switch k := s.r.IntN(8); {
	case k <= 1:
		y = TransposeAllAxes(x, s.r.Perm(rank)...)
		what = "transpose"
	case k == 2:
		var ranges []SliceAxisSpec
		for _, n := range d {
			from := s.r.IntN(max(1, n/2))
			to := max(from, n-s.r.IntN(max(1, n/3)))
			ranges = append(ranges, AxisRange(from, to).Stride(1+s.r.IntN(2)))
			if n == 0 {
				ranges[len(ranges)-1] = AxisRange()
			}
		}
		y, what = Slice(x, ranges...), "slice"
	case k == 3 && x.DType() != dtypes.Bool && x.Shape().Size() < s.largest/4:
		axes := make([]compute.PadAxis, rank)
		for i := range axes {
			axes[i] = compute.PadAxis{Start: s.r.IntN(3), End: s.r.IntN(3), Interior: s.r.IntN(2)}
		}
		y, what = Pad(x, s.scalar(x.DType(), float64(s.r.IntN(2))), axes...), "pad"
	case k == 4:
		y, what = Reverse(x, axis), "reverse"
	case k == 5 && x.Shape().Size() < s.largest/2:
		y, what = Concatenate([]*Node{x, Reverse(x, axis)}, axis), "concatenate"
	case k == 6 && x.Shape().Size() > 0 && x.Shape().Size() < s.largest/4:
		y, what = BroadcastToDims(InsertAxes(x, axis), slices.Insert(slices.Clone(d), axis, 2+s.r.IntN(3))...), "broadcast"
		if y.Rank() > 5 {
			y = Reshape(y, y.Shape().Size())
		}
	default:
		y, what = Reshape(x, s.factored(x.Shape().Size())...), "reshape"
	}
	s.add(what, y, s.exact[x])
}

// factored cuts a number of elements into random dimensions.
func (s *sketch) factored(n int) []int {
	dims := []int{}
	for _, f := range []int{2, 3, 5, 2} {
		if n%f == 0 && n > 0 && s.r.IntN(2) == 0 {
			dims = append(dims, f)
			n /= f
		}
	}
	return slices.Insert(dims, s.r.IntN(len(dims)+1), n)
}

// reduce reduces some axes, and half of the time broadcasts the result again.
func (s *sketch) reduce(x *Node) {
	var axes []int
	for i := range x.Rank() {
		if s.r.IntN(2) == 0 {
			axes = append(axes, i)
		}
	}
	if len(axes) == 0 || x.Shape().Size() == 0 {
		return
	}
	d := x.DType()
	type function struct {
		name  string
		apply func(x *Node, axes ...int) *Node
		exact bool
	}
	var list []function
	switch {
	case d == dtypes.Bool:
		list = []function{{"all", ReduceLogicalAnd, s.exact[x]}, {"any", ReduceLogicalOr, s.exact[x]}, {"odd", ReduceLogicalXor, s.exact[x]}}
	case d.IsInt():
		list = []function{
			{"sum", ReduceSum, true},
			{"max", ReduceMax, true},
			{"min", ReduceMin, true},
			{"product", ReduceMultiply, true},
			{"bitwise and", ReduceBitwiseAnd, true},
			{"bitwise or", ReduceBitwiseOr, true},
			{"bitwise xor", ReduceBitwiseXor, true},
			{"place", func(x *Node, axes ...int) *Node { return StopGradient(ArgMax(x, axes[0], dtypes.Int32)) }, true},
		}
	default:
		list = []function{
			{"sum", ReduceSum, false},
			{"mean", ReduceMean, false},
			{"max", func(x *Node, axes ...int) *Node { return ReduceMax(StopGradient(x), axes...) }, s.exact[x]},
			{"min", func(x *Node, axes ...int) *Node { return ReduceMin(StopGradient(x), axes...) }, s.exact[x]},
			{"product", func(x *Node, axes ...int) *Node { return ReduceMultiply(StopGradient(Tanh(x)), axes...) }, false},
		}
		if s.exact[x] {
			list = append(list, function{"max", ReduceMax, true}, function{"min", ReduceMin, true},
				function{"place", func(x *Node, axes ...int) *Node { return StopGradient(ArgMin(x, axes[0], dtypes.Int32)) }, true})
		}
	}
	f := list[s.r.IntN(len(list))]
	y := f.apply(x, axes...)
	if s.r.IntN(2) == 0 && f.name != "place" && d != dtypes.Bool {
		kept := slices.Clone(x.Shape().Dimensions)
		for _, a := range axes {
			kept[a] = 1
		}
		s.add(f.name+" and subtract", Sub(x, Reshape(y, kept...)), d.IsInt())
		return
	}
	s.add(fmt.Sprint(f.name, axes), y, f.exact)
}
