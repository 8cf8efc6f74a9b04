package search

import (
	"context"
	"strings"

	"reflectionflow"
)

// rewrite lets the refiner rewrite the prompts: the prompt axis (arXiv 2504.16080 §4).
// A text that is empty or the prompt itself changes nothing. One that the generator
// cannot be given is dropped with a note. The pooled prompt stays the user's: the
// corrector is trained with it (the released train_flux: clip_description), and its
// text is short.
func (r *run) rewrite(ctx context.Context, items []*item) error {
	observations := observe(items, forRefinement)
	for i, it := range items {
		observations[i].Reflection = it.candidate.Request.Reflection
	}
	refinements, err := r.Refiner.Refine(ctx, observations)
	if err != nil {
		return err
	}
	if err := checkCount("refinements", len(refinements), len(items)); err != nil {
		return err
	}
	for i, it := range items {
		c := &it.candidate
		c.Cost = c.Cost.Add(refinements[i].Cost)
		text := strings.TrimSpace(refinements[i].Text)
		if text == "" || text == it.search.prompt.Text {
			continue
		}
		request := c.Request
		request.Prompt, request.PooledPrompt = text, it.search.prompt.Text
		if err := r.checkTexts(request, text); err != nil {
			it.note("rewritten prompt dropped: %v", err)
			continue
		}
		c.Request = request
		if c.Action == reflectionflow.Explore {
			it.grow(reflectionflow.Rewrite)
		}
	}
	return ctx.Err()
}
