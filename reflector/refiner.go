package reflector

import (
	"context"
	"math/rand/v2"
	"time"

	"reflectionflow"
	"reflectionflow/clipart"
)

// Refiner implements [reflectionflow.Refiner]: it chooses a layout that meets the prompt and
// describes it ([clipart.Layout], [clipart.DetailedCaption]). Another seed gives another layout.
// If the observation has a reflection, the prompt stays unchanged: the image to correct has its
// own layout, and the text of another one would contradict it. The zero value is ready to use. It
// is safe for concurrent use.
type Refiner struct {
	// Words is the most tokens of a refined prompt, counting words, full stops and commas: the
	// limit of the generator's text encoder. 0 means 39, for an encoder of 40 tokens with an end
	// token.
	Words int
}

const (
	defaultWords = 39
	// layouts is how many layouts are tried for a text that fits.
	layouts = 8
	// refinerStream separates the refiner's random numbers from others of the same seed.
	refinerStream = 0x726566696e65
)

// Refine rewrites the prompt of each observation; the text is empty for one with a reflection. If
// no layout fits the limit or none exists, the result is the prompt in GenEval's wording. Prompts
// without requirements are parsed; one that does not parse is an error wrapping
// [reflectionflow.ErrInvalid].
func (r Refiner) Refine(ctx context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Refinement, error) {
	refinements := make([]reflectionflow.Refinement, len(observations))
	for i, o := range observations {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		start := time.Now()
		prompt, err := parsed(o.Prompt)
		if err != nil {
			return nil, err
		}
		if o.Reflection == "" {
			refinements[i].Text = r.refine(prompt, o.Seed)
		}
		refinements[i].Cost.Seconds = time.Since(start).Seconds()
	}
	return refinements, ctx.Err()
}

func (r Refiner) refine(prompt reflectionflow.Prompt, seed uint64) string {
	bound := r.Words
	if bound == 0 {
		bound = defaultWords
	}
	rng := rand.New(rand.NewPCG(seed, refinerStream))
	for range layouts {
		scene, err := clipart.Layout(prompt.Requirements, rng)
		if err != nil {
			break // the plain wording still holds
		}
		if text := clipart.DetailedCaption(prompt.Requirements, scene); len(clipart.Words(text)) <= bound {
			return text
		}
	}
	return clipart.ShortCaption(prompt.Requirements)
}
