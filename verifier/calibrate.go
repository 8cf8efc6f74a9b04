package verifier

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"slices"

	"reflectionflow"
)

// Example is an image with a label of people or a judge.
type Example struct {
	Image reflectionflow.PromptedImage
	Right bool // it shows everything that the prompt asks for
	// Met says of each requirement of the prompt whether it is met; nil where that is not
	// known.
	Met []bool
}

// Calibration maps a verifier's values to the probability that an image is right. It also
// holds the values of the labeled images, as the reference of an [Ensemble].
type Calibration struct {
	Format   string `json:"format"`   // CalibrationFormat
	Verifier string `json:"verifier"` // name of the verifier
	Curve    Curve  `json:"curve"`
	Examples int    `json:"examples"`
	Right    int    `json:"right"` // of the examples
	// AUC is the probability that a right example has a higher value than a wrong one,
	// with ties counted half: 0.5 is chance, 1 is perfect. The fit does not affect it.
	AUC float64 `json:"auc"`
	// Brier is the mean squared error of the probabilities on the examples. It is
	// optimistic for a curve with many steps, which was fitted to the same examples.
	Brier float64 `json:"brier"`
	// Kinds says how far findings can be trusted, by kind of requirement. Kinds with fewer
	// than 10 labeled requirements, or with labels of one sort, are left out.
	Kinds map[reflectionflow.Kind]KindCalibration `json:"kinds,omitempty"`
	// Thresholds are settings of the verifier that were fitted to the same examples; nil for
	// none.
	Thresholds *Thresholds `json:"thresholds,omitempty"`
	// Reference holds the values of the examples, in order.
	Reference []float64 `json:"reference"`
}

// CalibrationFormat is the format of calibration files.
const CalibrationFormat = "reflectionflow calibration 1"

// maxExamples bounds a labeled set and a calibration file.
const maxExamples = 1 << 20

// Calibrate verifies labeled images in batches and fits a curve to the values; method is
// [Platt] or [Isotonic]. Both labels must occur. It ends with the first error of examples.
// The cost of verifying is also returned with an error.
func Calibrate(ctx context.Context, name string, v reflectionflow.Verifier, examples iter.Seq2[Example, error], method string) (Calibration, reflectionflow.Cost, error) {
	var cost reflectionflow.Cost
	var values []float64
	var right []bool
	var images []reflectionflow.PromptedImage
	var waiting []Example
	found := make(findings)
	verify := func() error {
		scores, err := v.Verify(ctx, images)
		if err == nil && len(scores) != len(images) {
			err = fmt.Errorf("%d scores for %d images", len(scores), len(images))
		}
		if err != nil {
			return fmt.Errorf("verify the labeled images: %w", err)
		}
		for i, s := range scores {
			values = append(values, s.Value)
			cost = cost.Add(s.Cost)
			found.add(waiting[i], s)
		}
		images, waiting = images[:0], waiting[:0]
		return nil
	}
	const batch = 32 // bounds the memory and the calls that a failure wastes
	for e, err := range examples {
		if err != nil {
			return Calibration{}, cost, err
		}
		if len(e.Met) > 0 && len(e.Met) != len(e.Image.Prompt.Requirements) {
			return Calibration{}, cost, fmt.Errorf("%w: image %d: %d verdicts for %d requirements", reflectionflow.ErrInvalid, len(right)+1, len(e.Met), len(e.Image.Prompt.Requirements))
		}
		images, right, waiting = append(images, e.Image), append(right, e.Right), append(waiting, e)
		if len(images) == batch {
			if err := verify(); err != nil {
				return Calibration{}, cost, err
			}
		}
	}
	if len(images) > 0 {
		if err := verify(); err != nil {
			return Calibration{}, cost, err
		}
	}
	c, err := Fit(name, values, right, method)
	if err == nil {
		c.Kinds = found.calibrate(method)
		if t := found.thresholds(); t.Met > 0 {
			c.Thresholds = &t
		}
	}
	return c, cost, err
}

