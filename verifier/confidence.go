package verifier

import (
	"math"
	"slices"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/verifier/detect"
)

// relationScale is how far above its threshold (see [clipart.RelationStrength]) a relation
// must be for odds of e to 1. It is about the error of the boxes.
const relationScale = 0.05

// Confidence returns the probability in [0, 1] that a requirement is met by the rules of
// [clipart.Check], given the detections. If it is of a kind or relation that
// [clipart.Known] leaves out, or the detector does not know a class or color of it,
// Confidence returns 0.5 and known is false.
//
// Each detection is an object of a class with probability a = P(present)·P(class),
// independently of the others, so the number of objects of a class has a Poisson binomial
// distribution. For "exactly" and "absent" with a color, a also has the factor P(color).
//
// Where the rules look at the most confident objects of a class, another observer may find
// other objects most confident. Each detection is therefore chosen in proportion to a. "At
// least n red" is the probability of n or more objects, times the expected share of red to
// the power n. A position is the probability of its objects and its target (in their
// colors if both are of one class), times, per object, the expected share of pairs that
// have the colors and the relation; a pair has the relation with probability
// sigmoid((strength − 0.5)/0.05).
func Confidence(cfg detect.Config, r reflectionflow.Requirement, detections []detect.Detection) (p float64, known bool) {
	v := view{config: cfg, detections: detections}
	if len(clipart.Known([]reflectionflow.Requirement{r})) == 0 || !v.knows(r.Object, r.Color) ||
		(r.Kind == reflectionflow.Position && !v.knows(r.Target, r.TargetColor)) {
		return 0.5, false
	}
	if r.Count < 0 || r.Count > len(detections) {
		return 0, true // more than there are detections
	}
	switch r.Kind {
	case reflectionflow.AtLeast:
		n := max(r.Count, 1)
		p = atLeast(v.probabilities(r.Object, ""), n) * math.Pow(v.share(r.Object, r.Color), float64(n))
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

// counts returns the probabilities of 0 to n successes among independent trials, the
// Poisson binomial distribution, by recurrence over the trials.
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

// atLeast returns the probability of n or more successes.
func atLeast(trials []float64, n int) float64 {
	p := 1.0
	for _, below := range counts(trials, n-1) {
		p -= below
	}
	return p
}

// view is the detections of one image.
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

// colored returns the probability that detection i has the color; 1 if color is empty.
func (v view) colored(i int, color string) float64 {
	if color == "" {
		return 1
	}
	return v.detections[i].Color[slices.Index(v.config.Colors, color)]
}

// probabilities returns, per detection, the probability that it has the class and the
// color.
func (v view) probabilities(class, color string) []float64 {
	p := make([]float64, len(v.detections))
	for i := range p {
		p[i] = v.is(i, class) * v.colored(i, color)
	}
	return p
}

// share returns the expected share of a color among the objects of a class: 1 if color is
// empty, 0 if there are no objects.
func (v view) share(class, color string) float64 {
	all, colored := 0.0, 0.0
	for i := range v.detections {
		all += v.is(i, class)
		colored += v.is(i, class) * v.colored(i, color)
	}
	if all == 0 {
		return 0
	}
	return colored / all
}

// position returns the probability of a relation, over all pairs of detections that may be
// meant.
func (v view) position(r reflectionflow.Requirement) float64 {
	n, same := max(r.Count, 1), r.Object == r.Target
	subjects, targets := v.probabilities(r.Object, ""), v.probabilities(r.Target, "")
	if same { // only the colors distinguish object and target
		subjects, targets = v.probabilities(r.Object, r.Color), v.probabilities(r.Target, r.TargetColor)
	}
	held, weights := 0.0, 0.0
	for i, a := range subjects {
		for k, b := range targets {
			switch {
			case i != k:
				weights += a * b
				held += a * b * v.stand(r, i, k)
			case !same:
				weights += a * b // one detection cannot be both
			}
		}
	}
	if weights == 0 {
		return 0
	}
	return atLeast(subjects, n) * atLeast(targets, 1) * math.Pow(held/weights, float64(n))
}

// stand returns the probability that detections i and k are in the relation, and in their
// colors unless they were chosen by color.
func (v view) stand(r reflectionflow.Requirement, i, k int) float64 {
	clear := clipart.RelationStrength(r.Relation, v.detections[i].Box, v.detections[k].Box)
	p := 1 / (1 + math.Exp((0.5-clear)/relationScale))
	if r.Object != r.Target {
		p *= v.colored(i, r.Color) * v.colored(k, r.TargetColor)
	}
	return p
}
