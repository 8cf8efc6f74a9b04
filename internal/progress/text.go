package progress

import (
	"fmt"
	"strings"

	"reflectionflow"
	"reflectionflow/internal/terminal"
)

// Cost lists what was spent, except time.
func Cost(c reflectionflow.Cost) string {
	var parts []string
	for _, each := range []struct {
		n    int
		noun string
	}{
		{c.Images, "image"}, {c.DenoiseSteps, "denoising step"}, {c.VerifierCalls, "verifier call"}, {c.TokensIn + c.TokensOut, "token"},
	} {
		if each.n > 0 {
			parts = append(parts, Plural(each.n, each.noun))
		}
	}
	if c.USD > 0 {
		parts = append(parts, terminal.USD(c.USD))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// Plural writes a number with its noun.
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Score is the value of a score with two decimals; what rounds to zero has no sign.
func Score(value float64) string {
	if text := fmt.Sprintf("%.2f", value); text != "-0.00" {
		return text
	}
	return "0.00"
}

// Warning is a warning of a candidate with the number of its image.
func Warning(id int, text string) string {
	if rest, ok := strings.CutPrefix(text, "the image "); ok {
		return fmt.Sprintf("image %d %s", id, rest)
	}
	return fmt.Sprintf("image %d: %s", id, text)
}

// NothingJudged is why a search stopped at an image of which the verifier could judge nothing.
const NothingJudged = "the verifier can judge none of the requirements and saw something of what is asked for"

// Stopped says why a search stopped with a best image of this score.
func Stopped(reason reflectionflow.StopReason, best reflectionflow.Score) string {
	switch reason {
	case reflectionflow.StoppedRight:
		return "every requirement is met"
	case reflectionflow.StoppedJudged:
		if len(best.Judged()) == 0 {
			return NothingJudged
		}
		return "every requirement is met that the verifier can judge"
	case reflectionflow.StoppedBudget:
		if best.NothingWrong() && !best.Enough() {
			return "the budget is spent: the verifier can judge too little of the prompt to stop early"
		}
		return "the budget is spent"
	case reflectionflow.StoppedFailed:
		return "no image is usable, or too many failed in a row"
	}
	return string(reason)
}
