package flux

import (
	"fmt"
	"image"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck,revive // the maths reads better without a qualifier

	"reflectionflow"
	"reflectionflow/nn"
)

// Model is one architecture with its weights: what [Pipeline] generates images with.
// It encodes prompts, predicts velocities and decodes latents, in graph functions that
// the pipeline compiles. Packages flux1 and flux2 implement it.
type Model interface {
	TextEncoder
	Denoiser
	Autoencoder
}

// TextEncoder turns the texts of a request into an embedding.
type TextEncoder interface {
	// Texts returns what [TextEncoder.Embed] reads for a request, its reflection
	// worded as the model expects it. A text that the model cannot read gives an error
	// wrapping [reflectionflow.ErrInvalid].
	Texts(r reflectionflow.Request) (Texts, error)
	// Embed is the network: token ids [B, L], int32, of every list of [Tokens], to the
	// values of the embedding, each [B, …] as [Spec].Embedding says. A text's embedding
	// must not depend on the rest of the batch.
	Embed(s nn.Scope, tokens []*Node) []*Node
}

// Texts are the texts of a request.
type Texts struct {
	Prompt   Tokens
	Negative Tokens   // what classifier-free guidance steers away from
	Warnings []string // what of the request the model does not read
}

// Tokens are the token ids of one text: a list for each input of the text encoders,
// always of the same lengths.
type Tokens [][]int32

// Denoiser predicts the velocity of an image that is partly noise.
type Denoiser interface {
	// Spec describes the model. It does not change.
	Spec() Spec
	// Sigmas returns the steps+1 noise levels from 1 to 0 for an image of the given
	// number of tokens.
	Sigmas(steps, tokens int) []float64
	// Velocity is the network: it predicts noise minus image, [B, N, C], for the tokens
	// of in.Image.
	Velocity(s nn.Scope, in Inputs) *Node
}

// Autoencoder turns images [B, H, W, 3] in [-1, 1] into tokens [B, N, C] of the scale
// of the denoiser, and back.
type Autoencoder interface {
	// Frame says how a reference of the given size in pixels is scaled and cropped
	// before Encode, for an image of the given grid. A reference that the model cannot
	// use gives an error wrapping [reflectionflow.ErrInvalid].
	Frame(reference image.Point, image Grid) (Frame, error)
	// Encode returns the mean of the latents: a request determines its image.
	Encode(s nn.Scope, images *Node) *Node
	Decode(s nn.Scope, x Packed) *Node
}

// Spec is what a pipeline has to know about a model.
type Spec struct {
	Store    *nn.Store // the weights that the graph functions ask for
	Unit     int       // the side of a token in pixels
	Channels int       // C, the numbers of a token
	// Embedding lists the shapes of the embedding's values, without the batch.
	Embedding [][]int
	// Guided tells whether a request of that guidance takes classifier-free guidance,
	// with a second text; nil for a model that never does.
	Guided func(guidance float64) bool
	// GuidanceRescale is phi of [RescaleGuidance].
	GuidanceRescale float64
	// Corrects tells whether the model takes a reference, and References how many, where
	// it takes several.
	Corrects   bool
	References int
	// TextPrefixes are those of the text encoders' weights, which are not needed while
	// an image is denoised.
	TextPrefixes []string
}

// Packed is a latent image as tokens.
type Packed struct {
	Tokens *Node // [B, N, C], row by row
	Grid   Grid  // N = Grid.Tokens()
}

// Inputs are the inputs of [Denoiser.Velocity].
type Inputs struct {
	Image      Packed
	References []Packed // encoded references, the first one first
	Embedding  []*Node  // the values of [TextEncoder.Embed]
	Sigma      *Node    // [B], in [0, 1]
	Guidance   *Node    // [B], the request's
}

// Grid is the size of an image in tokens: each side is the image's in pixels, divided
// by [Spec].Unit.
type Grid struct{ Rows, Cols int }

// String returns the numbers of rows and columns, as "32×32 tokens".
func (g Grid) String() string { return fmt.Sprintf("%d×%d tokens", g.Rows, g.Cols) }

// Tokens returns the number of tokens.
func (g Grid) Tokens() int { return g.Rows * g.Cols }

// references is how many references a request may have, if any.
func (s Spec) references() int { return max(1, s.References) }

// grid returns the grid of a request's image.
func (s Spec) grid(r reflectionflow.Request) Grid {
	return Grid{Rows: r.Height / s.Unit, Cols: r.Width / s.Unit}
}
