package reward

import (
	"strconv"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the math reads better without a qualifier

	"reflectionflow/nn"
	"reflectionflow/verifier/detect"
)

const normEpsilon = 1e-5

// ImageScope is the scope of the image encoder in that of the network: a [detect.Patches], so that
// training can start from a detector's.
const ImageScope = "image"

// Patches returns the image encoder.
func (c Config) Patches() detect.Patches {
	return detect.Patches{Side: c.Side, Patch: c.Patch, Width: c.Width, Depth: c.Depth, Heads: c.Heads, Hidden: c.Hidden}
}

// Score is the network: images [B, side, side, 3] in [-1, 1] and word ids [B, length] to scores
// [B]. The words attend to each other and to the patches.
func Score(s nn.Scope, c Config, images, ids *Node) *Node {
	patches := c.Patches().Encode(s.In(ImageScope), images)
	x := nn.Embedding(s.In("words"), ids, firstID+len(c.Vocabulary), c.Width, 0.5)
	x = Add(x, InsertAxes(s.Weight("position", nn.InitNormal(0.1), c.Length, c.Width), 0))
	present := ConvertDType(NotEqual(ids, ScalarZero(ids.Graph(), ids.DType())), dtypes.Float32) // [B, L]
	mask := InsertAxes(MulScalar(OneMinus(present), -1e9), 1, 1)                                 // [B, 1, 1, L]
	for i := range c.TextDepth {
		b := s.In("blocks").In(strconv.Itoa(i))
		y := nn.RMSNorm(b.In("norm1"), x, normEpsilon)
		x = Add(x, detect.Attend(b.In("words"), y, y, c.Heads, mask))
		x = Add(x, detect.Attend(b.In("picture"), nn.RMSNorm(b.In("norm2"), x, normEpsilon), patches, c.Heads, nil))
		x = Add(x, detect.MLP(b.In("mlp"), nn.RMSNorm(b.In("norm3"), x, normEpsilon), c.Hidden))
	}
	weight := InsertAxes(present, -1)
	pooled := Div(ReduceSum(Mul(x, weight), 1), ReduceSum(weight, 1)) // [B, width]
	return Squeeze(nn.Linear(s.In("head"), nn.RMSNorm(s.In("norm"), pooled, normEpsilon), 1), -1)
}

// Loss returns the mean negative log-likelihood that each image of the first half of images [2B,
// …] is better than the one B later, for the texts ids [B, length], and the share of pairs ordered
// correctly.
func Loss(s nn.Scope, c Config, images, ids *Node) (loss, right *Node) {
	scores := Score(s, c, images, Concatenate([]*Node{ids, ids}, 0))
	half := ids.Shape().Dim(0)
	margin := Sub(SliceAxis(scores, 0, AxisRange(0, half)), SliceAxis(scores, 0, AxisRange(half)))
	// −log sigmoid(margin)
	loss = ReduceAllMean(Add(MaxScalar(Neg(margin), 0.0), Log(OnePlus(Exp(Neg(Abs(margin)))))))
	right = ReduceAllMean(ConvertDType(GreaterThan(margin, ZerosLike(margin)), dtypes.Float32))
	return loss, right
}
