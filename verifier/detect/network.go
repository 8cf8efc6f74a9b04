package detect

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the math reads better without a qualifier

	"reflectionflow/nn"
)

const normEpsilon = 1e-5

// presencePrior is the logit of presence of an untrained network: about two centers per hundred
// cells.
const presencePrior = -4

// prediction is the output of a network for every cell.
type prediction struct {
	presence *Node // [B, cells] logits
	box      *Node // [B, cells, 4]
	class    *Node // [B, cells, classes] logits
	color    *Node // [B, cells, colors + 1] logits, the natural color last
}

// predict is the network: images [B, side, side, 3] in [-1, 1] to predictions.
func predict(s nn.Scope, c Config, images *Node) prediction {
	images.AssertDims(-1, c.Side, c.Side, 3)
	var x *Node // [B, cells, width]
	if c.Architecture == Residual {
		x = residual(s, c, images)
	} else {
		x = Patches{Side: c.Side, Patch: c.Cell, Width: c.Width, Depth: c.Depth, Heads: c.Heads, Hidden: c.Hidden}.Encode(s, images)
	}
	y := nn.Linear(s.In("head"), x, c.outputs())
	cut := func(from, to int) *Node { return SliceAxis(y, -1, AxisRange(from, to)) }
	classes := 1 + boxNumbers
	colors := classes + len(c.Classes)
	return prediction{
		presence: AddScalar(Squeeze(cut(0, 1), -1), presencePrior),
		box:      cut(1, classes),
		class:    cut(classes, colors),
		color:    cut(colors, c.outputs()),
	}
}

// Patches is a small transformer over the patches of an image.
type Patches struct {
	Side, Patch                 int // pixels; Patch divides Side
	Width, Depth, Heads, Hidden int
}

// Encode maps images [B, Side, Side, 3] in [-1, 1] to tokens [B, patches, Width]. A convolution
// over neighboring patches comes before attention (early convolutions, arXiv 2106.14881); blocks
// are pre-norm (arXiv 2010.11929).
func (p Patches) Encode(s nn.Scope, images *Node) *Node {
	grid := p.Side / p.Patch
	x := patchify(images, p.Patch) // [B, grid, grid, patch·patch·3]
	x = nn.Linear(s.In("patch"), x, p.Width)
	x = Add(x, nn.Conv3(s.In("stem"), relu(nn.RMSNorm(s.In("stem_norm"), x, normEpsilon)), p.Width))
	x = Reshape(x, -1, grid*grid, p.Width)
	position := s.Weight("position", nn.InitNormal(0.02), grid*grid, p.Width)
	x = Add(x, InsertAxes(position, 0))
	for i := range p.Depth {
		x = p.block(s.In("blocks").In(digits(i)), x)
	}
	return nn.RMSNorm(s.In("norm"), x, normEpsilon)
}

func (p Patches) block(s nn.Scope, x *Node) *Node {
	y := nn.RMSNorm(s.In("norm1"), x, normEpsilon)
	x = Add(x, Attend(s.In("attention"), y, y, p.Heads, nil))
	y = nn.RMSNorm(s.In("norm2"), x, normEpsilon)
	return Add(x, MLP(s.In("mlp"), y, p.Hidden))
}

// Attend is multi-head attention of x [B, L, width] to y [B, S, width]. The bias may be nil or
// must broadcast to [B, heads, L, S].
func Attend(s nn.Scope, x, y *Node, heads int, bias *Node) *Node {
	width := x.Shape().Dim(-1)
	part := func(name string, of *Node) *Node { return nn.Heads(nn.Linear(s.In(name), of, width), heads) }
	scale := 1 / math.Sqrt(float64(width/heads))
	return nn.Linear(s.In("out"), nn.Attention(part("q", x), part("k", y), part("v", y), bias, scale), width)
}

// MLP is two linear layers with a ReLU between, which takes a tenth of the time of a GELU on a
// CPU.
func MLP(s nn.Scope, x *Node, hidden int) *Node {
	return nn.Linear(s.In("out"), relu(nn.Linear(s.In("in"), x, hidden)), x.Shape().Dim(-1))
}

func relu(x *Node) *Node { return MaxScalar(x, 0.0) }

// patchify cuts x [B, H, W, C] into squares: [B, H/n, W/n, n·n·C].
func patchify(x *Node, n int) *Node {
	d := x.Shape().Dimensions
	x = Reshape(x, d[0], d[1]/n, n, d[2]/n, n, d[3])
	return Reshape(TransposeAllAxes(x, 0, 1, 3, 2, 4, 5), d[0], d[1]/n, d[2]/n, n*n*d[3])
}

// residual is the convolutional network: a stem over squares of half a cell's side, a residual
// block at half the width, a convolution of stride 2 to the cells and Depth blocks there (arXiv
// 1512.03385 with group norms, arXiv 1803.08494).
func residual(s nn.Scope, c Config, images *Node) *Node {
	x := nn.Linear(s.In("stem"), patchify(images, c.Cell/2), c.Width/2)
	x = residualBlock(s.In("first"), x, c.Groups)
	x = nn.Conv(s.In("down"), x, c.Width, nn.Kernel{Size: 3, Stride: 2, Pad: [2]int{0, 1}})
	for i := range c.Depth {
		x = residualBlock(s.In("blocks").In(digits(i)), x, c.Groups)
	}
	x = relu(nn.GroupNorm(s.In("norm"), x, c.Groups, normEpsilon))
	return Reshape(x, -1, c.cells(), x.Shape().Dim(-1))
}

// residualBlock adds two convolutions of x [B, H, W, C] to x.
func residualBlock(s nn.Scope, x *Node, groups int) *Node {
	width := x.Shape().Dim(-1)
	y := nn.Conv3(s.In("conv1"), relu(nn.GroupNorm(s.In("norm1"), x, groups, normEpsilon)), width)
	y = nn.Conv3(s.In("conv2"), relu(nn.GroupNorm(s.In("norm2"), y, groups, normEpsilon)), width)
	return Add(x, y)
}
