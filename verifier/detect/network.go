package detect

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow/flux/nn"
)

const normEpsilon = 1e-5

// rarity is the logit of presence that an untrained network starts from: about
// two centres in a hundred cells.
const rarity = -4

// prediction is what a network says of every cell.
type prediction struct {
	presence *Node // [B, cells] logits
	box      *Node // [B, cells, 4]
	class    *Node // [B, cells, classes] logits
	color    *Node // [B, cells, colours + 1] logits, the natural colour last
}

// predict is the detector's network: images [B, side, side, 3] in [-1, 1].
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
		presence: AddScalar(Squeeze(cut(0, 1), -1), rarity),
		box:      cut(1, classes),
		class:    cut(classes, colors),
		color:    cut(colors, c.outputs()),
	}
}

// Patches is a small transformer over the patches of a picture.
type Patches struct {
	Side, Patch                 int // pixels; Patch divides Side
	Width, Depth, Heads, Hidden int
}

// Encode turns images [B, Side, Side, 3] in [-1, 1] into tokens [B, patches,
// Width]. A convolution over neighbouring patches comes before attention (early
// convolutions, arXiv 2106.14881); blocks are pre-norm (arXiv 2010.11929).
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

// Attend lets x [B, L, width] attend to y [B, S, width] with the given heads; bias
// may be nil or broadcastable to [B, heads, L, S].
func Attend(s nn.Scope, x, y *Node, heads int, bias *Node) *Node {
	width := x.Shape().Dim(-1)
	part := func(name string, of *Node) *Node { return nn.Heads(nn.Linear(s.In(name), of, width), heads) }
	scale := 1 / math.Sqrt(float64(width/heads))
	return nn.Linear(s.In("out"), nn.Attention(part("q", x), part("k", y), part("v", y), bias, scale), width)
}

// MLP is two linear layers with a ReLU between, which costs a tenth of a GELU on a
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

// residual is the convolutional network: a stem over squares of half a cell's
// side, a residual block at half the width, a convolution of stride 2 down to the
// cells and Depth blocks there (arXiv 1512.03385 with group norms, arXiv 1803.08494).
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

// residualBlock adds two convolutions of x [B, H, W, C] to it.
func residualBlock(s nn.Scope, x *Node, groups int) *Node {
	width := x.Shape().Dim(-1)
	y := nn.Conv3(s.In("conv1"), relu(nn.GroupNorm(s.In("norm1"), x, groups, normEpsilon)), width)
	y = nn.Conv3(s.In("conv2"), relu(nn.GroupNorm(s.In("norm2"), y, groups, normEpsilon)), width)
	return Add(x, y)
}
