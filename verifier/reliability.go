package verifier

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"reflectionflow"
)

// KindCalibration says how far a verifier's findings for requirements of one kind can be
// trusted.
type KindCalibration struct {
	Examples int `json:"examples"` // labeled requirements with a finding
	Met      int `json:"met"`      // of them, by the labels
	// Abstained counts those that the verifier was unsure of without a probability; they are
	// not among the examples.
	Abstained int `json:"abstained,omitempty"`
	// Passed counts the requirements that are not met by the labels and that the verifier
	// calls met. Where that is nearly all, it says yes to everything.
	Passed int     `json:"passed"`
	Curve  Curve   `json:"curve"` // from Finding.Confidence to the probability that it is met
	AUC    float64 `json:"auc"`   // as in [Calibration], of the confidences
	Brier  float64 `json:"brier"` // of the calibrated probabilities
	// Weight is the reliability in [0, 1]: twice what the AUC has above chance, less one
	// standard error (Hanley and McNeil 1982). 0: the findings carry no information.
	Weight float64 `json:"weight"`
	// Bins are the reliability diagram of the confidences: ten of equal width, without empty
	// ones.
	Bins []Bin `json:"bins"`
}

// Bin is a part of a reliability diagram.
type Bin struct {
	Stated float64 `json:"stated"` // mean confidence
	Met    int     `json:"met"`    // by the labels
	Of     int     `json:"of"`
}

// leastExamples is the smallest number of labeled requirements that a kind is calibrated
// on. Both labels must occur.
const leastExamples = 10

// manyExamples is the number from which isotonic regression has enough values; fewer are
// fitted by [Platt].
const manyExamples = 100

// LeastWeight is the reliability below which a finding is not trusted: it counts as not judged.
const LeastWeight = 0.1

// YesToEverything reports a verifier that calls met nearly all that is not, on at least
// five examples.
func (k KindCalibration) YesToEverything() bool {
	wrong := k.Examples - k.Met
	return wrong >= 5 && float64(k.Passed) >= 0.9*float64(wrong)
}

// labeled is a finding with its label.
type labeled struct {
	finding reflectionflow.Finding
	met     bool
}

// Known says of a requirement of an example whether it is met, by what is known: an
// image that is right meets all that it must, and the only requirement of a wrong one is
// not met.
func (e Example) Known(i int) (met, known bool) {
	requirements := e.Image.Prompt.Requirements
	switch {
	case i < len(e.Met):
		return e.Met[i], true
	case e.Right:
		return true, requirements[i].Weight == reflectionflow.Must
	}
	return false, len(requirements) == 1
}

// findings collects labeled findings by kind.
type findings map[reflectionflow.Kind][]labeled

// add takes the findings of a score; a score without an answer has none.
func (f findings) add(e Example, s reflectionflow.Score) {
	if s.Unanswered != "" || len(s.Requirements) != len(e.Image.Prompt.Requirements) {
		return
	}
	for i, found := range s.Requirements {
		if met, known := e.Known(i); known {
			kind := found.Requirement.Kind
			f[kind] = append(f[kind], labeled{found, met})
		}
	}
}

// calibrate fits the kinds that have enough examples; nil for none.
func (f findings) calibrate(method string) map[reflectionflow.Kind]KindCalibration {
	kinds := make(map[reflectionflow.Kind]KindCalibration)
	for _, kind := range slices.Sorted(maps.Keys(f)) {
		if k, ok := fitKind(f[kind], method); ok {
			kinds[kind] = k
		}
	}
	if len(kinds) == 0 {
		return nil
	}
	return kinds
}

// fitKind calibrates the findings of one kind; false where there are too few.
func fitKind(list []labeled, method string) (KindCalibration, bool) {
	var k KindCalibration
	var stated []float64
	var met []bool
	for _, l := range list {
		if abstains(l.finding) || math.IsNaN(l.finding.Confidence) {
			k.Abstained++
			continue
		}
		stated, met = append(stated, min(max(l.finding.Confidence, 0), 1)), append(met, l.met)
		switch {
		case l.met:
			k.Met++
		case l.finding.Verdict == reflectionflow.Met:
			k.Passed++
		}
	}
	if k.Examples = len(stated); k.Examples < leastExamples || k.Met == 0 || k.Met == k.Examples {
		return k, false
	}
	if method == Isotonic && k.Examples >= manyExamples {
		k.Curve = fitIsotonic(stated, met)
	} else {
		k.Curve = fitPlatt(stated, met)
	}
	k.AUC = auc(stated, met)
	k.Weight = reliability(k.AUC, k.Met, k.Examples-k.Met)
	bins := make([]Bin, 10)
	for i, p := range stated {
		target := 0.0
		b := &bins[min(int(10*p), 9)]
		b.Stated, b.Of = b.Stated+p, b.Of+1
		if met[i] {
			target = 1
			b.Met++
		}
		k.Brier += math.Pow(k.Curve.Probability(p)-target, 2) / float64(k.Examples)
	}
	for _, b := range bins {
		if b.Of > 0 {
			b.Stated /= float64(b.Of)
			k.Bins = append(k.Bins, b)
		}
	}
	return k, true
}

// reliability is twice the AUC above chance, less one standard error. A perfect AUC has
// the error of one whose last pair is undecided.
func reliability(auc float64, positives, negatives int) float64 {
	p, n := float64(positives), float64(negatives)
	a := min(max(auc, 0.5/(p*n)), 1-0.5/(p*n))
	q1, q2 := a/(2-a), 2*a*a/(1+a)
	variance := (a*(1-a) + (p-1)*(q1-a*a) + (n-1)*(q2-a*a)) / (p * n)
	return min(max(2*(auc-math.Sqrt(max(variance, 0)))-1, 0), 1)
}

// validate reports a calibration of a kind that no fit produces.
func (k KindCalibration) validate() error {
	bad := !(k.Weight >= 0 && k.Weight <= 1) || k.Examples < 0 || k.Examples > maxExamples || k.Met < 0 || k.Met > k.Examples || k.Passed < 0 || k.Passed > k.Examples ||
		len(k.Bins) > 10 || !(k.AUC >= 0 && k.AUC <= 1) || !(k.Brier >= 0 && k.Brier <= 1)
	for _, b := range k.Bins {
		bad = bad || !(b.Stated >= 0 && b.Stated <= 1) || b.Met < 0 || b.Met > b.Of
	}
	if bad {
		return fmt.Errorf("%w: the calibration of a kind has impossible numbers", reflectionflow.ErrInvalid)
	}
	return k.Curve.validate()
}

// trusted is a finding with its calibrated probability. Below [LeastWeight] it
// tells nothing, so it is not judged.
func (c Calibration) trusted(f reflectionflow.Finding) reflectionflow.Finding {
	k, ok := c.Kinds[f.Requirement.Kind]
	if !ok || abstains(f) {
		return f
	}
	f.Confidence = k.Curve.Probability(f.Confidence)
	f.Verdict = verdictOf(f.Confidence)
	if k.Weight < LeastWeight {
		f.Verdict, f.Unjudged = reflectionflow.Unsure, true
	}
	return f
}

// The probabilities from which a requirement counts as met, and up to which as not met.
const (
	metFrom  = 0.6
	notMetTo = 0.4
)

func verdictOf(p float64) reflectionflow.Verdict {
	switch {
	case p >= metFrom:
		return reflectionflow.Met
	case p <= notMetTo:
		return reflectionflow.NotMet
	}
	return reflectionflow.Unsure
}
