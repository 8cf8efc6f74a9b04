package verifier

import (
	"cmp"
	"math"
	"slices"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/verifier/detect"
)

// relationScale is how much clearer than the threshold (see [clipart.Along]) a
// relation must be for odds of e to 1. Boxes are about that exact.
const relationScale = 0.05

// Confidence is the probability in [0, 1] that a requirement is met by the rules of
// [clipart.Check], given what the detector sees; known is false where the
// requirement names a class or colour that the detector does not know, and the
// probability is then 0.5.
//
// Each detection is an object of a class with probability a = P(present)·P(class),
// independently of the others. So the number of a class has a Poisson binomial
// distribution; for "exactly" and "absent" with a colour, a also has the factor
// P(colour). "At least n red" needs n or more of the class, the likeliest n of them
// all red. A position needs its objects and its target (the likeliest of their
// classes) to be there, in their colours, each in the relation with probability
// sigmoid((along − 0.5)/0.05).
func Confidence(cfg detect.Config, r reflectionflow.Requirement, detections []detect.Detection) (p float64, known bool) {
	v := view{config: cfg, detections: detections}
	if !v.knows(r.Object, r.Color) || (r.Kind == reflectionflow.Position && !v.knows(r.Target, r.TargetColor)) {
		return 0.5, false
	}
	if r.Count < 0 || r.Count > len(detections) {
		return 0, true // so many cannot be there; counts need no table for them
	}
	switch r.Kind {
	case reflectionflow.AtLeast:
		n := max(r.Count, 1)
		p = 1
		for _, below := range counts(v.probabilities(r.Object, ""), n-1) {
			p -= below
		}
		for _, i := range v.likeliest(r.Object, "", n) {
			p *= v.colored(i, r.Color)
		}
	case reflectionflow.Exactly:
		p = counts(v.probabilities(r.Object, r.Color), r.Count)[r.Count]
	case reflectionflow.Absent:
		p = counts(v.probabilities(r.Object, r.Color), 0)[0]
	case reflectionflow.Position:
		p = v.position(r)
	default:
		return 0.5, false
	}
	return min(max(p, 0), 1), true
}

// counts are the probabilities of 0 to n successes among independent trials (the
// Poisson binomial distribution, by its recurrence over the trials).
func counts(trials []float64, n int) []float64 {
	p := make([]float64, n+1)
	p[0] = 1
	for _, success := range trials {
		for k := n; k > 0; k-- {
			p[k] = p[k]*(1-success) + p[k-1]*success
		}
		p[0] *= 1 - success
	}
	return p
}

// view answers questions on one picture's detections.
type view struct {
	config     detect.Config
	detections []detect.Detection
}

func (v view) knows(class, color string) bool {
	return slices.Contains(v.config.Classes, class) && (color == "" || slices.Contains(v.config.Colors, color))
}

// is returns the probability that detection i is an object of the class.
func (v view) is(i int, class string) float64 {
	d := v.detections[i]
	return d.Presence * d.Class[slices.Index(v.config.Classes, class)]
}

// colored is the probability that detection i has the colour; 1 for any.
func (v view) colored(i int, color string) float64 {
	if color == "" {
		return 1
	}
	return v.detections[i].Color[slices.Index(v.config.Colors, color)]
}

// probabilities are those of every detection to be of the class and colour.
func (v view) probabilities(class, color string) []float64 {
	p := make([]float64, len(v.detections))
	for i := range p {
		p[i] = v.is(i, class) * v.colored(i, color)
	}
	return p
}

// likeliest are the up to n detections that are most likely of the class and
// colour.
func (v view) likeliest(class, color string, n int) []int {
	p := v.probabilities(class, color)
	indices := make([]int, len(p))
	for i := range indices {
		indices[i] = i
	}
	slices.SortStableFunc(indices, func(a, b int) int { return cmp.Compare(p[b], p[a]) })
	return indices[:min(n, len(indices))]
}

func (v view) position(r reflectionflow.Requirement) float64 {
	n, color, targetColor := max(r.Count, 1), "", ""
	if r.Object == r.Target { // only colours tell them apart
		color, targetColor = r.Color, r.TargetColor
	}
	subjects, targets := v.likeliest(r.Object, color, n), v.likeliest(r.Target, targetColor, 1)
	if len(subjects) < n || len(targets) == 0 {
		return 0
	}
	target := targets[0]
	p := v.is(target, r.Target) * v.colored(target, r.TargetColor)
	for _, i := range subjects {
		if i == target {
			return 0 // one thing cannot be both
		}
		clear := clipart.Along(r.Relation, v.detections[i].Box, v.detections[target].Box)
		p *= v.is(i, r.Object) * v.colored(i, r.Color) / (1 + math.Exp((0.5-clear)/relationScale))
	}
	return p
}
