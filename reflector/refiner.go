package reflector

import (
	"context"
	"math/rand/v2"
	"time"

	"reflectionflow"
	"reflectionflow/clipart"
)

// Refiner implements [reflectionflow.Refiner]: it thinks of a layout that meets the
// prompt and spells it out ([clipart.Layout], [clipart.DetailedCaption]). Another
// seed gives another layout. A prompt that a reflection follows stays as it is: the
// layout is that of the picture to correct, and a text of another one would speak
// against it. The zero value is ready, and may be used from several goroutines.
type Refiner struct {
	// Words bounds a refined prompt, in words, full stops and commas: what the
	// generator's text encoder reads. 0 means 39, for an encoder of 40 tokens with
	// an end token.
	Words int
}

const (
	defaultWords = 39
	// layouts are tried for a text that fits.
	layouts = 8
	// refinerStream sets the refiner's random numbers apart from others of a seed.
	refinerStream = 0x726566696e65
)

// Refine rewrites the prompt of each observation; the text is empty for one that a
// reflection follows. Where no layout fits the bound or none is possible, the prompt
// comes in GenEval's wording. Prompts without requirements are parsed; one that does
// not parse is an error wrapping [reflectionflow.ErrInvalid].
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
			break // the plain wording is still true
		}
		if text := clipart.DetailedCaption(prompt.Requirements, scene); len(clipart.Words(text)) <= bound {
			return text
		}
	}
	return clipart.ShortCaption(prompt.Requirements)
}
