package flux1

import (
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

// typedPositions are (kind, row, column). A condition of kind 1 has the row and column of
// the image's token at the same place, as in FLUX.1 Kontext (arXiv 2506.15742, section
// 3.1).
func typedPositions(g flux.Grid, kind int) []position {
	positions := imagePositions(g)
	for i := range positions {
		positions[i][0] = kind
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

// flat returns the numbers of the positions.
func flat(positions []position) []int {
	numbers := make([]int, 0, 3*len(positions))
	for _, p := range positions {
		numbers = append(numbers, p[:]...)
	}
	return numbers
}
