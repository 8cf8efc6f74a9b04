package search

import (
	"cmp"
	"context"

	"reflectionflow"
)

// previewing is what giving up noises early needs of the parts.
type previewing struct {
	reflectionflow.Previewer
	reflectionflow.PreviewVerifier
}

// previewing finds the parts' ability; ok is false where one has none.
func (s *Search) previewing() (p previewing, ok bool) {
	g, can := s.Generator.(reflectionflow.Previewer)
	v, judges := s.Verifier.(reflectionflow.PreviewVerifier)
	return previewing{g, v}, can && judges
}

// generate draws the images of a batch, in order. Items that may give up noises go
// by early estimates: a noise whose estimate is hopeless is dropped after a few
// steps, and the item's next noise takes its place; the last one allowed is drawn
// without a look. All that is spent goes to the item's cost.
func (r *run) generate(ctx context.Context, items []*item) ([]reflectionflow.Generation, error) {
	var whole, tried []*item
	for _, it := range items {
		if it.tries > 0 {
			tried = append(tried, it)
		} else {
			whole = append(whole, it)
		}
	}
	var begun []*item
	var previews []reflectionflow.Preview
	for len(tried) > 0 {
		l, err := r.look(ctx, tried)
		if err != nil {
			return nil, err
		}
		begun, previews, whole = append(begun, l.passed...), append(previews, l.previews...), append(whole, l.failed...)
		tried = nil
		for _, it := range l.again {
			if len(it.candidate.Abandoned) < it.tries {
				tried = append(tried, it)
			} else {
				whole = append(whole, it)
			}
		}
	}
	drawn := map[*item]reflectionflow.Generation{}
	if len(begun) > 0 {
		generations, err := r.parts.Finish(ctx, previews)
		if err := cmp.Or(err, checkCount("images", len(generations), len(begun))); err != nil {
			return nil, err
		}
		for i, it := range begun {
			drawn[it] = generations[i]
		}
	}
	if len(whole) > 0 {
		generations, err := r.Generator.Generate(ctx, requestsOf(whole))
		if err := cmp.Or(err, checkCount("images", len(generations), len(whole))); err != nil {
			return nil, err
		}
		for i, it := range whole {
			drawn[it] = generations[i]
		}
	}
	generations := make([]reflectionflow.Generation, len(items))
	for i, it := range items {
		generations[i] = drawn[it]
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

// looks is what early estimates say of items.
type looks struct {
	passed   []*item // they may become something
	previews []reflectionflow.Preview
	again    []*item // hopeless: their next noise is set
	failed   []*item // nothing came of the first steps: to be drawn, and to fail, whole
}

// look draws the first steps of each item and judges the estimates.
func (r *run) look(ctx context.Context, items []*item) (looks, error) {
	var l looks
	early := r.cfg.Adaptive.Policy.Early
	steps := early.steps(r.cfg.Steps)
	begun, err := r.parts.Preview(ctx, requestsOf(items), steps)
	if err := cmp.Or(err, checkCount("previews", len(begun), len(items))); err != nil {
		return l, err
	}
	var pictures []reflectionflow.PromptedImage
	var shown []int
	for i, v := range begun {
		it := items[i]
		it.candidate.Cost = it.candidate.Cost.Add(v.Cost)
		if v.Err != nil || v.Image == nil {
			l.failed = append(l.failed, it)
			continue
		}
		pictures, shown = append(pictures, reflectionflow.PromptedImage{Prompt: it.lane.prompt, Image: v.Image}), append(shown, i)
	}
	scores, err := r.parts.VerifyPreviews(ctx, pictures)
	if err := cmp.Or(err, checkCount("scores of previews", len(scores), len(pictures)), ctx.Err()); err != nil {
		return l, err
	}
	for n, i := range shown {
		c := &items[i].candidate
		c.Cost = c.Cost.Add(scores[n].Cost)
		if !early.hopeless(scores[n]) {
			l.passed, l.previews = append(l.passed, items[i]), append(l.previews, begun[i])
			continue
		}
		c.Abandoned = append(c.Abandoned, reflectionflow.Abandoned{Seed: c.Request.Seed, Steps: steps})
		c.Request.Seed = items[i].noise(len(c.Abandoned))
		l.again = append(l.again, items[i])
	}
	return l, nil
}
