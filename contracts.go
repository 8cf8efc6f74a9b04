package reflectionflow

import (
	"context"
	"image"
)

// Generator generates images.
//
// Generate takes a batch and returns one Generation per request, in request order. A
// Generation depends on its own request alone: not on the batch, on other calls, or on
// the number of workers. Generate may be called from several goroutines. When ctx ends
// it returns ctx.Err() soon.
//
// The error is for the whole call: a bad request wraps [ErrInvalid], and nothing is
// generated. An image that failed alone carries its error in Generation.Err. The
// generator retries transient failures where it can; a search repeats a whole call that
// was not retried a few times, and never a single image. To serve one image at a time,
// use [GeneratorFunc].
type Generator interface {
	Generate(ctx context.Context, requests []Request) ([]Generation, error)
}

// Generation is one generated image and its cost.
type Generation struct {
	Image image.Image
	Cost  Cost
	// Err is set when this image alone failed; Image is nil then. It wraps
	// [ErrPermanent] when the same request would fail again.
	Err error
	// Unseeded is set when the generator could not be given the request's seed, or
	// did not confirm it: the same request may give another image.
	Unseeded bool
	// Warnings say what of the request had no effect, such as the end of a prompt that
	// is longer than the model reads. They are for people: never parsed.
	Warnings []string
}

// Previewer is an optional ability of a [Generator], found by type assertion: to stop
// in the middle of denoising, show what the image will be, and continue. Both methods
// keep the rules of Generate.
//
// Finish(Preview(requests, n)) gives the images of Generate(requests), byte-identical,
// and the costs of both calls add up to those of Generate, except that seconds may be
// more. A preview that is not needed is dropped without a call.
type Previewer interface {
	Generator
	// Preview takes the first steps of every request, at least 1 and fewer than
	// Request.Steps; any other number is an error wrapping [ErrInvalid].
	Preview(ctx context.Context, requests []Request, steps int) ([]Preview, error)
	// Finish takes the remaining steps. A preview that has an error, or is of another
	// generator, is an error wrapping [ErrInvalid].
	Finish(ctx context.Context, previews []Preview) ([]Generation, error)
}

// Preview is a partly denoised image.
type Preview struct {
	Request Request
	Steps   int         // denoising steps taken
	Image   image.Image // what the finished image is expected to be, at its size
	Cost    Cost        // so far: steps, and no image yet
	Err     error       // set when this image alone failed; Image is nil then
	State   any         // what the generator continues from; opaque to others
}

// PromptedImage is an image to be judged against a prompt.
type PromptedImage struct {
	Prompt Prompt
	Image  image.Image
}

// Verifier scores images.
//
// Verify returns one Score per image, in order. A Score depends on its own image
// alone. Verify may be called from several goroutines, concurrently with Generate. The
// rules for ctx, errors and retries are those of [Generator], but there is no error per
// image: a requirement that the verifier cannot judge gets a finding with [Unsure], and
// an image that it cannot judge at all a Score with Unanswered.
type Verifier interface {
	Verify(ctx context.Context, images []PromptedImage) ([]Score, error)
}

// PreviewVerifier is an optional ability of a [Verifier], found by type assertion: to
// score previews. Its scores compare with one another and not with those of finished
// images. The rules are those of Verify.
type PreviewVerifier interface {
	Verifier
	VerifyPreviews(ctx context.Context, images []PromptedImage) ([]Score, error)
}

// Observation is what a reflector or a refiner looks at: a generated image, its score,
// and the seed that makes the answer reproducible.
type Observation struct {
	Prompt  Prompt
	Request Request // what Image was generated from
	Image   image.Image
	Score   Score
	// Reflection is what the corrector is given together with the refined prompt. It
	// is empty for a reflector, and where the image is generated from noise alone.
	Reflection string
	Seed       uint64
}

// Reflection says what is wrong with an image and how to fix it. An empty Text means
// that nothing is wrong.
type Reflection struct {
	Text string
	// Caption says what the image shows instead, in the words of a prompt: see
	// [Request.ReferenceCaption]. It may be empty.
	Caption string
	Cost    Cost
}

// Reflector turns observations into reflections, one each, in order. It sees the image
// and what a Verifier found, and nothing else. The rules are those of [Verifier].
type Reflector interface {
	Reflect(ctx context.Context, observations []Observation) ([]Reflection, error)
}

// Refinement is a rewritten prompt for the generator. Images are still judged against
// the user's prompt.
type Refinement struct {
	Text string
	Cost Cost
}

// Refiner rewrites prompts, one refinement per observation, in order. Image and Score
// are zero where no image was generated yet, or none could be. The rules are those of
// [Verifier].
type Refiner interface {
	Refine(ctx context.Context, observations []Observation) ([]Refinement, error)
}
