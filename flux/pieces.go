package flux

import (
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow/nn"
)

// Pieces is a denoiser in pieces that run one after another, for training a model that is
// larger than memory: only what one piece hands to the next has to be kept for the
// gradient. The pieces in order compute what [Denoiser].Velocity does.
type Pieces struct {
	// Shared computes what every piece reads besides its state, such as the embedding
	// of the noise level. No gradient passes through it: adapters do not act on it.
	Shared func(s nn.Scope, in Inputs) []*Node
	List   []Piece
}

// Piece is a part of a denoiser.
type Piece struct {
	// Kind is the same for pieces whose graphs differ only in the block that their
	// weights belong to; empty for a piece unlike all others.
	Kind  string
	Block string // name of the block below the transformer; empty for none
	// Run takes what the piece before returned, nil for the first; the last returns the
	// velocity alone.
	Run func(s nn.Scope, in Inputs, shared, state []*Node) []*Node
}
