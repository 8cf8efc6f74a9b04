package search

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"reflectionflow"
)

// plan makes the request of every item of a batch. The axes are tried in this order;
// each falls back to the one before it:
//
//	noise       explore: new noise, the user's prompt
//	reflection  reflect: correct the parent; if the reflector has nothing to say, or
//	            the chain has no usable image or restarts, explore remains
//	prompt      rewrite the prompt of what would have been explored, and give the
//	            corrector the refined prompt too; if the refiner changes nothing, the
//	            prompt stays
//
// The parent is the chain's best image; without the reflection axis it is the
// chain's last one, so that prompts are refined step by step. Where the policy has
// chosen an action (see [history.choose]), only that one is tried.
func (r *run) plan(ctx context.Context, items []*item) error {
	var reflected, rewritten []*item
	for _, it := range items {
		explore(it)
		it.candidate.Reason = it.choice.reason
		if it.parent != nil && r.cfg.Axes.Reflection && !it.choice.restart && it.choice.action != reflectionflow.Rewrite {
			reflected = append(reflected, it)
		}
		if (it.parent != nil || it.choice.reword) && r.cfg.Axes.Prompt && it.choice.action != reflectionflow.Reflect {
			rewritten = append(rewritten, it)
		}
	}
	if len(reflected) > 0 {
		if err := r.around("reflect", r.reflect)(ctx, reflected); err != nil {
			return fmt.Errorf("reflect for %s: %w", named(reflected), err)
		}
	}
	if len(rewritten) > 0 {
		if err := r.around("refine", r.rewrite)(ctx, rewritten); err != nil {
			return fmt.Errorf("refine the prompt for %s: %w", named(rewritten), err)
		}
	}
	for _, it := range items {
		if it.choice.reason != "" && it.choice.action != it.candidate.Action {
			it.note("no change was proposed: new seed instead")
		}
	}
	return nil
}

// grow makes the parent's child of an item.
func (it *item) grow(action reflectionflow.Action) {
	c := &it.candidate
	c.Action = action
	if it.parent == nil {
		return
	}
	c.Parent = it.parent.candidate.ID
	if !it.search.cfg.Axes.Noise {
		c.Request.Seed = it.seed(forNoise, 0)
	}
}

// seed derives a seed for a round of the item's chain.
func (it *item) seed(p purpose, round int) uint64 {
	return seedOf(it.search.cfg.Seed, p, round, it.candidate.Chain)
}

// observe shows the parents of the items; without a parent, the prompt alone.
func observe(items []*item, p purpose) []reflectionflow.Observation {
	observations := make([]reflectionflow.Observation, len(items))
	for i, it := range items {
		o := reflectionflow.Observation{Prompt: it.search.prompt, Request: it.candidate.Request, Seed: it.seed(p, it.candidate.Round)}
		if it.parent != nil {
			o.Request, o.Image, o.Score = it.parent.candidate.Request, it.parent.image, it.parent.candidate.Score
		}
		observations[i] = o
	}
	return observations
}

// checkTexts reports a request that the generator cannot be given because of texts
// that a reflector or a refiner wrote.
func (r *run) checkTexts(request reflectionflow.Request, texts ...string) error {
	for _, text := range texts {
		switch {
		case len(text) > reflectionflow.MaxPromptBytes:
			return fmt.Errorf("it has %d bytes, at most %d are allowed", len(text), reflectionflow.MaxPromptBytes)
		case !utf8.ValidString(text):
			return errors.New("it is not valid UTF-8")
		}
	}
	return plainly(reflectionflow.CheckRequest(r.Generator, request))
}

// plainly leaves out that the input is invalid: the reader of a note did not write it.
func plainly(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(strings.TrimPrefix(err.Error(), reflectionflow.ErrInvalid.Error()+": "))
}

// checkCount reports a reply that does not have one answer per item.
func checkCount(what string, got, want int) error {
	if got != want {
		return fmt.Errorf("got %d %s for %d, want one each", got, what, want)
	}
	return nil
}
