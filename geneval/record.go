package geneval

import (
	"fmt"
	"math"

	"reflectionflow"
)

// Record is one line of results.jsonl: the answer of a strategy to a prompt at a
// budget. The first seven fields are those of GenEval's own results.jsonl, so
// that its summary_scores.py reads the lines of one strategy and budget.
type Record struct {
	Filename string `json:"filename"` // inside the evaluation's folder; empty when there is no image
	Tag      string `json:"tag"`
	Prompt   string `json:"prompt"`
	Correct  bool   `json:"correct"`
	Reason   string `json:"reason"`
	Metadata string `json:"metadata"` // JSON text
	Details  string `json:"details"`  // JSON text: class to list of x0, y0, x1, y1 in pixels, confidence
	// Probabilities are those of the expected answers to the prompt's questions, of a judge
	// that asks (see [Judgment]).
	Probabilities []float64 `json:"probabilities,omitempty"`
	// Floored counts those that were not among the tokens of the reply.
	Floored int `json:"floored,omitempty"`
	// Pending is set where another program judges the image later.
	Pending bool `json:"pending,omitempty"`

	Strategy  string  `json:"strategy"`
	Budget    int     `json:"budget"`
	Sample    int     `json:"sample"`    // from 0; how often the prompt was searched for before
	Index     int     `json:"index"`     // of the prompt, from 0
	Candidate int     `json:"candidate"` // ID of the answer, -1 when there is no image
	Score     float64 `json:"score"`     // the verifier's, of the answer
	Cost      Spent   `json:"cost"`
}

// Spent is a cost with its time, as means or totals.
type Spent struct {
	Images        float64 `json:"images"`
	DenoiseSteps  float64 `json:"denoise_steps"`
	VerifierCalls float64 `json:"verifier_calls"`
	TokensIn      float64 `json:"tokens_in"`
	TokensOut     float64 `json:"tokens_out"`
	Money         float64 `json:"money"` // USD
	Seconds       float64 `json:"seconds"`
}

func spent(c reflectionflow.Cost) Spent {
	return Spent{
		Images: float64(c.Images), DenoiseSteps: float64(c.DenoiseSteps), VerifierCalls: float64(c.VerifierCalls),
		TokensIn: float64(c.TokensIn), TokensOut: float64(c.TokensOut), Money: c.USD, Seconds: c.Seconds,
	}
}

// plus is the sum of both.
func (s Spent) plus(d Spent) Spent {
	return Spent{
		Images:        s.Images + d.Images,
		DenoiseSteps:  s.DenoiseSteps + d.DenoiseSteps,
		VerifierCalls: s.VerifierCalls + d.VerifierCalls,
		TokensIn:      s.TokensIn + d.TokensIn,
		TokensOut:     s.TokensOut + d.TokensOut,
		Money:         s.Money + d.Money,
		Seconds:       s.Seconds + d.Seconds,
	}
}

// over is a part of n equal ones.
func (s Spent) over(n float64) Spent {
	return Spent{
		Images:        s.Images / n,
		DenoiseSteps:  s.DenoiseSteps / n,
		VerifierCalls: s.VerifierCalls / n,
		TokensIn:      s.TokensIn / n,
		TokensOut:     s.TokensOut / n,
		Money:         s.Money / n,
		Seconds:       s.Seconds / n,
	}
}

func (r Record) check() error {
	if math.IsNaN(r.Score) || r.Candidate < -1 {
		return fmt.Errorf("candidate %d with score %v", r.Candidate, r.Score)
	}
	return nil
}
