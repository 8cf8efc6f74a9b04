package clipart

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"reflectionflow"
)

// promptWords are what TestAcceptedPromptsReadBack makes prompts of.
var promptWords = strings.Split(`a|a|a|an|the|dog|dogs|cat|cup|cups|person|scissors|orange|oranges|red|blue|white|orange|and|and|and|,|with|on|next to|`+
	`left of|right of|above|below|on the left|on the right|at the top|bottom right|no|without|two|three|one|one|exactly|at least|both|all|is|photo of|`+
	`background|.|:|or|not|but|standing|a pair of|glass of wine|wine glass|tree|behind|big`, "|")

// TestAcceptedPromptsReadBack checks on random prompts that the caption of an accepted prompt is
// read as the same requirements, and that errors are one line that says where.
func TestAcceptedPromptsReadBack(t *testing.T) {
	rng, accepted := rand.New(rand.NewPCG(20, 28)), 0
	for range 60000 {
		words := make([]string, 2+rng.IntN(11))
		for i := range words {
			words[i] = promptWords[rng.IntN(len(promptWords))]
		}
		text := strings.Join(words, " ")
		prompt, err := Parse(text)
		if err != nil {
			var parse *ParseError
			if !errors.As(err, &parse) || !errors.Is(err, reflectionflow.ErrInvalid) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 260 {
				t.Fatalf("%q: %v", text, err)
			}
			if word := strings.ReplaceAll(parse.Word, " ", ""); word != "" && !strings.HasPrefix(strings.ReplaceAll(text[parse.Position:], " ", ""), word) {
				t.Fatalf("%q: %q is not at %d", text, parse.Word, parse.Position)
			}
			continue
		}
		accepted++
		caption := ShortCaption(prompt.Requirements)
		again, err := Parse(caption)
		if err != nil || promptKey(again.Requirements) != promptKey(prompt.Requirements) {
			t.Fatalf("%q became %q: %v, %v, not %v", text, caption, again.Requirements, err, prompt.Requirements)
		}
	}
	if accepted < 2000 {
		t.Errorf("only %d prompts are accepted", accepted)
	}
}
