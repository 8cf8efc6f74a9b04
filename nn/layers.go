package nn

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
)

// Linear is y = x·Wᵀ + b over the last axis: "weight" [out, in], "bias" [out].
func Linear(s Scope, x *Node, out int) *Node { return linear(s, x, out, true, InitXavier) }

// LinearNoBias is y = x·Wᵀ.
func LinearNoBias(s Scope, x *Node, out int) *Node { return linear(s, x, out, false, InitXavier) }

// LinearZero is [Linear] with weights that start at zero in training, for the
// modulations and the last layer of a diffusion transformer (adaLN-Zero, arXiv
// 2212.09748).
func LinearZero(s Scope, x *Node, out int) *Node { return linear(s, x, out, true, InitZeros) }

func linear(s Scope, x *Node, out int, bias bool, init Init) *Node {
	in := x.Shape().Dim(-1)
	y := MatVec(x, s.Weight("weight", init, out, in))
	if bias {
		y = Add(y, broadcastLast(s.Weight("bias", InitZeros, out), y))
	}
	if s.adapter != nil {
		y = s.adapter(s.path, x, y)
	}
	return y
}

// MatVec is x·Wᵀ over the last axis of x, for W of shape [out, in].
func MatVec(x, w *Node) *Node {
	return DotGeneral(x, []int{x.Rank() - 1}, nil, w, []int{1}, nil)
}

// Embedding returns the rows of "weight" [vocabulary, dim] for ids [..., n]:
// [..., n, dim].
func Embedding(s Scope, ids *Node, vocabulary, dim int, std float64) *Node {
	full, dims := s.join("weight"), []int{vocabulary, dim}
	if _, used := s.binding.nodes[full]; !used {
		s.binding.lookups[full] = true
	}
	table := s.parameter(full, InitNormal(std), dims)
	if table.DType() == dtypes.Float32 {
		return Gather(s.weight(full, InitNormal(std), dims), InsertAxes(ids, -1))
	}
	return ConvertDType(Gather(table, InsertAxes(ids, -1)), dtypes.Float32)
}

// LayerNorm normalizes the last axis to mean 0 and variance 1, without weights.
func LayerNorm(x *Node, epsilon float64) *Node {
	mean := ReduceAndKeep(x, ReduceMean, -1)
	centred := Sub(x, mean)
	variance := ReduceAndKeep(Square(centred), ReduceMean, -1)
	return Div(centred, Sqrt(AddScalar(variance, epsilon)))
}

// LayerNormAffine is [LayerNorm] times "weight" plus "bias".
func LayerNormAffine(s Scope, x *Node, epsilon float64) *Node {
	dim := x.Shape().Dim(-1)
	y := LayerNorm(x, epsilon)
	y = Mul(y, broadcastLast(s.Weight("weight", InitOnes, dim), y))
	return Add(y, broadcastLast(s.Weight("bias", InitZeros, dim), y))
}

// RMSNorm divides the last axis by its root mean square and multiplies by "weight".
func RMSNorm(s Scope, x *Node, epsilon float64) *Node {
	dim := x.Shape().Dim(-1)
	rms := Sqrt(AddScalar(ReduceAndKeep(Square(x), ReduceMean, -1), epsilon))
	y := Div(x, rms)
	return Mul(y, broadcastLast(s.Weight("weight", InitOnes, dim), y))
}

// GroupNorm normalizes groups of channels over the image: x [B, H, W, C], with
// "weight" and "bias" [C].
func GroupNorm(s Scope, x *Node, groups int, epsilon float64) *Node {
	return GroupStatisticsOf(x, groups, epsilon).Norm(s, x)
}

// GroupStatistics are the means and standard deviations of groups of channels over an
// image, each [B, 1, groups, 1].
type GroupStatistics struct{ Mean, Deviation *Node }

// GroupStatisticsOf computes the statistics of x [B, H, W, C].
func GroupStatisticsOf(x *Node, groups int, epsilon float64) GroupStatistics {
	y := grouped(x, groups)
	mean := ReduceAndKeep(y, ReduceMean, 1, 3)
	variance := ReduceAndKeep(Square(Sub(y, mean)), ReduceMean, 1, 3)
	return GroupStatistics{mean, Sqrt(AddScalar(variance, epsilon))}
}

