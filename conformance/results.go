package conformance

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"unicode/utf8"

	"reflectionflow"
)

func validPreference(_ reflectionflow.Pair, p reflectionflow.Preference) error {
	if p.Unanswered != "" && (p.First != 0.5 || p.Shown != 0.5 || p.Contradicts) {
		return fmt.Errorf("it is unanswered (%s) and prefers an image", p.Unanswered)
	}
	return errors.Join(p.Validate(), validCost(p.Cost))
}

func validComparison(_ reflectionflow.Pair, c reflectionflow.Comparison) error {
	if c.Unanswered == "" {
		return errors.Join(c.Validate(), validCost(c.Cost))
	}
	if c.Better != "" || len(c.Differences)+len(c.Instructions) > 0 {
		return fmt.Errorf("it is unanswered (%s) and says something", c.Unanswered)
	}
	return validCost(c.Cost)
}

func validGeneration(r reflectionflow.Request, g reflectionflow.Generation) error {
	switch {
	case g.Err != nil:
		return fmt.Errorf("a valid request failed: %w", g.Err)
	case g.Image == nil:
		return errors.New("neither an image nor an error")
	case g.Image.Bounds().Dx() != r.Width || g.Image.Bounds().Dy() != r.Height:
		return fmt.Errorf("got an image of %v, want %dx%d", g.Image.Bounds().Size(), r.Width, r.Height)
	}
	return validCost(g.Cost)
}

func validScore(p reflectionflow.PromptedImage, s reflectionflow.Score) error {
	if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
		return fmt.Errorf("value %v is not finite", s.Value)
	}
	if n := len(s.Requirements); n != 0 && n != len(p.Prompt.Requirements) {
		return fmt.Errorf("%d findings for %d requirements", n, len(p.Prompt.Requirements))
	}
	for i, f := range s.Requirements {
		switch {
		case s.Unanswered != "" && f.Verdict != reflectionflow.Unsure:
			return fmt.Errorf("the score is unanswered (%s), but finding %d is %q", s.Unanswered, i, f.Verdict)
		case f.Requirement != p.Prompt.Requirements[i]:
			return fmt.Errorf("finding %d is about %v, want %v", i, f.Requirement, p.Prompt.Requirements[i])
		case f.Verdict != reflectionflow.Met && f.Verdict != reflectionflow.NotMet && f.Verdict != reflectionflow.Unsure:
			return fmt.Errorf("finding %d has verdict %q", i, f.Verdict)
		case f.Unjudged && f.Verdict != reflectionflow.Unsure:
			return fmt.Errorf("finding %d is not judged, and its verdict is %q", i, f.Verdict)
		case !fraction(f.Confidence):
			return fmt.Errorf("finding %d has confidence %v", i, f.Confidence)
		}
		for _, o := range f.Evidence {
			if !validObject(o) {
				return fmt.Errorf("finding %d has evidence %+v", i, o)
			}
		}
	}
	for _, o := range s.Objects {
		if !validObject(o) {
			return fmt.Errorf("object %+v", o)
		}
	}
	return validCost(s.Cost)
}

func validObject(o reflectionflow.Object) bool {
	b := o.Box
	return fraction(b[0]) && fraction(b[1]) && fraction(b[2]) && fraction(b[3]) && b[0] <= b[2] && b[1] <= b[3] && fraction(o.Confidence)
}

func fraction(f float64) bool { return f >= 0 && f <= 1 }

// validText: the text can go into a request; empty says that there is none.
func validText(text string) error {
	switch {
	case !utf8.ValidString(text):
		return errors.New("the text is not valid UTF-8")
	case len(text) > reflectionflow.MaxPromptBytes:
		return fmt.Errorf("the text has %d bytes, at most %d fit into a request", len(text), reflectionflow.MaxPromptBytes)
	}
	return nil
}

func validCost(c reflectionflow.Cost) error {
	if c.Images < 0 || c.DenoiseSteps < 0 || c.VerifierCalls < 0 || c.TokensIn < 0 || c.TokensOut < 0 || !(c.USD >= 0) || !(c.Seconds >= 0) {
		return fmt.Errorf("the cost is negative: %+v", c)
	}
	return nil
}

func equal[T any](a, b T) error {
	if !reflect.DeepEqual(a, b) {
		return fmt.Errorf("answers differ:\n%+v\n%+v", a, b)
	}
	return nil
}
