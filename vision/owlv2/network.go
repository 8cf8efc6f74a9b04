package owlv2

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow/nn"
	"reflectionflow/vision/internal/tower"
)

// epsilon of the normalizations outside the towers.
const epsilon = 1e-5

// text returns the vectors [B, projection_dim], of length 1, of phrases: ids [B, L] int32, and the
// positions [B] int32 of their last tokens.
func (c config) text(s nn.Scope, ids, last *Node) *Node {
	s = s.In("owlv2")
	return tower.Unit(nn.LinearNoBias(s.In("text_projection"), tower.CLIPText(s.In("text_model"), c.Text, ids, last), c.Projection))
}

// image returns what the network sees at each of P patches of images cut into patches [B, P, n]:
// vectors [B, P, projection_dim] of length 1 to compare with phrases, the shift and the scale [B, P, 1]
// of their logits, boxes [B, P, 4] as center and size in parts of the padded square, and the logits
// [B, P, 1] that something is there.
func (c config) image(s nn.Scope, patches *Node) []*Node {
	m, v := s.In("owlv2.vision_model"), c.Vision
	x := nn.LayerNormAffine(m.In("post_layernorm"), tower.CLIPImage(m, v, patches, "pre_layernorm"), v.Epsilon)
	whole, parts := Slice(x, AxisRange(), AxisRange(0, 1), AxisRange()), Slice(x, AxisRange(), AxisRange(1), AxisRange())
	features := nn.LayerNormAffine(s.In("layer_norm"), Mul(parts, whole), epsilon)

	class := s.In("class_head")
	y := nn.Linear(class.In("dense0"), features, c.Projection)
	y = Div(y, AddScalar(Sqrt(ReduceAndKeep(Square(y), ReduceSum, -1)), 1e-6))
	shift := nn.Linear(class.In("logit_shift"), features, 1)
	scale := OnePlus(elu(nn.Linear(class.In("logit_scale"), features, 1)))

	boxes := Sigmoid(Add(perceptron(s.In("box_head"), features, 4), Const(s.Graph(), [][][]float32{boxBias(v.Grid())})))
	return []*Node{y, shift, scale, boxes, perceptron(s.In("objectness_head"), features, 1)}
}

// perceptron is two hidden layers with the exact GELU and a linear one.
func perceptron(s nn.Scope, x *Node, out int) *Node {
	dim := x.Shape().Dim(-1)
	x = nn.Gelu(nn.Linear(s.In("dense0"), x, dim))
	x = nn.Gelu(nn.Linear(s.In("dense1"), x, dim))
	return nn.Linear(s.In("dense2"), x, out)
}

// elu is x above 0 and e^x-1 below.
func elu(x *Node) *Node {
	zero := ScalarZero(x.Graph(), x.DType())
	return Add(Max(x, zero), AddScalar(Exp(Min(x, zero)), -1))
}

// boxBias is the logits of the boxes that the network corrects: one patch, at the patch's lower right
// corner. Sums are rounded to float32 as in the reference, which matters at the last column and row.
func boxBias(grid int) [][]float32 {
	logit := func(v float64) float32 {
		low, high := float32(v)+1e-4, -float32(v)+1e-4
		return float32(math.Log(float64(low))) - float32(math.Log1p(float64(high)))
	}
	side := logit(1 / float64(grid))
	var bias [][]float32
	for row := range grid {
		for column := range grid {
			bias = append(bias, []float32{logit(float64(column+1) / float64(grid)), logit(float64(row+1) / float64(grid)), side, side})
		}
	}
	return bias
}
