package flux

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier
	"github.com/gomlx/gomlx/core/tensors"
)

// Rotary is a rotary position embedding (arXiv 2104.09864) of several axes.
type Rotary struct{ cos, sin *Node } // [1, S, 1, head dim]

// NewRotary returns the embedding of a sequence of S tokens: positions holds S·len(axes)
// numbers, token by token. axes divides a head's channels among the axes, see
// [Rotations].
func NewRotary(g *Graph, positions, axes []int, theta float64) Rotary {
	cos, sin := Rotations(positions, axes, theta)
	tokens := len(positions) / len(axes)
	table := func(values []float32) *Node {
		return ConstTensor(g, tensors.FromFlatDataAndDimensions(values, 1, tokens, 1, len(values)/tokens))
	}
	return Rotary{table(cos), table(sin)}
}

// Apply rotates x [B, S, heads, head dim].
func (r Rotary) Apply(x *Node) *Node {
	d := x.Shape().Dimensions
	swapped := Reshape(Reverse(Reshape(x, d[0], d[1], d[2], d[3]/2, 2), -1), d...)
	return Add(Mul(x, r.cos), Mul(swapped, r.sin))
}

// Rotations returns the cosines and the signed sines for positions of len(axes) numbers
// each, row-major [len(positions)/len(axes), sum(axes)]. Channels 2k and 2k+1 of an axis
// are a pair rotated by position·θ^(−2k/axis), computed in float64. The sine of the even
// channel is negated, so that the rotation is x·cos + swap(x)·sin.
func Rotations(positions, axes []int, theta float64) (cos, sin []float32) {
	for at := 0; at < len(positions); at += len(axes) {
		for axis, width := range axes {
			for k := 0; k < width; k += 2 {
				angle := float64(positions[at+axis]) * math.Pow(theta, -float64(k)/float64(width))
				s, c := math.Sincos(angle)
				cos = append(cos, float32(c), float32(c))
				sin = append(sin, float32(-s), float32(s))
			}
		}
	}
	return cos, sin
}

// Sinusoid embeds numbers [B] as [B, width]: cosines, then sines, at frequencies from 1
// down to 1/10000 (diffusers' Timesteps with flip_sin_to_cos and downscale_freq_shift 0).
func Sinusoid(x *Node, width int) *Node {
	half := width / 2
	frequencies := make([]float32, half)
	for i := range frequencies {
		// In float32 as the reference: an angle is up to 1000 times as wrong as
		// its frequency.
		exponent := float32(-math.Log(10000)) * float32(i) / float32(half)
		frequencies[i] = float32(math.Exp(float64(exponent)))
	}
	row := ConstTensor(x.Graph(), tensors.FromFlatDataAndDimensions(frequencies, 1, half))
	angles := Mul(InsertAxes(x, -1), row)
	return Concatenate([]*Node{Cos(angles), Sin(angles)}, -1)
}
