package progress

import (
	"fmt"
	"strings"
	"time"

	"reflectionflow"
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
		parts = append(parts, USD(c.USD))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// USD writes an amount of money. Prices in configurations are in US dollars.
func USD(amount float64) string {
	if amount > 0 && amount < 0.0001 {
		return fmt.Sprintf("%.2g USD", amount)
	}
	return fmt.Sprintf("%.4f USD", amount)
}

// Plural writes a number with its noun.
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Elapsed writes a duration for people: 2.4 s, 3 min 2 s, 1 h 20 min.
func Elapsed(d time.Duration) string {
	switch seconds := int(d.Round(time.Second).Seconds()); {
	case d < 59950*time.Millisecond:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case seconds < 3600:
		return fmt.Sprintf("%d min %d s", seconds/60, seconds%60)
	default:
		return fmt.Sprintf("%d h %d min", seconds/3600, seconds/60%60)
	}
}

// Warning is a warning of a candidate with the number of its image.
func Warning(id int, text string) string {
	if rest, ok := strings.CutPrefix(text, "the image "); ok {
		return fmt.Sprintf("image %d %s", id, rest)
	}
	return fmt.Sprintf("image %d: %s", id, text)
}

// Stopped says why a search stopped.
func Stopped(reason reflectionflow.StopReason) string {
	switch reason {
	case reflectionflow.StoppedRight:
		return "every requirement is met"
	case reflectionflow.StoppedBudget:
		return "the budget is spent"
	case reflectionflow.StoppedFailed:
		return "no image is usable, or too many failed in a row"
	}
	return string(reason)
}
