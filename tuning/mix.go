package tuning

import (
	"fmt"
	"math/rand/v2"

	"reflectionflow"
)

// Mix is the task warm-up of reflection tuning (arXiv 2504.16080 §4). The weight of a GenRef
// subset is proportional to the probability that a sample comes from it. It changes linearly
// from the first number to the second during the first Over optimizer steps, and stays
// constant afterwards. Weights need not sum to 1. A subset without samples is ignored.
type Mix struct {
	Over    int        `yaml:"over"`
	Editing [2]float64 `yaml:"editing"` // flaws made in right images
	Rule    [2]float64 `yaml:"rule"`    // right and wrong images of a prompt
	General [2]float64 `yaml:"general"` // best and worst image by rewards
	Length  [2]float64 `yaml:"length"`  // images of a long and a short prompt
}

// The subsets of GenRef.
const (
	subsetEditing = "editing"
	subsetRule    = "rule"
	subsetGeneral = "general"
	subsetLength  = "length"
)

// mixed is a subset with its weights.
type mixed struct {
	subset  string
	weights [2]float64
}

func (m Mix) rows() []mixed {
	return []mixed{{subsetEditing, m.Editing}, {subsetRule, m.Rule}, {subsetGeneral, m.General}, {subsetLength, m.Length}}
}

// available returns the rows of the subsets that have samples. A mix without weight on them, at
// its start or its end, is an error wrapping [reflectionflow.ErrInvalid].
func (m Mix) available(has func(subset string) bool) ([]mixed, error) {
	var rows []mixed
	var sums [2]float64
	for _, row := range m.rows() {
		for i, w := range row.weights {
			if !(w >= 0 && w < 1e6) {
				return nil, fmt.Errorf("%w: mix: the weight of %s is %v: must be 0 or more", reflectionflow.ErrInvalid, row.subset, w)
			}
			if has(row.subset) {
				sums[i] += w
			}
		}
		if has(row.subset) {
			rows = append(rows, row)
		}
	}
	if m.Over < 0 || !(sums[0] > 0 && sums[1] > 0) {
		return nil, fmt.Errorf("%w: mix: the weights of the subsets that have samples sum to %v at the start and %v after %d steps: both must be above 0", reflectionflow.ErrInvalid, sums[0], sums[1], m.Over)
	}
	return rows, nil
}

// choose samples a subset for an optimizer step.
func (m Mix) choose(rows []mixed, step int, rng *rand.Rand) string {
	progress := 1.0
	if step < m.Over {
		progress = float64(step) / float64(m.Over)
	}
	at := func(row mixed) float64 { return row.weights[0] + (row.weights[1]-row.weights[0])*progress }
	total := 0.0
	for _, row := range rows {
		total += at(row)
	}
	left := total * rng.Float64()
	for _, row := range rows {
		if left -= at(row); left < 0 {
			return row.subset
		}
	}
	return rows[len(rows)-1].subset // only by rounding
}
