package search

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"reflectionflow"
)

// generate makes the images of a batch. An image that failed alone carries its error
// to the next stage; the others are not touched.
func (r *run) generate(ctx context.Context, items []*item) error {
	generations, err := r.attempts(ctx, items)
	if err != nil {
		return fmt.Errorf("generate %s: %w", named(items), err)
	}
	for i, it := range items {
		g := generations[i]
		it.candidate.Cost = it.candidate.Cost.Add(g.Cost)
		it.candidate.Unseeded = g.Unseeded
		it.candidate.Warnings = append(it.candidate.Warnings, g.Warnings...)
		it.candidate.Request.Reference, it.candidate.Request.Others = nil, nil // from here on, Parent names it
		switch {
		case g.Err != nil:
			it.candidate.Error = errorText(g.Err)
			it.candidate.Permanent = reflectionflow.IsPermanent(g.Err)
		case g.Image == nil || g.Image.Bounds().Empty():
			return fmt.Errorf("generate candidate %d: the generator returned no image and no error", it.candidate.ID)
		default:
			it.image, it.pixels = g.Image, inspect(g.Image)
		}
	}
	return nil
}

// declared is a score in which requirements of kinds that the verifier does not declare
// are marked as not judged.
func declared(s reflectionflow.Score, a reflectionflow.Abilities) reflectionflow.Score {
	unmarked := func(f reflectionflow.Finding) bool {
		return f.Verdict == reflectionflow.Unsure && !f.Unjudged && !a.Judges(f.Requirement.Kind)
	}
	if !slices.ContainsFunc(s.Requirements, unmarked) {
		return s
	}
	s.Requirements = slices.Clone(s.Requirements)
	for i := range s.Requirements {
		s.Requirements[i].Unjudged = s.Requirements[i].Unjudged || unmarked(s.Requirements[i])
	}
	return s
}

// verify scores the images of a batch against the user's prompt, each once unless an adaptive
// search asks again (see confirm.go).
func (r *run) verify(ctx context.Context, items []*item) error {
	var shown []*item
	var images []reflectionflow.PromptedImage
	for _, it := range items {
		if it.image != nil {
			shown = append(shown, it)
			images = append(images, reflectionflow.PromptedImage{Prompt: it.search.prompt, Image: it.image})
		}
	}
	if len(shown) == 0 {
		return nil
	}
	scores, err := r.askAll(ctx, images)
	if err != nil {
		return fmt.Errorf("verify %s: %w", named(shown), err)
	}
	for i, it := range shown {
		if err := checkScore(scores[i]); err != nil {
			return fmt.Errorf("verify candidate %d: %w", it.candidate.ID, err)
		}
	}
	if err := r.confirm(ctx, shown, images, scores); err != nil {
		return fmt.Errorf("verify %s again: %w", named(shown), err)
	}
	for i, it := range shown {
		it.candidate.Score = scores[i]
		it.candidate.Cost = it.candidate.Cost.Add(scores[i].Cost)
	}
	return nil
}

// record writes finished candidates to their journals, in ID order.
func (r *run) record(_ context.Context, items []*item) error {
	for _, it := range items {
		if it.search.journal == nil {
			continue
		}
		if err := it.search.journal.Record(it.candidate, it.image); err != nil {
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

// errorText is never empty: a candidate whose Error is empty has an image.
func errorText(err error) string {
	if text := err.Error(); text != "" {
		return text
	}
	return fmt.Sprintf("%T", err)
}

// maxNote bounds a phrase in a candidate's reason, in bytes.
const maxNote = 300

// oneLine makes a text that others wrote fit into a reason.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	if len(text) > maxNote {
		text = strings.ToValidUTF8(text[:maxNote], "") + "…"
	}
	return text
}

func named(items []*item) string {
	if len(items) == 1 {
		return fmt.Sprintf("candidate %d", items[0].candidate.ID)
	}
	return fmt.Sprintf("%d candidates from %d", len(items), items[0].candidate.ID)
}
