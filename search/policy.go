package search

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"reflectionflow"
)

// Policy holds the numbers by which the adaptive strategies choose. They are fitted on
// training prompts (see [Search.Fit]) and stored with the model that they were fitted
// for; [DefaultPolicy] is for models without.
type Policy struct {
	Format string `json:"format"` // PolicyFormat
	// FittedOn says in words what the numbers were fitted on.
	FittedOn string `json:"fitted_on"`
	Stop     Stop   `json:"stop"`
	// Weight is the number of a prompt's images that count as much as the fitted gains.
	Weight float64 `json:"weight"`
	// Expected gains of one image, in [0, 1], by its action.
	Explore Gains   `json:"explore"`
	Rewrite Gains   `json:"rewrite"`
	Reflect Gains   `json:"reflect"`
	Seconds Seconds `json:"seconds"`
	Early   Early   `json:"early"`
}

// PolicyFormat marks the files.
const PolicyFormat = "reflectionflow policy 2"

// Stop says when an image whose findings are all met ends a search. With x its
// [LogOdds], the image is right with probability 1/(1+exp(A·x+B)) (Platt 1999), A at
// most 0. A = -1 and B = 0 take the verifier's confidences for probabilities.
type Stop struct {
	A           float64 `json:"a"`
	B           float64 `json:"b"`
	Probability float64 `json:"probability"` // the least that ends a search, in [0, 1]
	// Sure is the least that ends a search while images are left over, in [0, 1]: once
	// every prompt of the call has an image that is right by Probability, or has spent
	// its budget, prompts below Sure share the rest. It has no effect up to
	// Probability.
	Sure float64 `json:"sure"`
}

// Gains are the expected gains of one image, by what the best image so far is like. A
// gain is 1 for an image that ends the search, else what it adds to the best mean
// confidence.
type Gains struct {
	Local       float64 `json:"local"`        // it misses little
	Global      float64 `json:"global"`       // it misses most requirements, and an object
	LocalStuck  float64 `json:"local_stuck"`  // Local, and every image misses the same requirement
	GlobalStuck float64 `json:"global_stuck"` // Global, and every image misses the same requirement
}

// Seconds is the time that actions take. It is fitted once and then constant, so that
// choices do not depend on the clock.
type Seconds struct {
	Step          float64 `json:"step"`           // one step from noise, encoding and decoding spread over the steps
	CorrectedStep float64 `json:"corrected_step"` // one step of a correction
	Verify        float64 `json:"verify"`         // one image
	Reflect       float64 `json:"reflect"`        // one reflection
	Rewrite       float64 `json:"rewrite"`        // one refined prompt
}

// Early says which noises are abandoned on their previews.
type Early struct {
	// Share of the denoising steps after which there is a preview, in (0, 1).
	Share float64 `json:"share"`
	// Least is the mean logarithm of the confidences below which a noise is
	// abandoned.
	Least float64 `json:"least"`
	// Tries is the most noises that a candidate may abandon; 0 for none.
	Tries int `json:"tries"`
}

// DefaultPolicy returns the policy of a model that none was fitted for. It takes the
// verifier's confidences for probabilities. It prefers corrections where little is
// wrong, new noise where most is, and a rewritten prompt where every image misses the
// same requirement. It abandons no noise: what a preview shows depends on the model.
func DefaultPolicy() Policy {
	return Policy{
		Format: PolicyFormat, FittedOn: "nothing: defaults",
		Stop:    Stop{A: -1, B: 0, Probability: 0.5, Sure: 0.5}, // all of three requirements at 0.8
		Weight:  4,
		Explore: Gains{Local: 0.10, Global: 0.15, LocalStuck: 0.06, GlobalStuck: 0.08},
		Rewrite: Gains{Local: 0.10, Global: 0.14, LocalStuck: 0.12, GlobalStuck: 0.14},
		Reflect: Gains{Local: 0.25, Global: 0.12, LocalStuck: 0.25, GlobalStuck: 0.10},
		// A corrected step has 1.5 times the image tokens (a reference of half the size).
		Seconds: Seconds{Step: 0.010, CorrectedStep: 0.014, Verify: 0.01, Reflect: 0.001, Rewrite: 0.001},
		Early:   Early{Share: 0.25, Least: math.Log(0.01), Tries: 0},
	}
}

// maxPolicyBytes bounds a policy file.
const maxPolicyBytes = 1 << 16

// ReadPolicy reads what [Policy.Write] wrote. Anything else, such as unknown fields and
// numbers out of range, is an error wrapping [reflectionflow.ErrInvalid].
func ReadPolicy(r io.Reader) (Policy, error) {
	var p Policy
	d := json.NewDecoder(io.LimitReader(r, maxPolicyBytes))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return Policy{}, invalid("read the policy: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Policy{}, invalid("read the policy: there is data after it: keep one JSON object")
	}
	return p, p.validate()
}

// Write writes the policy as indented JSON.
func (p Policy) Write(w io.Writer) error {
	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return fmt.Errorf("write the policy: %w", err)
	}
	_, err = w.Write(append(data, '\n'))
	return err
}

