package ssdlite

import (
	"strconv"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the math reads better without a qualifier

	"reflectionflow/nn"
)

// side is the side of the network's input in pixels.
const side = 300

// columns is the number of class scores per anchor: background and the COCO ids 1 to 90.
const columns = 91

// codes is the number of box outputs per anchor.
const codes = 4

// block is an inverted residual block of MobileNetV2 (arXiv 1801.04381): its input, middle and
// output channels and its stride. A block of stride 1 that keeps its channels has a shortcut.
type block struct{ in, middle, out, stride int }

var blocks = [...]block{
	{32, 32, 16, 1},
	{16, 96, 24, 2},
	{24, 144, 24, 1},
	{24, 144, 32, 2},
	{32, 192, 32, 1},
	{32, 192, 32, 1},
	{32, 192, 64, 2},
	{64, 384, 64, 1},
	{64, 384, 64, 1},
	{64, 384, 64, 1},
	{64, 384, 96, 1},
	{96, 576, 96, 1},
	{96, 576, 96, 1},
	{96, 576, 160, 2},
	{160, 960, 160, 1},
	{160, 960, 160, 1},
	{160, 960, 320, 1},
}

// tapped is the block whose expanded input is the first feature map.
const tapped = 13

// extras are the layers that halve the last feature map: middle and output channels.
var extras = [...][2]int{{256, 512}, {128, 256}, {128, 256}, {64, 128}}

// maps are the feature maps: their side in cells and their anchors per cell.
var maps = [...]struct{ grid, anchors int }{{19, 3}, {10, 6}, {5, 6}, {3, 6}, {2, 6}, {1, 6}}

// predict is the network: images [B, 300, 300, 3] in [-1, 1] to class logits [B, 1917, 91] and box
// codes [B, 1917, 4], in the order of [anchors].
func predict(s nn.Scope, images *Node) (logits, boxes *Node) {
	images.AssertDims(-1, side, side, 3)
	var features []*Node
	x := relu6(dense(s.In("stem"), images, 32, 2))
	for i, b := range blocks {
		here := s.In("blocks").In(strconv.Itoa(i))
		y := x
		if i > 0 {
			y = relu6(pointwise(here.In("expand"), y, b.middle))
		}
		if i == tapped {
			features = append(features, y)
		}
		y = relu6(depthwise(here.In("dw"), y, b.stride))
		y = pointwise(here.In("project"), y, b.out)
		if b.stride == 1 && b.in == b.out {
			y = Add(x, y)
		}
		x = y
	}
	x = relu6(pointwise(s.In("head"), x, 1280))
	features = append(features, x)
	for i, channels := range extras {
		here := s.In("extras").In(strconv.Itoa(i))
		x = relu6(pointwise(here.In("reduce"), x, channels[0]))
		x = relu6(depthwise(here.In("dw"), x, 2))
		x = relu6(pointwise(here.In("project"), x, channels[1]))
		features = append(features, x)
	}
	var allLogits, allBoxes []*Node
	for i, x := range features {
		here, m := s.In("predict").In(strconv.Itoa(i)), maps[i]
		x.AssertDims(-1, m.grid, m.grid, -1)
		part := func(name string, outputs int) *Node {
			y := relu6(depthwise(here.In(name+"_dw"), x, 1))
			y = pointwise(here.In(name), y, m.anchors*outputs)
			return Reshape(y, -1, m.grid*m.grid*m.anchors, outputs)
		}
		allLogits, allBoxes = append(allLogits, part("cls", columns)), append(allBoxes, part("box", codes))
	}
	return Concatenate(allLogits, 1), Concatenate(allBoxes, 1)
}

func relu6(x *Node) *Node { return MinScalar(MaxScalar(x, 0.0), 6.0) }

// dense is a 3×3 convolution of x [B, H, W, C]: "weight" [3, 3, C, out], "bias" [out].
func dense(s nn.Scope, x *Node, out, stride int) *Node {
	w := s.Weight("weight", nil, 3, 3, x.Shape().Dim(-1), out)
	y := Convolve(x, w).Strides(stride).PaddingPerDim(padding(x, stride)).Done()
	return addBias(s, y)
}

// pointwise is a 1×1 convolution of x [B, H, W, C]: "weight" [1, 1, C, out], "bias" [out].
func pointwise(s nn.Scope, x *Node, out int) *Node {
	in := x.Shape().Dim(-1)
	w := Reshape(s.Weight("weight", nil, 1, 1, in, out), in, out)
	return addBias(s, DotGeneral(x, []int{3}, nil, w, []int{0}, nil))
}

// depthwise is a 3×3 convolution of every channel of x [B, H, W, C] by itself: "weight"
// [3, 3, 1, C], "bias" [C]. It adds nine shifted views, which package cpu fuses into one loop: the
// network takes 40 ms so, and 107 ms with grouped convolutions (two cores).
func depthwise(s nn.Scope, x *Node, stride int) *Node {
	d := x.Shape().Dimensions
	w := s.Weight("weight", nil, 3, 3, 1, d[3])
	p := padding(x, stride)
	rows, cols := PadAxis{Start: p[0][0], End: p[0][1]}, PadAxis{Start: p[1][0], End: p[1][1]}
	x = Pad(x, ScalarZero(x.Graph(), x.DType()), PadAxis{}, rows, cols, PadAxis{})
	height, width := (d[1]+stride-1)/stride, (d[2]+stride-1)/stride
	var sum *Node
	for row := range 3 {
		for col := range 3 {
			view := Slice(x, AxisRange(),
				AxisRange(row, row+(height-1)*stride+1).Stride(stride),
				AxisRange(col, col+(width-1)*stride+1).Stride(stride), AxisRange())
			term := Mul(view, Slice(w, AxisElem(row), AxisElem(col)))
			if sum != nil {
				term = Add(sum, term)
			}
			sum = term
		}
	}
	return addBias(s, sum)
}

func addBias(s nn.Scope, y *Node) *Node {
	channels := y.Shape().Dim(-1)
	return Add(y, Reshape(s.Weight("bias", nil, channels), 1, 1, 1, channels))
}

// padding is TensorFlow's SAME for a 3×3 kernel: the output has ⌈side/stride⌉ pixels, and an odd
// zero goes to the end.
func padding(x *Node, stride int) [][2]int {
	var p [][2]int
	for _, n := range x.Shape().Dimensions[1:3] {
		total := max(((n+stride-1)/stride-1)*stride+3-n, 0)
		p = append(p, [2]int{total / 2, total - total/2})
	}
	return p
}