// Norm is [GroupNorm] by these statistics of x [B, H, W, C], which may be some rows of
// the image that they are of.
func (g GroupStatistics) Norm(s Scope, x *Node) *Node {
	d := x.Shape().Dimensions
	y := grouped(x, g.Mean.Shape().Dim(2))
	y = Reshape(Div(Sub(y, g.Mean), g.Deviation), d...)
	y = Mul(y, broadcastLast(s.Weight("weight", InitOnes, d[3]), y))
	return Add(y, broadcastLast(s.Weight("bias", InitZeros, d[3]), y))
}

// grouped splits the channels: [B, H, W, C] to [B, HW, G, C/G].
func grouped(x *Node, groups int) *Node {
	d := x.Shape().Dimensions
	return Reshape(x, d[0], d[1]*d[2], groups, d[3]/groups)
}

// SiLU is x·sigmoid(x).
func SiLU(x *Node) *Node { return Mul(x, Sigmoid(x)) }

// GeluTanh is the tanh approximation of GELU (arXiv 1606.08415), PyTorch's
// gelu(approximate="tanh") and T5's "gelu_new".
func GeluTanh(x *Node) *Node {
	inner := MulScalar(Add(x, MulScalar(Mul(Square(x), x), 0.044715)), math.Sqrt(2/math.Pi))
	return Mul(MulScalar(x, 0.5), OnePlus(Tanh(inner)))
}

// Gelu is x·Φ(x), the exact GELU, PyTorch's gelu.
func Gelu(x *Node) *Node { return Mul(MulScalar(x, 0.5), OnePlus(Erf(MulScalar(x, 1/math.Sqrt2)))) }

// QuickGelu is x·sigmoid(1.702x), CLIP's activation.
func QuickGelu(x *Node) *Node { return Mul(x, Sigmoid(MulScalar(x, 1.702))) }

// SoftmaxLast is the softmax over the last axis in float32, composed of simple
// operations, because GoMLX's fused one has no gradient.
func SoftmaxLast(x *Node) *Node {
	peak := StopGradient(ReduceAndKeep(x, ReduceMax, -1))
	e := Exp(Sub(x, peak))
	return Div(e, ReduceAndKeep(e, ReduceSum, -1))
}

// Attention is softmax(q·kᵀ·scale + bias)·v for q [B, L, H, D], k and v
// [B, S, H, D]; bias may be nil or broadcastable to [B, H, L, S]. It returns
// [B, L, H·D].
func Attention(q, k, v, bias *Node, scale float64) *Node {
	d := q.Shape().Dimensions
	scores := DotGeneral(MulScalar(q, scale), []int{3}, []int{0, 2}, k, []int{3}, []int{0, 2}) // [B, H, L, S]
	if bias != nil {
		scores = Add(scores, bias)
	}
	out := DotGeneral(SoftmaxLast(scores), []int{3}, []int{0, 1}, v, []int{1}, []int{0, 2}) // [B, H, L, D]
	return Reshape(TransposeAllAxes(out, 0, 2, 1, 3), d[0], d[1], d[2]*d[3])
}

// Heads splits the last axis: [B, L, H·D] to [B, L, H, D].
func Heads(x *Node, heads int) *Node {
	d := x.Shape().Dimensions
	return Reshape(x, d[0], d[1], heads, d[2]/heads)
}

// Images turns bytes [B, H, W, 3] into numbers in [-1, 1].
func Images(x *Node) *Node {
	return AddScalar(MulScalar(ConvertDType(x, dtypes.Float32), 2.0/255), -1)
}

// broadcastLast gives a vector [C] the rank of like, whose last axis is C.
func broadcastLast(vector, like *Node) *Node {
	dims := make([]int, like.Rank())
	for i := range dims {
		dims[i] = 1
	}
	dims[len(dims)-1] = vector.Shape().Dim(0)
	return Reshape(vector, dims...)
}