func (p Policy) validate() error {
	if p.Format != PolicyFormat {
		return invalid("the policy is of format %.60q, want %q", p.Format, PolicyFormat)
	}
	between := func(name string, v, low, high float64) error {
		if !(v >= low && v <= high) {
			return invalid("policy: %s is %v: must be from %v to %v", name, v, low, high)
		}
		return nil
	}
	errs := []error{
		between("stop.a", p.Stop.A, -1e6, 0), between("stop.b", p.Stop.B, -1e6, 1e6),
		between("stop.probability", p.Stop.Probability, 0, 1), between("stop.sure", p.Stop.Sure, 0, 1),
		between("weight", p.Weight, 0.01, 1e6),
		between("early.share", p.Early.Share, 0, 1), between("early.least", p.Early.Least, -1e6, 0),
		between("early.tries", float64(p.Early.Tries), 0, maxTries),
	}
	for _, g := range []Gains{p.Explore, p.Rewrite, p.Reflect} {
		for _, v := range []float64{g.Local, g.Global, g.LocalStuck, g.GlobalStuck} {
			errs = append(errs, between("a gain", v, 0, 1))
		}
	}
	s := p.Seconds
	for _, v := range []float64{s.Step, s.CorrectedStep, s.Verify, s.Reflect, s.Rewrite} {
		errs = append(errs, between("a time", v, 0, 1e6))
	}
	return cmp.Or(errs...)
}

// maxTries bounds Early.Tries.
const maxTries = 16

// gains are those of an action.
func (p *Policy) gains(a reflectionflow.Action) *Gains {
	switch a {
	case reflectionflow.Rewrite:
		return &p.Rewrite
	case reflectionflow.Reflect:
		return &p.Reflect
	}
	return &p.Explore
}

// in is the gain in a situation.
func (g *Gains) in(s situation) *float64 {
	switch s {
	case situation{stuck: true}:
		return &g.LocalStuck
	case situation{global: true}:
		return &g.Global
	case situation{global: true, stuck: true}:
		return &g.GlobalStuck
	}
	return &g.Local
}

// cost is the time of one image by an action, in seconds; never 0.
func (s Seconds) cost(a reflectionflow.Action, steps int) float64 {
	const least = 1e-9
	n := float64(steps)
	switch a {
	case reflectionflow.Rewrite:
		return max(least, s.Rewrite+n*s.Step+s.Verify)
	case reflectionflow.Reflect:
		return max(least, s.Reflect+n*s.CorrectedStep+s.Verify)
	}
	return max(least, n*s.Step+s.Verify)
}

// LogOdds returns ln(P/(1-P)), clamped to ±20, where P is the product of the confidences
// of a score's findings: of those that were judged, and that decide whether the image is
// right. It is 0 where there are none.
func LogOdds(score reflectionflow.Score) float64 {
	findings := reflectionflow.Score{Requirements: score.Judged()}.Deciding()
	if len(findings) == 0 {
		return 0
	}
	const most = 20
	product := 1.0
	for _, f := range findings {
		product *= f.Confidence
	}
	return min(most, max(-most, math.Log(product)-math.Log1p(-product)))
}

// probability is that of an image with such findings to be right.
func (s Stop) probability(score reflectionflow.Score) float64 {
	return 1 / (1 + math.Exp(s.A*LogOdds(score)+s.B))
}

// Correct adapts a curve that was fitted on images of which half were right to images
// of which only a share is right: it shifts the log odds by those of the share.
func (s *Stop) Correct(share float64) {
	s.B -= math.Log(share / (1 - share))
	s.A, s.B = rounded(s.A), rounded(s.B)
}

// believes reports whether an image is taken for right.
func (s Stop) believes(score reflectionflow.Score) bool {
	return score.Enough() && s.probability(score) >= s.Probability
}

// sure reports whether an image is so likely to be right that no more images are worth
// generating.
func (s Stop) sure(score reflectionflow.Score) bool {
	return s.believes(score) && s.probability(score) >= s.Sure
}

// leastConfidence bounds the effect of one requirement on meanLog.
const leastConfidence = 0.001

// steps is the number of denoising steps before the preview of an image that takes
// steps; 0 for no preview.
func (e Early) steps(steps int) int {
	if e.Tries == 0 || steps < 2 {
		return 0
	}
	return min(max(1, int(math.Round(e.Share*float64(steps)))), steps-1)
}

// hopeless reports whether a noise is abandoned for the score of its preview.
func (e Early) hopeless(score reflectionflow.Score) bool {
	return len(score.Judged()) > 0 && meanLog(score) < e.Least
}

// meanLog is the mean logarithm of the confidences, 0 where nothing was judged.
func meanLog(score reflectionflow.Score) float64 {
	sum, judged := 0.0, score.Judged()
	for _, f := range judged {
		sum += math.Log(max(f.Confidence, leastConfidence))
	}
	return sum / float64(max(len(judged), 1))
}
