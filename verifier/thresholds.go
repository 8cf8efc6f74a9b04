package verifier

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"

	"reflectionflow"
)

// Thresholds are settings of a verifier that were fitted with its calibration. A
// configuration uses those that it does not set itself. Zero values were not fitted.
type Thresholds struct {
	// Threshold is the confidence of a network at which an object is as likely there as not,
	// and Slope how fast its probability grows with the log odds of the confidence.
	Threshold float64 `json:"threshold,omitempty"`
	Slope     float64 `json:"slope,omitempty"`
	Objects   int     `json:"objects,omitempty"` // of known presence, on which both were fitted
	// Met and NotMet are the confidences at which requirements are met with a probability of
	// 0.6 and 0.4, whatever their kind.
	Met      float64 `json:"met,omitempty"`
	NotMet   float64 `json:"not_met,omitempty"`
	Findings int     `json:"findings,omitempty"` // on which both were fitted
}

// Tunable is an optional ability of a verifier, found by type assertion: to fit thresholds of
// its own network.
type Tunable interface {
	reflectionflow.Verifier
	// Tune fits Threshold and Slope to examples and uses them from then on; where the examples
	// do not determine them, it changes nothing and returns zeros. No other call may run.
	Tune(ctx context.Context, examples iter.Seq2[Example, error]) (Thresholds, error)
}

// validate reports thresholds that no fit gives.
func (t Thresholds) validate() error {
	for _, v := range []float64{t.Threshold, t.Met, t.NotMet} {
		if !(v >= 0 && v <= 1) {
			return fmt.Errorf("%w: the calibration has a threshold of %v: must be from 0 to 1", reflectionflow.ErrInvalid, v)
		}
	}
	if !(t.Slope >= 0 && t.Slope <= largestSlope) || t.Met < t.NotMet || (t.Met == 0) != (t.NotMet == 0) || t.Threshold == 1 {
		return fmt.Errorf("%w: the calibration has thresholds that no fit gives", reflectionflow.ErrInvalid)
	}
	return nil
}

// largestSlope bounds Thresholds.Slope, leastThreshold Thresholds.Threshold.
const (
	largestSlope   = 20
	leastThreshold = 0.01
)

// FitPresence fits Threshold and Slope to the confidences, between 0 and 1, of objects that
// are there or not. They are zero for fewer than 10 objects, for objects of one sort, and
// where the confidences tell nothing.
func FitPresence(confidences []float64, there []bool) Thresholds {
	t := Thresholds{Objects: len(there)}
	present := 0
	logits := make([]float64, len(confidences))
	for i, c := range confidences {
		c = min(max(c, 1e-6), 1-1e-6)
		logits[i] = math.Log(c / (1 - c))
		if there[i] {
			present++
		}
	}
	if len(there) < leastExamples || present == 0 || present == len(there) || reliability(auc(logits, there), present, len(there)-present) < LeastWeight {
		return t
	}
	c := fitPlatt(logits, there)
	if c.A >= 0 {
		return t
	}
	t.Slope = min(-c.A, largestSlope)
	t.Threshold = min(max(1/(1+math.Exp(c.B/c.A)), leastThreshold), 1-leastThreshold) // where A·logit + B is 0
	return t
}

// thresholds fits Met and NotMet to all findings that have a label.
func (f findings) thresholds() Thresholds {
	var stated []float64
	var met []bool
	right := 0
	for _, kind := range slices.Sorted(maps.Keys(f)) {
		for _, l := range f[kind] {
			if abstains(l.finding) || math.IsNaN(l.finding.Confidence) {
				continue
			}
			stated, met = append(stated, min(max(l.finding.Confidence, 0), 1)), append(met, l.met)
			if l.met {
				right++
			}
		}
	}
	t := Thresholds{Findings: len(met)}
	if len(met) < leastExamples || right == 0 || right == len(met) || reliability(auc(stated, met), right, len(met)-right) < LeastWeight {
		return t
	}
	c := fitPlatt(stated, met)
	if c.A >= 0 {
		return t
	}
	at := func(p float64) float64 {
		return min(max((-math.Log(p/(1-p))-c.B)/c.A, leastThreshold), 1-leastThreshold)
	}
	t.Met, t.NotMet = at(metFrom), at(notMetTo)
	return t
}
