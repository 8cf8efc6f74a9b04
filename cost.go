package reflectionflow

import "slices"

// Cost is what was spent, added up honestly. All figures are totals except
// Seconds, which is the time of the part itself: parts that run side by side
// add up to more than the wall clock.
type Cost struct {
	Images        int     `json:"images,omitempty"`         // images drawn
	DenoiseSteps  int     `json:"denoise_steps,omitempty"`  // sampler steps over all images
	VerifierCalls int     `json:"verifier_calls,omitempty"` // pictures shown to a verifier
	TokensIn      int     `json:"tokens_in,omitempty"`      // language-model tokens read
	TokensOut     int     `json:"tokens_out,omitempty"`     // language-model tokens written
	Money         float64 `json:"money,omitempty"`          // in the price table's currency
	// Seconds is not part of the JSON form: records are reproducible to the byte.
	Seconds float64 `json:"-"`
	// Calls names the paid calls whose cost this is, where a run keeps account of
	// them. It is not part of the JSON form either.
	Calls []string `json:"-"`
}

// Add returns the sum of both costs.
func (c Cost) Add(d Cost) Cost {
	return Cost{
		Images:        c.Images + d.Images,
		DenoiseSteps:  c.DenoiseSteps + d.DenoiseSteps,
		VerifierCalls: c.VerifierCalls + d.VerifierCalls,
		TokensIn:      c.TokensIn + d.TokensIn,
		TokensOut:     c.TokensOut + d.TokensOut,
		Money:         c.Money + d.Money,
		Seconds:       c.Seconds + d.Seconds,
		Calls:         slices.Concat(c.Calls, d.Calls),
	}
}
