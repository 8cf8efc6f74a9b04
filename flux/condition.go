package flux

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow/flux/nn"
)

// Condition is the reference image as a third stream beside text and image. It
// passes through the transformer at timestep 0 and guidance 1, whatever those of
// the image are, and is discarded at the end (ReflectionFlow's train_flux, after
// OminiControl, arXiv 2411.15098).
type Condition struct {
	Latents *Node // [B, M, in_channels], packed, scaled
	Grid    Grid  // M = Grid.Tokens()
	// Adapter is the corrector. It acts on the condition stream alone, so that
	// without a condition the model is the base model to the last bit.
	Adapter nn.Adapter
	// AllStreams lets the adapter act on the text and image streams as well,
	// while there is a condition: for models whose text encoder is too small to
	// understand a reflection. FLUX-Corrector has it false.
	AllStreams bool
	// Aligned gives the condition the positions of the image it lies over, with a
	// type of 1; otherwise it stands left of the image. See [Settings.AlignedReference].
	Aligned bool
	// Scale weighs attention between the condition and the rest: log(Scale) is
	// added to their scores. 1, or 0 for unset, changes nothing.
	Scale float64
}

// positions are where the condition's tokens stand.
func (c *Condition) positions() []position {
	if c.Aligned {
		return alignedPositions(c.Grid)
	}
	return conditionPositions(c.Grid)
}

// crossBias is log(scale) on the quadrants where main meets condition,
// [1, 1, S, S], or nil when there is nothing to add.
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
