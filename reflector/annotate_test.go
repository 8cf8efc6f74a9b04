package reflector

import (
	"context"
	"image"
	"image/color"
	"slices"
	"testing"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/conformance"
)

// scenes is a verifier that finds a list of objects by the red of an image.
type scenes [][]reflectionflow.Object

func (s scenes) Verify(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	var scores []reflectionflow.Score
	for _, p := range images {
		corner := p.Image.Bounds().Min
		r, _, _, _ := p.Image.At(corner.X, corner.Y).RGBA()
		score := reflectionflow.Score{Objects: s[r>>8], Cost: reflectionflow.Cost{VerifierCalls: 1}}
		for _, q := range p.Prompt.Requirements {
			f := reflectionflow.Finding{Requirement: q, Verdict: reflectionflow.NotMet}
			if met, _ := clipart.Check(q, s[r>>8]); met {
				f.Verdict = reflectionflow.Met
				score.Value++
			}
			score.Requirements = append(score.Requirements, f)
		}
		scores = append(scores, score)
	}
	return scores, ctx.Err()
}

func level(n uint8) image.Image {
	m := image.NewNRGBA(image.Rect(0, 0, 16, 16))
	for i := range 256 {
		m.SetNRGBA(i%16, i/16, color.NRGBA{R: n, A: 255})
	}
	return m
}

// world lists the objects by level of red.
var world = scenes{
	{object("dog", "", 0)},
	{object("dog", "", 0), object("dog", "", 0.4)},
	{object("dog", "red", 0), object("cat", "blue", 0.5)},
	{object("cat", "blue", 0), object("dog", "red", 0.5)},
	{object("dog", "blue", 0)},
	{object("dog", "red", 0)},
	{},
}

func TestEmbeddedAnnotator(t *testing.T) {
	a := EmbeddedAnnotator{Verifier: world}
	for name, tt := range map[string]struct {
		prompt        string
		first, second uint8
		want          reflectionflow.Comparison
	}{
		"count": {"two dogs", 0, 1, reflectionflow.Comparison{
			Better: reflectionflow.Second, Instructions: []string{"add one more dog"},
			Differences: []reflectionflow.Difference{{Category: "count", First: "1 × dog", Second: "2 × dog"}},
		}},
		"the first is better": {"two dogs", 1, 0, reflectionflow.Comparison{
			Better: reflectionflow.First, Instructions: []string{"add one more dog"},
			Differences: []reflectionflow.Difference{{Category: "count", First: "2 × dog", Second: "1 × dog"}},
		}},
		"object": {"a dog and a cat", 5, 2, reflectionflow.Comparison{
			Better: reflectionflow.Second, Instructions: []string{"add a cat"},
			Differences: []reflectionflow.Difference{{Category: "object", First: "0 × cat", Second: "1 × cat (blue)"}},
		}},
		"color": {"a red dog", 4, 5, reflectionflow.Comparison{
			Better: reflectionflow.Second, Instructions: []string{"make the dog red"},
			Differences: []reflectionflow.Difference{{Category: "color", First: "1 × dog (blue)", Second: "1 × dog (red)"}},
		}},
		"position": {"a dog left of a cat", 3, 2, reflectionflow.Comparison{
			Better: reflectionflow.Second, Instructions: []string{"move the dog to the left of the cat"},
			Differences: []reflectionflow.Difference{{Category: "position", First: "not dog left of cat", Second: "dog left of cat"}},
		}},
		"alike": {"two dogs", 0, 0, reflectionflow.Comparison{Better: reflectionflow.Neither}},
		"alike in value": {"two dogs", 0, 6, reflectionflow.Comparison{
			Better: reflectionflow.Neither, Differences: []reflectionflow.Difference{{Category: "object", First: "1 × dog", Second: "0 × dog"}},
		}},
		"not understood": {"justice", 0, 1, reflectionflow.Comparison{Unanswered: UnansweredPrompt}},
	} {
		t.Run(name, func(t *testing.T) {
			pair := reflectionflow.Pair{Prompt: reflectionflow.Prompt{Text: tt.prompt}, First: level(tt.first), Second: level(tt.second)}
			got, err := a.Annotate(t.Context(), []reflectionflow.Pair{pair})
			if err != nil || len(got) != 1 {
				t.Fatal(got, err)
			}
			c := got[0]
			if c.Better != tt.want.Better || c.Unanswered != tt.want.Unanswered || !slices.Equal(c.Differences, tt.want.Differences) || !slices.Equal(c.Instructions, tt.want.Instructions) {
				t.Errorf("got %+v\nwant %+v", c, tt.want)
			}
		})
	}
}

func TestEmbeddedAnnotatorKeepsTheContract(t *testing.T) {
	pair := func(text string, first, second uint8) reflectionflow.Pair {
		return reflectionflow.Pair{Prompt: reflectionflow.Prompt{Text: text}, First: level(first), Second: level(second)}
	}
	conformance.Annotator(t, EmbeddedAnnotator{Verifier: world}, []reflectionflow.Pair{
		pair("two dogs", 0, 1), pair("a red dog", 5, 4), pair("justice", 1, 2), pair("a dog", 0, 6),
	}, conformance.Options{})
}
