package reflectionflow

import "slices"

// Cost is what was spent. All figures are totals except Seconds, which is the time of
// the part itself: concurrent parts add up to more than the wall clock.
type Cost struct {
	Images        int     `json:"images,omitempty"`         // images generated
	DenoiseSteps  int     `json:"denoise_steps,omitempty"`  // denoising steps over all images
	VerifierCalls int     `json:"verifier_calls,omitempty"` // images shown to a verifier
	TokensIn      int     `json:"tokens_in,omitempty"`      // language-model tokens read
	TokensOut     int     `json:"tokens_out,omitempty"`     // language-model tokens written
	USD           float64 `json:"money,omitempty"`          // by the configured prices
	// Seconds is not part of the JSON form: records are byte-identical between runs.
	Seconds float64 `json:"-"`
	// Calls names the paid calls of this cost, where a run keeps account of them. It
	// is not part of the JSON form.
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
		USD:           c.USD + d.USD,
		Seconds:       c.Seconds + d.Seconds,
		Calls:         slices.Concat(c.Calls, d.Calls),
	}
}
