package detect

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the math reads better without a qualifier

	"reflectionflow/nn"
)

// Weights of the parts of the loss, each a mean over objects.
const (
	colorWeight = 0.7
	boxWeight   = 0.5
)

// LossParts names the parts of [Loss] in order.
var LossParts = []string{"presence", "class", "color", "box"}

// Loss returns the loss of the network in scope s on images [B, side, side, 3] in [-1, 1] against
// the two tensors of a [Target], and its parts. Presence has the plain cross-entropy, whose
// optimum is a calibrated probability; that of a focal loss is not.
func Loss(s nn.Scope, c Config, images, floats, ints *Node) (loss *Node, parts []*Node) {
	p := predict(s, c, images)
	column := func(x *Node, i int) *Node { return Squeeze(SliceAxis(x, -1, AxisElem(i)), -1) }
	present, weight := column(floats, 0), column(floats, 1)
	objects := MaxScalar(ReduceAllSum(weight), 1.0)
	perObject := func(x *Node) *Node { return Div(ReduceAllSum(Mul(x, weight)), objects) }

	presence := Div(ReduceAllSum(binaryCrossEntropy(p.presence, present)), objects)
	class := perObject(crossEntropy(p.class, column(ints, 0)))
	color := perObject(crossEntropy(p.color, column(ints, 1)))
	box := perObject(ReduceSum(Abs(Sub(p.box, SliceAxis(floats, -1, AxisRange(2)))), -1))
	loss = Add(Add(presence, class), Add(MulScalar(color, colorWeight), MulScalar(box, boxWeight)))
	return loss, []*Node{presence, class, color, box}
}

// binaryCrossEntropy of logits against targets in [0, 1].
func binaryCrossEntropy(logits, targets *Node) *Node {
	tail := Log(OnePlus(Exp(Neg(Abs(logits)))))
	return Add(Sub(relu(logits), Mul(logits, targets)), tail)
}

// crossEntropy of logits [..., n] against labels [...].
func crossEntropy(logits, labels *Node) *Node {
	n := logits.Shape().Dim(-1)
	peak := StopGradient(ReduceAndKeep(logits, ReduceMax, -1))
	shifted := Sub(logits, peak)
	log := Log(ReduceSum(Exp(shifted), -1))
	return Sub(log, ReduceSum(Mul(shifted, OneHot(labels, n, dtypes.Float32)), -1))
}
