package search

import (
	"context"
	"errors"
	"fmt"
	"math"

	"reflectionflow"
)

// draw generates the images of a batch. One that failed alone carries its error
// on; the others are not touched.
func (r *run) draw(ctx context.Context, items []*item) error {
	generations, err := r.generate(ctx, items)
	if err == nil {
		err = ctx.Err() // what the end of ctx spoilt is no failure of an image
	}
	if err != nil {
		return fmt.Errorf("draw %s: %w", named(items), err)
	}
	for i, it := range items {
		g := generations[i]
		it.candidate.Cost = it.candidate.Cost.Add(g.Cost)
		it.candidate.Unseeded = g.Unseeded
		it.candidate.Request.Reference = nil // from here on, Parent names it
		switch {
		case g.Err != nil:
			it.candidate.Error = errorText(g.Err)
		case g.Image == nil || g.Image.Bounds().Empty():
			return fmt.Errorf("draw candidate %d: the generator returned no image and no error", it.candidate.ID)
		default:
			it.image = g.Image
		}
	}
	return nil
}

// verify scores the images of a batch, each once, against the prompt of the user.
func (r *run) verify(ctx context.Context, items []*item) error {
	var drawn []*item
	var pictures []reflectionflow.PromptedImage
	for _, it := range items {
		if it.image != nil {
			drawn = append(drawn, it)
			pictures = append(pictures, reflectionflow.PromptedImage{Prompt: it.lane.prompt, Image: it.image})
		}
	}
	if len(drawn) == 0 {
		return nil
	}
	scores, err := r.Verifier.Verify(ctx, pictures)
	if err == nil {
		err = checkCount("scores", len(scores), len(drawn))
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("verify %s: %w", named(drawn), err)
	}
	for i, it := range drawn {
		if err := checkScore(scores[i]); err != nil {
			return fmt.Errorf("verify candidate %d: %w", it.candidate.ID, err)
		}
		it.candidate.Score = scores[i]
		it.candidate.Cost = it.candidate.Cost.Add(scores[i].Cost)
	}
	return nil
}

// record writes finished candidates to their journals, in ID order.
func (r *run) record(_ context.Context, items []*item) error {
	for _, it := range items {
		if it.lane.journal == nil {
			continue
		}
		if err := it.lane.journal.Record(it.candidate, it.image); err != nil {
			return fmt.Errorf("record candidate %d: %w", it.candidate.ID, err)
		}
	}
	return nil
}

var errScore = errors.New("the verifier's score is not a finite number")

// checkScore reports a value that cannot be compared or recorded.
func checkScore(s reflectionflow.Score) error {
	if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
		return fmt.Errorf("%w: %v", errScore, s.Value)
	}
	return nil
}

// errorText is never empty: an empty Candidate.Error stands for an image.
func errorText(err error) string {
	if text := err.Error(); text != "" {
		return text
	}
	return fmt.Sprintf("%T", err)
}

func named(items []*item) string {
	if len(items) == 1 {
		return fmt.Sprintf("candidate %d", items[0].candidate.ID)
	}
	return fmt.Sprintf("%d candidates from %d", len(items), items[0].candidate.ID)
}
