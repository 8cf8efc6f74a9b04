package search

import (
	"context"
	"strings"

	"reflectionflow"
)

// rewrite lets the refiner word the prompts anew from what it sees in the parents:
// the prompt axis (arXiv 2504.16080 §4). A text that is empty or the prompt itself
// changes nothing. The CLIP encoder goes on reading the prompt as it was given: it is
// what the corrector is tuned with (the released train_flux: clip_description), and its
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
		if text == "" || text == it.lane.prompt.Text {
			continue
		}
		if err := checkText(text); err != nil {
			return err
		}
		c.Request.Prompt, c.Request.PooledPrompt = text, it.lane.prompt.Text
		if c.Action == reflectionflow.Explore {
			it.grow(reflectionflow.Rewrite)
		}
	}
	return ctx.Err()
}
