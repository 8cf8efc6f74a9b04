package flux1

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow/flux"
	"reflectionflow/nn"
)

// Condition is the reference image as a third stream, besides text and image. It
// passes through the transformer at timestep 0 and guidance 1, whatever those of the
// image are, and its output is discarded (ReflectionFlow's train_flux, after
// OminiControl, arXiv 2411.15098).
type Condition struct {
	Latents *Node     // [B, M, in_channels], packed, scaled
	Grid    flux.Grid // M = Grid.Tokens()
	// Adapter is the corrector. It acts on the condition stream only: without a
	// condition the model is the base model, byte for byte.
	Adapter nn.Adapter
	// AllStreams lets the adapter act on the text and image streams as well, where
	// there is a condition. It is for models whose text encoder is too small to
	// understand a reflection; FLUX-Corrector does not use it.
	AllStreams bool
	// Aligned gives the condition's tokens the rows and columns of the image's, with
	// type 1; otherwise they are left of the image. See [Settings.AlignedReference].
	Aligned bool
	// Scale weighs attention between the condition and the rest: log(Scale) is
	// added to their scores. 1, or 0 for unset, changes nothing.
	Scale float64
}

// positions returns the positions of the condition's tokens.
func (c *Condition) positions() []position {
	if c.Aligned {
		return typedPositions(c.Grid, 1)
	}
	return conditionPositions(c.Grid)
}

// crossBias returns what is added to attention scores, [1, 1, S, S]: log(scale)
// between the condition and the rest. It is nil for a scale of 1.
func crossBias(g *Graph, main, condition int, scale float64) *Node {
	if scale == 1 || scale == 0 {
		return nil
	}
	total, bias := main+condition, float32(math.Log(scale))
	values := make([]float32, total*total)
	for row := range total {
		for col := range total {
			if (row < main) != (col < main) {
				values[row*total+col] = bias
			}
		}
	}
	return constant(g, values, 1, 1, total, total)
}
