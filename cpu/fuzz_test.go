package cpu

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
)

// fuzzedShape is what FuzzShapes varies: one operation and its form.
type fuzzedShape struct {
	op, dtype, batch, m, n, k uint8
	form                      uint16
}

// permutations of three axes.
var permutations3 = [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}

func (z fuzzedShape) parameter(s *sketch, dims ...int) *Node {
	p := Parameter(s.g, fmt.Sprint("x", len(s.params)), shapes.Make(floatTypes[int(z.dtype)%len(floatTypes)], dims...))
	s.params = append(s.params, p)
	s.log = append(s.log, p.Shape().String())
	return p
}

// transposed is a parameter whose axes lie in another order than dims.
func (z fuzzedShape) transposed(s *sketch, order int, dims ...int) *Node {
	p := permutations3[order%6]
	back, moved := make([]int, 3), make([]int, 3)
	for i, q := range p {
		moved[i], back[q] = dims[q], i
	}
	return TransposeAllAxes(z.parameter(s, moved...), back...)
}

func (z fuzzedShape) build(b compute.Backend) (*sketch, []*Node) {
	s := &sketch{r: rand.New(rand.NewPCG(uint64(z.form), 3)), g: NewGraph(b, "fuzz")}
	batch, m, n, k, form := int(z.batch%4), int(z.m), int(z.n), int(z.k), int(z.form)
	var y *Node
	switch z.op % 4 {
	case 0:
		m, n, k = m%71, n%71, k%131
		x := z.transposed(s, form, batch, m, k)
		w := z.transposed(s, form/6, batch, k, n)
		y = DotGeneral(x, []int{2}, []int{0}, w, []int{1}, []int{0})
	case 1:
		y = z.convolution(s, max(1, batch), m, n, k)
	case 2:
		x := z.parameter(s, batch, m%23, n%23, k%23)
		y = z.reduction(x)
	default:
		x := z.transposed(s, form, m%23, n%23, k%23)
		y = Mul(Tanh(x), z.parameter(s, m%23, min(1, n%23), k%23))
		y = Add(Reverse(y, form%3), Sigmoid(y))
	}
	outputs := []*Node{y}
	if form>>13&1 == 1 && y.Shape().Size() > 0 && s.params[0].Shape().Size() > 0 {
		sum := ReduceAllSum(ConvertDType(Mul(y, y), dtypes.Float32))
		outputs = append(outputs, Gradient(sum, s.params...)...)
	}
	return s, outputs
}

// convolution is one over images [batch, height, width, in], with stride, dilation, padding and groups by the form.
func (z fuzzedShape) convolution(s *sketch, batch, height, width, channels int) *Node {
	form := int(z.form)
	groups := 1 + form%3/2
	in, out := (1+channels%9)*groups, (1+channels/9%9)*groups
	size, dilation := 1+form/3%3, 1+form/9%2
	window := (size-1)*dilation + 1
	x := z.parameter(s, batch, window+height%19, window+width%19, in)
	w := z.parameter(s, size, size, in/groups, out)
	pad := form / 18 % 3
	c := Convolve(x, w).ChannelGroupCount(groups)
	if dilation > 1 { // GoMLX takes strides or dilations
		c = c.DilationPerAxis(dilation, dilation)
	} else {
		c = c.Strides(1 + form/54%3)
	}
	return c.PaddingPerDim([][2]int{{pad, form / 162 % 2}, {0, pad}}).Done()
}

// reduction is one over the axes of the form, of values that are none if an axis is.
func (z fuzzedShape) reduction(x *Node) *Node {
	var axes []int
	for i := range 4 {
		if z.form>>i&1 == 1 {
			axes = append(axes, i)
		}
	}
	list := []func(*Node, ...int) *Node{ReduceSum, ReduceMax, ReduceMin, ReduceMultiply}
	i := int(z.form>>4) % len(list)
	if len(axes) == 0 || x.Shape().Size() == 0 {
		return Neg(x)
	}
	y := StopGradient(list[i](x, axes...))
	if i == 0 {
		y = ReduceSum(x, axes...)
	}
	kept := slices.Clone(x.Shape().Dimensions)
	for _, a := range axes {
		kept[a] = 1
	}
	return Sub(x, Reshape(y, kept...))
}

// impossible returns why GoMLX does not build the graph, such as the gradient of a convolution with more padding than its
// window; "" if it does, or if it is this package that does not.
func (z fuzzedShape) impossible(b compute.Backend) (why string) {
	defer func() {
		if r := recover(); r != nil && !strings.Contains(fmt.Sprint(r), "cpu:") {
			why = fmt.Sprint(r)
		}
	}()
	z.build(b)
	return ""
}

// FuzzShapes compares one operation of any shape, or its gradient, with the reference on every instruction set.
func FuzzShapes(f *testing.F) {
	f.Add(uint8(0), uint8(0), uint8(2), uint8(17), uint8(33), uint8(130), uint16(7))
	f.Add(uint8(0), uint8(2), uint8(1), uint8(0), uint8(5), uint8(0), uint16(1<<13))
	f.Add(uint8(1), uint8(0), uint8(1), uint8(9), uint8(8), uint8(30), uint16(1<<13|100))
	f.Add(uint8(1), uint8(3), uint8(2), uint8(3), uint8(1), uint8(80), uint16(77))
	f.Add(uint8(2), uint8(0), uint8(3), uint8(5), uint8(16), uint8(17), uint16(1<<13|10))
	f.Add(uint8(2), uint8(1), uint8(3), uint8(0), uint8(16), uint8(17), uint16(12))
	f.Add(uint8(3), uint8(0), uint8(0), uint8(7), uint8(22), uint8(9), uint16(1<<13|4))
	f.Fuzz(func(t *testing.T, op, dtype, batch, m, n, k uint8, form uint16) {
		z := fuzzedShape{op, dtype, batch, m, n, k, form}
		if why := z.impossible(newLevel(t, "")); why != "" {
			t.Skip(why)
		}
		oracle := newOracle(t)
		newGraphCase(t, oracle, fmt.Sprintf("%+v", z), z.build).checkAll(t, oracle, new(tally))
	})
}
