package cpu

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
)

// Steps of a sketch that take several values together.

// dot multiplies floats by floats of suitable dimensions, or convolves.
func (s *sketch) dot(x *Node) {
	if !isFloat(x.DType()) || x.Rank() == 0 {
		return
	}
	d := x.Shape().Dimensions
	if x.Rank() >= 3 && s.r.IntN(2) == 0 {
		s.convolve(x)
		return
	}
	k := d[s.r.IntN(x.Rank())]
	axis := slices.Index(d, k)
	n := 1 + s.r.IntN(20)
	if product(d)/max(1, k)*n > s.largest {
		return
	}
	y := s.operand(x.DType(), n, k)
	if s.r.IntN(2) == 0 {
		y = TransposeAllAxes(y, 1, 0)
		s.add("dot", DotGeneral(x, []int{axis}, nil, y, []int{0}, nil), false)
		return
	}
	s.add("dot", DotGeneral(y, []int{1}, nil, x, []int{axis}, nil), false)
}

// operand makes floats of the dimensions from a value, or from numbers.
func (s *sketch) operand(d dtypes.DType, dims ...int) *Node {
	n := product(dims)
	if v := s.pick(); v.DType() == d && v.Shape().Size() >= n && n > 0 {
		return Reshape(Slice(Reshape(v, v.Shape().Size()), AxisRange(0, n)), dims...)
	}
	return ConvertDType(Sin(Reshape(Iota(s.g, shapes.Make(dtypes.Float32, n), 0), dims...)), d)
}

// convolve takes the middle axes of x as those of an image.
func (s *sketch) convolve(x *Node) {
	if s.r.IntN(3) == 0 {
		x = s.doubled(x)
	}
	d := x.Shape().Dimensions
	in, out := d[len(d)-1], 1+s.r.IntN(6)
	kernel := []int{}
	for _, n := range d[1 : len(d)-1] {
		kernel = append(kernel, 1+s.r.IntN(min(3, max(1, n))))
	}
	if product(d)/max(1, in)*out > s.largest || product(d) == 0 {
		return
	}
	w := s.operand(x.DType(), slices.Concat(kernel, []int{in, out})...)
	c := Convolve(x, w)
	if s.r.IntN(2) == 0 {
		c = c.PadSame()
	} else {
		c = c.Strides(1 + s.r.IntN(2))
	}
	s.add("convolve", c.Done(), false)
}

// doubled repeats the elements of x along one of its middle axes.
func (s *sketch) doubled(x *Node) *Node {
	d := slices.Clone(x.Shape().Dimensions)
	if product(d)*2 > s.largest {
		return x
	}
	axis := 1 + s.r.IntN(len(d)-2)
	y := BroadcastToDims(InsertAxes(x, axis+1), slices.Insert(slices.Clone(d), axis+1, 2)...)
	d[axis] *= 2
	return Reshape(y, d...)
}

// convert changes the dtype; only exact values and integers become integers. Integers and truth values have no gradients,
// which GoMLX would ask for where they become floats.
func (s *sketch) convert(x *Node) {
	d := floatTypes[s.r.IntN(len(floatTypes))]
	if x.DType() == dtypes.Bool && s.exact[x] || x.DType().IsInt() && s.r.IntN(2) == 0 {
		d = integerTypes[s.r.IntN(len(integerTypes))]
	}
	y := x
	if !isFloat(x.DType()) {
		y = StopGradient(x)
	}
	s.add("convert", ConvertDType(y, d), x.DType().IsInt() && d.IsInt())
}

func (s *sketch) compare(x *Node) {
	if x.DType() == dtypes.Bool {
		return
	}
	y := s.partner(x.DType(), x.Shape().Dimensions)
	list := []func(x, y *Node) *Node{LessThan, LessOrEqual, GreaterThan, GreaterOrEqual, Equal, NotEqual}
	i := s.r.IntN(len(list))
	s.add(fmt.Sprint("compare ", i), list[i](x, y), x.DType().IsInt() || s.exact[x] && s.exact[y])
}

// lookUp gathers rows of x, and half of the time scatters them again.
func (s *sketch) lookUp(x *Node) {
	if x.Rank() == 0 || x.Shape().Dim(0) == 0 || x.DType() == dtypes.Bool || x.Shape().Size() > s.largest/2 {
		return
	}
	rows := x.Shape().Dim(0)
	n := 1 + s.r.IntN(min(2*rows, 9))
	ids := Rem(MulScalar(Iota(s.g, shapes.Make(dtypes.Int32, n, 1), 0), 7), Scalar(s.g, dtypes.Int32, rows))
	y := Gather(x, ids)
	if s.r.IntN(2) == 0 || !isFloat(x.DType()) {
		s.add("gather", y, s.exact[x])
		return
	}
	s.add("scatter", ScatterSum(x, ids, y, false, false), false)
}

// blend chooses by truth values.
func (s *sketch) blend(x *Node) {
	if x.DType() == dtypes.Bool || x.Shape().Size() == 0 {
		return
	}
	condition := s.partner(dtypes.Bool, x.Shape().Dimensions)
	if !condition.Shape().IsScalar() && !slices.Equal(condition.Shape().Dimensions, x.Shape().Dimensions) {
		condition = BroadcastToDims(condition, x.Shape().Dimensions...)
	}
	if !isFloat(x.DType()) && !s.exact[condition] {
		return
	}
	y := s.partner(x.DType(), x.Shape().Dimensions)
	if !y.Shape().IsScalar() && !slices.Equal(y.Shape().Dimensions, x.Shape().Dimensions) {
		y = BroadcastToDims(y, x.Shape().Dimensions...)
	}
	s.add("where", Where(condition, x, y), false)
}
