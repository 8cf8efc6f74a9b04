package reflectionflow

import (
	"context"
	"fmt"
	"image"
	"slices"
	"strings"
)

// Pair is two images that were generated for the same prompt.
type Pair struct {
	Prompt        Prompt
	First, Second image.Image
}

// Side names one of the images of a [Pair].
type Side string

// The sides. Neither is the answer where both are equally good.
const (
	First   Side = "first"
	Second  Side = "second"
	Neither Side = "neither"
)

// DifferenceCategories lists what two images can differ in.
func DifferenceCategories() []string {
	return []string{"object", "count", "color", "position", "size", "shape", "text", "style", "quality", "other"}
}

// Difference is one thing in which two images differ.
type Difference struct {
	Category string // one of [DifferenceCategories]
	First    string // what the first image shows, in a phrase
	Second   string
}

// Comparison is an [Annotator]'s judgement of a pair.
type Comparison struct {
	Better      Side
	Differences []Difference
	// Instructions say how to fix the worse image, in short imperative clauses; empty
	// where neither is better.
	Instructions []string
	// Unanswered says in a phrase why there is no comparison; all other fields but
	// Detail and Cost are zero then. Empty for a comparison.
	Unanswered string
	Detail     string // of Unanswered, for people: never parsed
	Cost       Cost
}

// Bounds on a comparison.
const (
	maxDifferences      = 20
	maxInstructions     = 10
	maxComparisonPhrase = 400 // bytes
)

// Validate reports an incomplete or contradictory comparison, as an error wrapping
// [ErrInvalid]. The text tells a model what to correct.
func (c Comparison) Validate() error {
	switch {
	case !slices.Contains([]Side{First, Second, Neither}, c.Better):
		return fmt.Errorf("%w: better is %.40q: it must be first, second or neither", ErrInvalid, c.Better)
	case c.Better != Neither && len(c.Differences) == 0:
		return fmt.Errorf("%w: one image is better but no difference is listed", ErrInvalid)
	case c.Better != Neither && len(c.Instructions) == 0:
		return fmt.Errorf("%w: one image is better but there are no instructions for the other", ErrInvalid)
	case c.Better == Neither && len(c.Instructions) > 0:
		return fmt.Errorf("%w: neither image is better but there are instructions", ErrInvalid)
	case len(c.Differences) > maxDifferences:
		return fmt.Errorf("%w: there are %d differences: list at most %d", ErrInvalid, len(c.Differences), maxDifferences)
	case len(c.Instructions) > maxInstructions:
		return fmt.Errorf("%w: there are %d instructions: give at most %d", ErrInvalid, len(c.Instructions), maxInstructions)
	}
	for i, d := range c.Differences {
		if !slices.Contains(DifferenceCategories(), d.Category) {
			return fmt.Errorf("%w: difference %d has the category %.40q: use %s", ErrInvalid, i+1, d.Category, strings.Join(DifferenceCategories(), ", "))
		}
		for _, text := range []string{d.First, d.Second} {
			if err := checkPhrase(text); err != nil {
				return fmt.Errorf("difference %d: %w", i+1, err)
			}
		}
	}
	for i, text := range c.Instructions {
		if err := checkPhrase(text); err != nil {
			return fmt.Errorf("instruction %d: %w", i+1, err)
		}
	}
	return nil
}

func checkPhrase(text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return fmt.Errorf("%w: it is empty", ErrInvalid)
	case len(text) > maxComparisonPhrase:
		return fmt.Errorf("%w: it has %d bytes: be shorter than %d", ErrInvalid, len(text), maxComparisonPhrase)
	}
	return nil
}

// Annotator compares the images of pairs (GenRef-CoT, arXiv 2504.16080 §3): which is
// better for the prompt, in what they differ, and how to fix the worse one.
//
// Annotate returns one Comparison per pair, in order, which is valid or says why there
// is none. A Comparison depends on its own pair alone. The rules for ctx and errors are
// those of [Verifier].
type Annotator interface {
	Annotate(ctx context.Context, pairs []Pair) ([]Comparison, error)
}
