package reflector

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/clipart"
)

// Reasons of an [EmbeddedAnnotator] for a comparison without an answer. They are stored in
// annotation files.
const (
	// UnansweredPrompt means that [clipart.Parse] does not understand the prompt.
	UnansweredPrompt = "prompt not understood"
	// UnansweredNoFix means that the better image shows nothing of the prompt that the worse
	// one lacks. Files of earlier versions say "nothing to mend by the prompt".
	UnansweredNoFix = "nothing to fix by the prompt"
)

// EmbeddedAnnotator compares images by the scores of a verifier. The better image is the
// one with the higher value, the differences are those of the detected objects, and the
// instructions are those of [clipart.Fixes] for the worse image.
type EmbeddedAnnotator struct {
	Verifier reflectionflow.Verifier
}

var _ reflectionflow.Annotator = EmbeddedAnnotator{}

// Annotate implements [reflectionflow.Annotator].
func (a EmbeddedAnnotator) Annotate(ctx context.Context, pairs []reflectionflow.Pair) ([]reflectionflow.Comparison, error) {
	if err := checkPairs(pairs); err != nil {
		return nil, err
	}
	comparisons := make([]reflectionflow.Comparison, len(pairs))
	var images []reflectionflow.PromptedImage
	var of []int // index of the pair, per two images
	for i, p := range pairs {
		prompt, err := parsed(p.Prompt)
		if err != nil {
			comparisons[i].Unanswered, comparisons[i].Detail = UnansweredPrompt, strings.TrimPrefix(err.Error(), reflectionflow.ErrInvalid.Error()+": ")
			continue
		}
		of = append(of, i)
		images = append(images, reflectionflow.PromptedImage{Prompt: prompt, Image: p.First}, reflectionflow.PromptedImage{Prompt: prompt, Image: p.Second})
	}
	if len(images) == 0 {
		return comparisons, ctx.Err()
	}
	scores, err := a.Verifier.Verify(ctx, images)
	if err != nil {
		return nil, fmt.Errorf("verify images: %w", err)
	}
	if len(scores) != len(images) {
		return nil, fmt.Errorf("the verifier gave %d scores for %d images", len(scores), len(images))
	}
	for k, i := range of {
		comparisons[i] = compare(images[2*k].Prompt, scores[2*k], scores[2*k+1])
	}
	return comparisons, nil
}

// checkPairs returns an error for an invalid batch, before any question is paid for.
func checkPairs(pairs []reflectionflow.Pair) error {
	for i, p := range pairs {
		if err := p.Prompt.Validate(); err != nil {
			return err
		}
		if p.First == nil || p.Second == nil {
			return fmt.Errorf("%w: pair %d lacks an image", reflectionflow.ErrInvalid, i)
		}
	}
	return nil
}

func compare(prompt reflectionflow.Prompt, first, second reflectionflow.Score) reflectionflow.Comparison {
	c := reflectionflow.Comparison{Better: reflectionflow.Neither, Cost: first.Cost.Add(second.Cost)}
	worse := first
	switch {
	case first.Value < second.Value:
		c.Better = reflectionflow.Second
	case first.Value > second.Value:
		c.Better, worse = reflectionflow.First, second
	}
	c.Differences = differences(prompt, first, second)
	if c.Better == reflectionflow.Neither {
		return c
	}
	if len(worse.Requirements) > 0 && !worse.Right() {
		for _, fix := range clipart.Fixes(reflectionflow.Prompt{Text: prompt.Text, Requirements: clipart.Known(prompt.Requirements)}, seen(worse)) {
			c.Instructions = append(c.Instructions, fix.String())
		}
	}
	if len(c.Instructions) == 0 {
		return reflectionflow.Comparison{Unanswered: UnansweredNoFix, Cost: c.Cost}
	}
	if len(c.Differences) == 0 { // the same objects, with different confidence
		c.Differences = []reflectionflow.Difference{{Category: "quality", First: clearness(first, second), Second: clearness(second, first)}}
	}
	return c
}

func clearness(a, b reflectionflow.Score) string {
	if a.Value > b.Value {
		return "shows more clearly what was asked for"
	}
	return "shows less clearly what was asked for"
}

// differences lists, per class, how the detected objects differ, and positions that hold
// in one image only.
func differences(prompt reflectionflow.Prompt, first, second reflectionflow.Score) []reflectionflow.Difference {
	var found []reflectionflow.Difference
	a, b := seen(first), seen(second)
	var classes []string
	for _, o := range slices.Concat(a, b) {
		if !slices.Contains(classes, o.Class) {
			classes = append(classes, o.Class)
		}
	}
	slices.Sort(classes)
	for _, class := range classes {
		inA, inB := colorsOf(a, class), colorsOf(b, class)
		category := ""
		switch {
		case len(inA) == 0 || len(inB) == 0:
			category = "object"
		case len(inA) != len(inB):
			category = "count"
		case !slices.Equal(inA, inB):
			category = "color"
		default:
			continue
		}
		found = append(found, reflectionflow.Difference{Category: category, First: shown(class, inA), Second: shown(class, inB)})
	}
	for i, r := range prompt.Requirements {
		if r.Kind != reflectionflow.Position || i >= len(first.Requirements) || i >= len(second.Requirements) {
			continue
		}
		x, y := first.Requirements[i].Verdict, second.Requirements[i].Verdict
		if x != y && (x == reflectionflow.Met || y == reflectionflow.Met) {
			found = append(found, reflectionflow.Difference{Category: "position", First: placed(r, x), Second: placed(r, y)})
		}
	}
	return found
}

// colorsOf returns the sorted colors of a class's objects.
func colorsOf(objects []reflectionflow.Object, class string) []string {
	var colors []string
	for _, o := range objects {
		if o.Class == class {
			colors = append(colors, o.Color)
		}
	}
	slices.Sort(colors)
	return colors
}

// shown states the number and colors of the objects of a class.
func shown(class string, colors []string) string {
	text := fmt.Sprintf("%d × %s", len(colors), class)
	named := slices.Compact(slices.DeleteFunc(slices.Clone(colors), func(c string) bool { return c == "" }))
	if len(named) > 0 {
		text += " (" + strings.Join(named, ", ") + ")"
	}
	return text
}

func placed(r reflectionflow.Requirement, v reflectionflow.Verdict) string {
	switch v {
	case reflectionflow.Met:
		return r.String()
	case reflectionflow.NotMet:
		return "not " + r.String()
	}
	return "unclear whether " + r.String()
}
