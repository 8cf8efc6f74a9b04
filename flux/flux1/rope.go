package flux1

import (
	"math"

	"reflectionflow/flux"
)

// position is the position of a token: (type, row, column), FLUX's ids.
type position [3]int

// textPositions are all zero.
func textPositions(n int) []position { return make([]position, n) }

// imagePositions are (0, row, column), row by row.
func imagePositions(g flux.Grid) []position { return shiftedPositions(g, 0) }

// conditionPositions are left of the image, at columns −Cols…−1: OminiControl's
// position delta (0, −size/16), with which FLUX-Corrector was trained.
func conditionPositions(g flux.Grid) []position { return shiftedPositions(g, -g.Cols) }

// alignedPositions are (1, row, column): a token of the condition has the row and
// column of the image's token at the same place, as in FLUX.1 Kontext (arXiv
// 2506.15742, section 3.1).
func alignedPositions(g flux.Grid) []position {
	positions := imagePositions(g)
	for i := range positions {
		positions[i][0] = 1
	}
	return positions
}

func shiftedPositions(g flux.Grid, shift int) []position {
	positions := make([]position, 0, g.Tokens())
	for row := range g.Rows {
		for col := range g.Cols {
			positions = append(positions, position{0, row, col + shift})
		}
	}
	return positions
}

// ropeTheta is FLUX's base of the rotation frequencies.
const ropeTheta = 10000

// rotations returns the cosines and the signed sines of FLUX's rotary embedding
// for the positions, each row-major [len(positions), sum(axes)]. Channels 2k and
// 2k+1 are a pair rotated by position·θ^(−2k/axis), computed in float64. The sine of
// the even channel is negated, so that the rotation is x·cos + swap(x)·sin.
func rotations(positions []position, axes [3]int) (cos, sin []float32) {
	dim := axes[0] + axes[1] + axes[2]
	cos = make([]float32, 0, len(positions)*dim)
	sin = make([]float32, 0, len(positions)*dim)
	for _, p := range positions {
		for axis, width := range axes {
			for k := 0; k < width; k += 2 {
				angle := float64(p[axis]) * math.Pow(ropeTheta, -float64(k)/float64(width))
				s, c := math.Sincos(angle)
				cos = append(cos, float32(c), float32(c))
				sin = append(sin, float32(-s), float32(s))
			}
		}
	}
	return cos, sin
}
