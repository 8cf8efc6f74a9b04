package reflectionflow

import (
	"context"
	"errors"
	"image"
)

// ErrInvalid marks an error that is the caller's to mend: bad input, not a
// failure of the machine. Commands exit with 2 on it, services answer 4xx.
var ErrInvalid = errors.New("invalid input")

// Generator draws images.
//
// Generate takes a batch and returns one Generation per request, in request
// order. A Generation depends on its own request alone: not on the batch, on
// other calls, or on the number of workers. Generate may be called from several
// goroutines. When ctx ends it returns ctx.Err() soon. The error is for the whole
// call (a bad request wraps [ErrInvalid]; nothing was drawn); a single image that
// failed carries its own error in Generation.Err. Retries, if any, are the
// generator's own; the search does not retry.
type Generator interface {
	Generate(ctx context.Context, requests []Request) ([]Generation, error)
}

// Generation is one drawn image and what it cost.
type Generation struct {
	Image image.Image
	Cost  Cost
	Err   error // set when this image alone failed; Image is nil then
	// Unseeded is set when the generator could not be given the request's seed, or
	// did not confirm it: the same request may give another image.
	Unseeded bool
}

// Previewer is a second, optional ability of a [Generator], found by type
// assertion: to stop in the middle of drawing, show what the image will be, and
// go on. Both methods keep the rules of Generate.
//
// Finish(Preview(requests, n)) gives the images of Generate(requests) to the bit,
// and the costs of both calls add up to those of Generate; seconds may be more.
// A preview that is not finished is just dropped.
type Previewer interface {
	Generator
	// Preview takes the first steps of every request, at least 1 and fewer than
	// Request.Steps; any other number is an error wrapping [ErrInvalid].
	Preview(ctx context.Context, requests []Request, steps int) ([]Preview, error)
	// Finish draws previews to the end. One that has an error, or is of another
	// generator, is an error wrapping [ErrInvalid].
	Finish(ctx context.Context, previews []Preview) ([]Generation, error)
}

// Preview is an image that is drawn in part.
type Preview struct {
	Request Request
	Steps   int         // denoising steps taken
	Image   image.Image // what the finished image is expected to be, of its size
	Cost    Cost        // so far: steps, and no image yet
	Err     error       // set when this image alone failed; Image is nil then
	State   any         // what the generator goes on from; its own affair
}

// PromptedImage is an image to be judged against a prompt.
type PromptedImage struct {
	Prompt Prompt
	Image  image.Image
}

// Verifier scores pictures.
//
// Verify returns one Score per picture, in order. A Score depends on its own
// picture alone. It may be called from several goroutines, beside Generate. The
// rules for ctx, errors and retries are those of [Generator]; a verifier has no
// per-picture error: what it cannot judge it returns as findings with Unsure.
type Verifier interface {
	Verify(ctx context.Context, pictures []PromptedImage) ([]Score, error)
}

// PreviewVerifier is a second, optional ability of a [Verifier], found by type
// assertion: to judge previews. Its scores compare with one another and not with
// those of finished pictures. The rules are those of Verify.
type PreviewVerifier interface {
	Verifier
	VerifyPreviews(ctx context.Context, pictures []PromptedImage) ([]Score, error)
}

// Observation is what a reflector or a refiner looks at: a drawn image, its
// score, and the seed that makes the answer reproducible.
type Observation struct {
	Prompt  Prompt
	Request Request // what drew Image
	Image   image.Image
	Score   Score
	// Reflection is what the corrector will be told beside the refined prompt;
	// empty for a reflector, and where the picture will be drawn anew.
	Reflection string
	Seed       uint64
}

// Reflection says what is wrong with an image and what to do about it.
// An empty Text means that nothing is.
type Reflection struct {
	Text string
	// Caption says what the image shows instead, in the words of a prompt: see
	// [Request.ReferenceCaption]. It may be empty.
	Caption string
	Cost    Cost
}

// Reflector turns observations into reflections, one each, in order. It sees
// only what a Verifier found and the picture itself. Rules as for [Verifier].
type Reflector interface {
	Reflect(ctx context.Context, observations []Observation) ([]Reflection, error)
}

// Refinement is a rewritten prompt for the generator. The original prompt stays
// the yardstick.
type Refinement struct {
	Text string
	Cost Cost
}

// Refiner rewrites prompts, one refinement per observation, in order. Image and
// Score are zero when nothing was drawn yet. Rules as for [Verifier].
type Refiner interface {
	Refine(ctx context.Context, observations []Observation) ([]Refinement, error)
}
