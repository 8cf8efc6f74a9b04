package fleet

import (
	"context"
	"errors"
	"fmt"

	"reflectionflow"
)

// part is what a caller knows of the workers that it calls.
type part struct {
	fleet *Fleet
	model Model
}

// Generator generates on the workers of a model.
type Generator struct{ part }

// Generator returns the generator of a model.
func (f *Fleet) Generator(m Model) *Generator { return &Generator{part{f, m}} }

// Model returns the model that generates.
func (g *Generator) Model() Model { return g.model }

// atOnce is how many images of a fleet are under way at most for one process.
const atOnce = 256

// Concurrency is how many images the fleet takes at a time. Those without a worker wait.
func (g *Generator) Concurrency() int { return atOnce }

// Check implements [reflectionflow.RequestChecker]. What only the model knows, its
// workers check.
func (g *Generator) Check(r reflectionflow.Request) error {
	if err := r.CheckReferences(max(1, g.model.References)); err != nil {
		return err
	}
	if r.Reference != nil && !g.model.Corrects {
		return fmt.Errorf("%w: the workers of model %s cannot correct images: they take no reference", reflectionflow.ErrInvalid, g.model.Name)
	}
	return nil
}

// Generate implements [reflectionflow.Generator].
func (g *Generator) Generate(ctx context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	for i, r := range requests {
		if err := g.Check(r); err != nil {
			return nil, fmt.Errorf("request %d: %w", i, err)
		}
	}
	return each(ctx, requests, g.generate)
}

func (g *Generator) generate(ctx context.Context, r reflectionflow.Request) (reflectionflow.Generation, error) {
	a, err := g.fleet.about(ctx, g.model.Fingerprint, question{Draw: &r}, nil, r)
	if err != nil {
		return reflectionflow.Generation{}, err
	}
	made := reflectionflow.Generation{Cost: a.cost(), Unseeded: a.Unseeded, Warnings: a.Warnings}
	if a.Failure != nil {
		if a.Failure.Call {
			return made, a.Failure
		}
		made.Err = a.Failure
		return made, nil
	}
	made.Image, err = g.fleet.answered(ctx, a)
	if err == nil && (made.Image == nil || made.Image.Bounds().Dx() != r.Width || made.Image.Bounds().Dy() != r.Height) {
		err = errors.New("a worker's image is missing, or has another size than was asked for")
	}
	return made, err
}

// Verifier verifies on the workers of a model.
type Verifier struct{ part }

// Verifier returns the verifier of a model.
func (f *Fleet) Verifier(m Model) *Verifier { return &Verifier{part{f, m}} }

// Abilities implements [reflectionflow.DeclaringVerifier].
func (v *Verifier) Abilities() reflectionflow.Abilities { return v.model.Abilities }

// Verify implements [reflectionflow.Verifier].
func (v *Verifier) Verify(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	for i, p := range images {
		if err := p.Prompt.Validate(); err != nil {
			return nil, fmt.Errorf("image %d: %w", i, err)
		}
		if p.Image == nil {
			return nil, fmt.Errorf("%w: image %d is missing", reflectionflow.ErrInvalid, i)
		}
	}
	return each(ctx, images, func(ctx context.Context, p reflectionflow.PromptedImage) (score reflectionflow.Score, err error) {
		a, err := v.fleet.about(ctx, v.model.Fingerprint, question{Verify: &p.Prompt}, p.Image, reflectionflow.Request{})
		if err == nil && a.Failure != nil {
			err = a.Failure
		}
		if err != nil {
			return score, err
		}
		if a.Score == nil {
			return score, errors.New("a worker's answer has no score")
		}
		a.Score.Cost = a.cost()
		return *a.Score, nil
	})
}

// Reflector reflects on the workers of a model.
type Reflector struct{ part }

// Reflector returns the reflector of a model.
func (f *Fleet) Reflector(m Model) *Reflector { return &Reflector{part{f, m}} }

// NeedsFindings implements [reflectionflow.FindingsReflector].
func (r *Reflector) NeedsFindings() bool { return r.model.NeedsFindings }

// Reflect implements [reflectionflow.Reflector].
func (r *Reflector) Reflect(ctx context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Reflection, error) {
	ask := func(ctx context.Context, o reflectionflow.Observation) (reflectionflow.Reflection, error) {
		a, err := r.observe(ctx, o, func(q *question, o *observation) { q.Reflect = o })
		if err == nil && a.Reflection == nil {
			err = errors.New("a worker's answer has no reflection")
		}
		if err != nil {
			return reflectionflow.Reflection{}, err
		}
		return reflectionflow.Reflection{Text: a.Reflection.Text, Caption: a.Reflection.Caption, Cost: a.cost()}, nil
	}
	if err := validate(observations); err != nil {
		return nil, err
	}
	return each(ctx, observations, ask)
}

// Refiner rewrites prompts on the workers of a model.
type Refiner struct{ part }

// Refiner returns the refiner of a model.
func (f *Fleet) Refiner(m Model) *Refiner { return &Refiner{part{f, m}} }

// Refine implements [reflectionflow.Refiner].
func (r *Refiner) Refine(ctx context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Refinement, error) {
	if err := validate(observations); err != nil {
		return nil, err
	}
	return each(ctx, observations, func(ctx context.Context, o reflectionflow.Observation) (reflectionflow.Refinement, error) {
		a, err := r.observe(ctx, o, func(q *question, o *observation) { q.Refine = o })
		return reflectionflow.Refinement{Text: a.Refinement, Cost: a.cost()}, err
	})
}

func validate(observations []reflectionflow.Observation) error {
	for i, o := range observations {
		if err := o.Prompt.Validate(); err != nil {
			return fmt.Errorf("observation %d: %w", i, err)
		}
	}
	return nil
}

// observe asks about an observation; set says what is asked.
func (p part) observe(ctx context.Context, o reflectionflow.Observation, set func(*question, *observation)) (keptAnswer, error) {
	o.Score.Cost = reflectionflow.Cost{}
	var q question
	set(&q, &observation{o.Prompt, o.Request, o.Score, o.Reflection, o.Seed})
	a, err := p.fleet.about(ctx, p.model.Fingerprint, q, o.Image, o.Request)
	if err == nil && a.Failure != nil {
		err = a.Failure
	}
	return a, err
}
