package reflectionflow

import (
	"context"
	"fmt"
	"image"
	"time"
)

// GeneratorFunc is a [Generator] that generates one image at a time. The function is
// called with valid requests only, one after the other within a call of Generate; it
// must allow concurrent calls. An error is of this image alone. The cost is one image,
// the request's steps and the time taken.
type GeneratorFunc func(ctx context.Context, r Request) (image.Image, error)

// Generate implements [Generator].
func (f GeneratorFunc) Generate(ctx context.Context, requests []Request) ([]Generation, error) {
	for i, r := range requests {
		if err := r.Validate(); err != nil {
			return nil, fmt.Errorf("request %d: %w", i, err)
		}
	}
	generations := make([]Generation, len(requests))
	for i, r := range requests {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		start := time.Now()
		img, err := f(ctx, r)
		generations[i] = Generation{Image: img, Err: err, Cost: Cost{Images: 1, DenoiseSteps: r.Steps, Seconds: time.Since(start).Seconds()}}
		if err != nil {
			generations[i].Image = nil
		}
	}
	return generations, ctx.Err()
}

// VerifierFunc is a [Verifier] that scores one image at a time, one after the other
// within a call of Verify; it must allow concurrent calls. An error ends the whole
// call. A score without a cost gets one verifier call and the time taken.
type VerifierFunc func(ctx context.Context, p PromptedImage) (Score, error)

// Verify implements [Verifier].
func (f VerifierFunc) Verify(ctx context.Context, images []PromptedImage) ([]Score, error) {
	for i, p := range images {
		if err := p.Prompt.Validate(); err != nil {
			return nil, fmt.Errorf("image %d: %w", i, err)
		}
		if p.Image == nil || p.Image.Bounds().Empty() {
			return nil, fmt.Errorf("%w: image %d is missing or empty", ErrInvalid, i)
		}
	}
	return each(ctx, images, func(p PromptedImage) (Score, error) {
		start := time.Now()
		s, err := f(ctx, p)
		if s.Cost.VerifierCalls == 0 {
			s.Cost.VerifierCalls, s.Cost.Seconds = 1, time.Since(start).Seconds()
		}
		return s, err
	})
}

// ReflectorFunc is a [Reflector] that reflects on one image at a time, one after the
// other within a call of Reflect; it must allow concurrent calls. An error ends the
// whole call.
type ReflectorFunc func(ctx context.Context, o Observation) (Reflection, error)

// Reflect implements [Reflector].
func (f ReflectorFunc) Reflect(ctx context.Context, observations []Observation) ([]Reflection, error) {
	if err := validate(observations); err != nil {
		return nil, err
	}
	return each(ctx, observations, func(o Observation) (Reflection, error) { return f(ctx, o) })
}

// RefinerFunc is a [Refiner] that rewrites one prompt at a time, one after the other
// within a call of Refine; it must allow concurrent calls. An error ends the whole call.
type RefinerFunc func(ctx context.Context, o Observation) (Refinement, error)

// Refine implements [Refiner].
func (f RefinerFunc) Refine(ctx context.Context, observations []Observation) ([]Refinement, error) {
	if err := validate(observations); err != nil {
		return nil, err
	}
	return each(ctx, observations, func(o Observation) (Refinement, error) { return f(ctx, o) })
}

func validate(observations []Observation) error {
	for i, o := range observations {
		if err := o.Prompt.Validate(); err != nil {
			return fmt.Errorf("observation %d: %w", i, err)
		}
	}
	return nil
}

// each calls f for every element in turn, until ctx ends or a call fails.
func each[In, Out any](ctx context.Context, in []In, f func(In) (Out, error)) ([]Out, error) {
	out := make([]Out, len(in))
	for i, v := range in {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var err error
		if out[i], err = f(v); err != nil {
			return nil, err
		}
	}
	return out, ctx.Err()
}
