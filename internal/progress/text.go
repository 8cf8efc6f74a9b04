package progress

import (
	"fmt"
	"strings"

	"reflectionflow"
)

// Cost lists what was spent but the time.
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
	if c.Money > 0 {
		parts = append(parts, fmt.Sprintf("money %.4g", c.Money))
	}
	if len(parts) == 0 {
		return "for nothing"
	}
	return strings.Join(parts, ", ")
}

// Plural is a number with its noun.
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
