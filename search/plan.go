package search

import (
	"context"
	"fmt"

	"reflectionflow"
)

// plan makes the request of every item of a batch. The axes are taken in turn;
// each falls back to the one before it where it has nothing to go on:
//
//	noise       explore: fresh noise, the prompt as it is
//	reflection  reflect: correct the chain's best image; if the reflector finds
//	            nothing to say, the chain has no image or it begins again, explore
//	            remains
//	prompt      rewrite what would have been explored, and tell the corrector the
//	            refined prompt too; if the refiner changes nothing, the prompt stays
//
// The refiner and the reflector look at the chain's best image; without the
// reflection axis the refiner looks at the chain's last one, so that prompts are
// refined step by step. Where the policy has chosen an action (see
// [history.choose]), only that one is tried.
func (r *run) plan(ctx context.Context, items []*item) error {
	var reflected, rewritten []*item
	for _, it := range items {
		explore(it)
		it.candidate.Reason = it.choice.reason
		if it.parent == nil {
			continue
		}
		if r.cfg.Axes.Reflection && !it.again && it.choice.action != reflectionflow.Rewrite {
			reflected = append(reflected, it)
		}
		if r.cfg.Axes.Prompt && it.choice.action != reflectionflow.Reflect {
			rewritten = append(rewritten, it)
		}
	}
	if len(reflected) > 0 {
		if err := r.reflect(ctx, reflected); err != nil {
			return fmt.Errorf("reflect for %s: %w", named(reflected), err)
		}
	}
	if len(rewritten) > 0 {
		if err := r.rewrite(ctx, rewritten); err != nil {
			return fmt.Errorf("refine the prompt for %s: %w", named(rewritten), err)
		}
	}
	for _, it := range items {
		if it.choice.reason != "" && it.choice.action != it.candidate.Action {
			it.candidate.Reason += "; nothing came of that: fresh noise"
		}
	}
	return nil
}

// grow makes the parent's child of an item.
func (it *item) grow(action reflectionflow.Action) {
	c := &it.candidate
	c.Action, c.Parent = action, it.parent.candidate.ID
	if !it.lane.cfg.Axes.Noise {
		c.Request.Seed = it.seed(forNoise, 0)
	}
}

// seed derives a seed for a round of the item's chain.
func (it *item) seed(p purpose, round int) uint64 {
	return seedOf(it.lane.cfg.Seed, p, round, it.candidate.Chain)
}

// observe shows the parents of the items.
func observe(items []*item, p purpose) []reflectionflow.Observation {
	observations := make([]reflectionflow.Observation, len(items))
	for i, it := range items {
		observations[i] = reflectionflow.Observation{
			Prompt:  it.lane.prompt,
			Request: it.parent.candidate.Request,
			Image:   it.parent.image,
			Score:   it.parent.candidate.Score,
			Seed:    it.seed(p, it.candidate.Round),
		}
	}
	return observations
}

// checkText reports a text that no request may carry. It does not wrap
// [reflectionflow.ErrInvalid]: the caller of the search did not write it.
func checkText(text string) error {
	if err := (reflectionflow.Prompt{Text: text}).Validate(); err != nil {
		return fmt.Errorf("unusable text: %v", err)
	}
	return nil
}

// checkCount reports a reply that is not one answer an item.
func checkCount(what string, got, want int) error {
	if got != want {
		return fmt.Errorf("got %d %s for %d, want one each", got, what, want)
	}
	return nil
}
