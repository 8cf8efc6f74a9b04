package search

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"reflectionflow"
)

// maxCalls is how often a call to the generator is made that fails as a whole, before
// the search ends with its error. Waiting between calls is the generator's part; one
// that has repeated the call itself says so by an error with a method Retried() bool.
const maxCalls = 3

// attempts generates a batch. A call that fails as a whole is repeated, unless the
// failure is permanent. A batch that is refused as invalid is split: a correction or
// a rewritten prompt that the generator refuses fails alone, for the caller of the
// search did not write it.
func (r *run) attempts(ctx context.Context, items []*item) ([]reflectionflow.Generation, error) {
	before := make([]reflectionflow.Candidate, len(items))
	for i, it := range items {
		before[i] = it.candidate
		before[i].Abandoned = slices.Clip(it.candidate.Abandoned)
	}
	for call := 1; ; call++ {
		generations, err := r.batch(ctx, items)
		if ctx.Err() != nil {
			return nil, ctx.Err() // what the end of ctx spoiled is no failure of an image
		}
		if err == nil {
			return generations, nil
		}
		invalid := errors.Is(err, reflectionflow.ErrInvalid) && !accountRefused(err)
		split := invalid && len(items) > 1
		switch {
		case split:
		case invalid && items[0].candidate.Action != reflectionflow.Explore:
			return []reflectionflow.Generation{{Err: err}}, nil
		case call == maxCalls || reflectionflow.IsPermanent(err) || retried(err):
			return nil, err
		}
		for i, it := range items {
			it.candidate = before[i]
		}
		if split {
			return r.oneByOne(ctx, items)
		}
	}
}

// retried reports whether an error says that the generator has repeated the call itself.
func retried(err error) bool {
	e, ok := errors.AsType[interface {
		error
		Retried() bool
	}](err)
	return ok && e.Retried()
}

// accountRefused reports whether an error says, by a method AccountRefused() bool, that
// the generator's server refuses its key or account, and thus every request: it is no
// failure of an image.
func accountRefused(err error) bool {
	e, ok := errors.AsType[interface {
		error
		AccountRefused() bool
	}](err)
	return ok && e.AccountRefused()
}

func (r *run) oneByOne(ctx context.Context, items []*item) ([]reflectionflow.Generation, error) {
	var all []reflectionflow.Generation
	for i := range items {
		generations, err := r.attempts(ctx, items[i:i+1])
		if err != nil {
			return nil, err
		}
		all = append(all, generations...)
	}
	return all, nil
}

// previewing is what abandoning noises needs of the parts.
type previewing struct {
	reflectionflow.Previewer
	reflectionflow.PreviewVerifier
}

// previewing returns the parts with their optional abilities; ok is false where one
// has none.
func (s *Search) previewing() (p previewing, ok bool) {
	g, can := s.Generator.(reflectionflow.Previewer)
	v, judges := s.Verifier.(reflectionflow.PreviewVerifier)
	return previewing{g, v}, can && judges
}

// batch generates the images of a batch, in order. An item that may abandon noises
// goes by previews: a noise whose preview scores too low is dropped after a few steps
// and the next noise is tried; the last one allowed is generated without a preview.
// The item's cost holds all of them.
func (r *run) batch(ctx context.Context, items []*item) ([]reflectionflow.Generation, error) {
	var whole, tried []*item
	for _, it := range items {
		if it.choice.previews > 0 {
			tried = append(tried, it)
		} else {
			whole = append(whole, it)
		}
	}
	var passed []*item
	var previews []reflectionflow.Preview
	for len(tried) > 0 {
		p, err := r.preview(ctx, tried)
		if err != nil {
			return nil, err
		}
		passed, previews, whole = append(passed, p.passed...), append(previews, p.previews...), append(whole, p.failed...)
		tried = nil
		for _, it := range p.abandoned {
			if len(it.candidate.Abandoned) < it.choice.previews {
				tried = append(tried, it)
			} else {
				whole = append(whole, it)
			}
		}
	}
	made := map[*item]reflectionflow.Generation{}
	if len(passed) > 0 {
		generations, err := r.parts.Finish(ctx, previews)
		if err := cmp.Or(err, checkCount("images", len(generations), len(passed))); err != nil {
			return nil, err
		}
		for i, it := range passed {
			made[it] = generations[i]
		}
	}
	if len(whole) > 0 {
		generations, err := r.Generator.Generate(ctx, requestsOf(whole))
		if err := cmp.Or(err, checkCount("images", len(generations), len(whole))); err != nil {
			return nil, err
		}
		for i, it := range whole {
			made[it] = generations[i]
		}
	}
	generations := make([]reflectionflow.Generation, len(items))
	for i, it := range items {
		generations[i] = made[it]
	}
	return generations, nil
}

func requestsOf(items []*item) []reflectionflow.Request {
	requests := make([]reflectionflow.Request, len(items))
	for i, it := range items {
		requests[i] = it.candidate.Request
	}
	return requests
}

// previewed is what previews say of items.
type previewed struct {
	passed    []*item // to be finished
	previews  []reflectionflow.Preview
	abandoned []*item // the next noise is set
	failed    []*item // the preview failed: to be generated, and to fail, whole
}

// preview takes the first steps of each item and scores the previews.
func (r *run) preview(ctx context.Context, items []*item) (previewed, error) {
	var out previewed
	early := r.cfg.Adaptive.Policy.Early
	steps := early.steps(r.cfg.Steps)
	previews, err := r.parts.Preview(ctx, requestsOf(items), steps)
	if err := cmp.Or(err, checkCount("previews", len(previews), len(items))); err != nil {
		return out, err
	}
	var images []reflectionflow.PromptedImage
	var shown []int
	for i, v := range previews {
		it := items[i]
		it.candidate.Cost = it.candidate.Cost.Add(v.Cost)
		if v.Err != nil || v.Image == nil {
			out.failed = append(out.failed, it)
			continue
		}
		images, shown = append(images, reflectionflow.PromptedImage{Prompt: it.search.prompt, Image: v.Image}), append(shown, i)
	}
	scores, err := r.parts.VerifyPreviews(ctx, images)
	if err := cmp.Or(err, checkCount("scores of previews", len(scores), len(images)), ctx.Err()); err != nil {
		return out, err
	}
	for n, i := range shown {
		c := &items[i].candidate
		c.Cost = c.Cost.Add(scores[n].Cost)
		if !early.hopeless(scores[n]) {
			out.passed, out.previews = append(out.passed, items[i]), append(out.previews, previews[i])
			continue
		}
		c.Abandoned = append(c.Abandoned, reflectionflow.Abandoned{Seed: c.Request.Seed, Steps: steps})
		c.Request.Seed = items[i].noise(len(c.Abandoned))
		out.abandoned = append(out.abandoned, items[i])
	}
	return out, nil
}
