package nn

import (
	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
)

// Kernel is the geometry of a convolution, the same on both axes.
type Kernel struct {
	Size, Stride int
	Pad          [2]int // zeros before and after
	Zero         bool   // in training, weights start at zero and not near the identity
}

// Conv is a convolution of x [B, H, W, C] by "weight" [out, C, k, k] plus "bias"
// [out].
func Conv(s Scope, x *Node, out int, k Kernel) *Node { return k.Rows(s, x, out, k.Pad) }

// Rows is [Conv] with other numbers of rows of zeros above and below x, as for x that is
// a band of an image.
func (k Kernel) Rows(s Scope, x *Node, out int, rows [2]int) *Node {
	in, init := x.Shape().Dim(-1), Init(InitIdentity)
	if k.Zero {
		init = InitZeros
	}
	w := s.Weight("weight", init, out, in, k.Size, k.Size)
	w = TransposeAllAxes(w, 2, 3, 1, 0) // [k, k, in, out]
	var y *Node
	if nativeConvolution(x.Graph().Backend()) {
		y = Convolve(x, w).Strides(k.Stride).PaddingPerDim([][2]int{rows, k.Pad}).Done()
	} else {
		y = im2col(x, w, k.Stride, rows, k.Pad)
	}
	return Add(y, broadcastLast(s.Weight("bias", InitZeros, out), y))
}

// Conv3 is a 3×3 convolution that keeps height and width.
func Conv3(s Scope, x *Node, out int) *Node { return Conv(s, x, out, Same3()) }

// Same3 is the kernel of [Conv3].
func Same3() Kernel { return Kernel{Size: 3, Stride: 1, Pad: [2]int{1, 1}} }

// Conv3Zero is [Conv3] with weights that start at zero in training, so that a residual
// block that ends with it starts as the identity (arXiv 1901.09321).
func Conv3Zero(s Scope, x *Node, out int) *Node {
	k := Same3()
	k.Zero = true
	return Conv(s, x, out, k)
}

// Conv1 is a 1×1 convolution.
func Conv1(s Scope, x *Node, out int) *Node { return Conv(s, x, out, Kernel{Size: 1, Stride: 1}) }

// nativeConvolution reports whether the backend's own convolution is fast. That of
// GoMLX's pure-Go backend has 1% of the speed of its matrix product.
func nativeConvolution(b compute.Backend) bool { return b.String() != gobackend.BackendName }

// im2col convolves by one matrix product: the k·k shifted views of x side by
// side, [B, H', W', k·k·C], times the kernel as a matrix.
func im2col(x, w *Node, stride int, rows, columns [2]int) *Node {
	d, k := x.Shape().Dimensions, w.Shape().Dim(0)
	in, out := d[3], w.Shape().Dim(3)
	if k == 1 && stride == 1 {
		return DotGeneral(x, []int{3}, nil, Reshape(w, in, out), []int{0}, nil)
	}
	axis := func(pad [2]int) PadAxis { return PadAxis{Start: pad[0], End: pad[1]} }
	x = Pad(x, ScalarZero(x.Graph(), x.DType()), PadAxis{}, axis(rows), axis(columns), PadAxis{})
	height := (d[1]+rows[0]+rows[1]-k)/stride + 1
	width := (d[2]+columns[0]+columns[1]-k)/stride + 1
	views := make([]*Node, 0, k*k)
	for row := range k {
		for col := range k {
			views = append(views, Slice(x, AxisRange(),
				AxisRange(row, row+(height-1)*stride+1).Stride(stride),
				AxisRange(col, col+(width-1)*stride+1).Stride(stride), AxisRange()))
		}
	}
	return DotGeneral(Concatenate(views, -1), []int{3}, nil, Reshape(w, k*k*in, out), []int{0}, nil)
}

// Upsample2 doubles height and width of x [B, H, W, C] by repeating pixels.
func Upsample2(x *Node) *Node {
	d := x.Shape().Dimensions
	y := Reshape(x, d[0], d[1], 1, d[2], 1, d[3])
	y = BroadcastToDims(y, d[0], d[1], 2, d[2], 2, d[3])
	return Reshape(y, d[0], 2*d[1], 2*d[2], d[3])
}