// Fit fits a curve to values that are already known; see [Calibrate].
func Fit(name string, values []float64, right []bool, method string) (Calibration, error) {
	if len(values) != len(right) || len(values) > maxExamples {
		return Calibration{}, fmt.Errorf("%w: %d values for %d labels, at most %d are allowed", reflectionflow.ErrInvalid, len(values), len(right), maxExamples)
	}
	if slices.ContainsFunc(values, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }) {
		return Calibration{}, fmt.Errorf("%w: a value is not finite", reflectionflow.ErrInvalid)
	}
	c := Calibration{Format: CalibrationFormat, Verifier: name, Examples: len(values), Reference: slices.Clone(values)}
	for _, r := range right {
		if r {
			c.Right++
		}
	}
	if c.Right == 0 || c.Right == len(right) {
		return Calibration{}, fmt.Errorf("%w: a calibration needs right and wrong examples, got %d of %d right", reflectionflow.ErrInvalid, c.Right, len(right))
	}
	switch method {
	case Platt:
		c.Curve = fitPlatt(values, right)
	case Isotonic:
		c.Curve = fitIsotonic(values, right)
	default:
		return Calibration{}, fmt.Errorf("%w: calibration method %q: use %s or %s", reflectionflow.ErrInvalid, method, Platt, Isotonic)
	}
	c.AUC = auc(values, right)
	for i, v := range values {
		target := 0.0
		if right[i] {
			target = 1
		}
		c.Brier += math.Pow(c.Curve.Probability(v)-target, 2) / float64(len(values))
	}
	return c, nil
}

// Write writes the calibration as indented JSON.
func (c Calibration) Write(w io.Writer) error {
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("write the calibration: %w", err)
	}
	_, err = w.Write(append(data, '\n'))
	return err
}

// ReadCalibration reads a file of [Calibration.Write]. Other content is an error wrapping
// [reflectionflow.ErrInvalid].
func ReadCalibration(r io.Reader) (Calibration, error) {
	var c Calibration
	d := json.NewDecoder(io.LimitReader(r, 64<<20))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, fmt.Errorf("%w: read the calibration: %v", reflectionflow.ErrInvalid, err)
	}
	if c.Format != CalibrationFormat {
		return c, fmt.Errorf("%w: the calibration is of format %q, want %q", reflectionflow.ErrInvalid, c.Format, CalibrationFormat)
	}
	if len(c.Reference) > maxExamples {
		return c, fmt.Errorf("%w: the calibration has more than %d examples", reflectionflow.ErrInvalid, maxExamples)
	}
	if c.Thresholds != nil {
		if err := c.Thresholds.validate(); err != nil {
			return c, err
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(c.Kinds)) {
		if err := c.Kinds[kind].validate(); err != nil {
			return c, fmt.Errorf("kind %.40q: %w", kind, err)
		}
	}
	return c, c.Curve.validate()
}

// Calibrated returns a verifier whose values are the probabilities of the calibration.
// Findings of the kinds that are calibrated have calibrated confidences and verdicts by
// these; those that the calibration does not trust (see [LeastWeight]) are not judged. Other
// findings are those of v.
func Calibrated(v reflectionflow.Verifier, c Calibration) reflectionflow.Verifier {
	return calibrated{v, c}
}

type calibrated struct {
	inner       reflectionflow.Verifier
	calibration Calibration
}

// Abilities implements [reflectionflow.DeclaringVerifier]: those of the inner verifier.
func (c calibrated) Abilities() reflectionflow.Abilities { return reflectionflow.AbilitiesOf(c.inner) }

// Verify implements [reflectionflow.Verifier].
func (c calibrated) Verify(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	scores, err := c.inner.Verify(ctx, images)
	if err != nil {
		return nil, err
	}
	scores = slices.Clone(scores)
	for i := range scores {
		scores[i].Value = c.calibration.Curve.Probability(scores[i].Value)
		if len(c.calibration.Kinds) > 0 {
			scores[i].Requirements = slices.Clone(scores[i].Requirements)
			for k, f := range scores[i].Requirements {
				scores[i].Requirements[k] = c.calibration.trusted(f)
			}
		}
	}
	return scores, nil
}

// auc returns the area under the ROC curve, from the Mann-Whitney statistic.
func auc(values []float64, right []bool) float64 {
	order := sortedBy(values)
	below, ranks, positives := 0, 0.0, 0.0
	for start := 0; start < len(order); {
		end := start
		wrong, good := 0, 0
		for ; end < len(order) && values[order[end]] == values[order[start]]; end++ {
			if right[order[end]] {
				good++
			} else {
				wrong++
			}
		}
		ranks += float64(good) * (float64(below) + float64(wrong)/2)
		positives += float64(good)
		below += wrong
		start = end
	}
	return ranks / (positives * float64(below))
}

// sortedBy returns the indices of values in ascending order; ties keep their order.
func sortedBy(values []float64) []int {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case values[a] < values[b]:
			return -1
		case values[a] > values[b]:
			return 1
		}
		return 0
	})
	return order
}
