package geneval

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Estimate is a mean with its 95% interval.
type Estimate struct {
	Mean, Low, High float64
}

// resamples is how often the bootstrap draws; its own error is then below a
// tenth of the interval's width.
const resamples = 10_000

// bootstrapSeed makes intervals reproducible.
const bootstrapSeed = 20231017

// Overall is GenEval's overall score: the unweighted mean of the tags' means
// (summary_scores.py), with the 95% percentile bootstrap interval (Efron 1979)
// over prompts, drawn within each tag. tags and values have one entry a prompt;
// tags without a prompt count for nothing. Without prompts all figures are 0.
//
// It is linear in the values, so that the interval of a paired difference is that
// of the differences: see [Difference].
func Overall(tags []string, values []float64) Estimate {
	strata := stratify(tags, values)
	if len(strata) == 0 {
		return Estimate{}
	}
	rng := rand.New(rand.NewPCG(bootstrapSeed, 0)) //nolint:gosec // reproducible on purpose
	means := make([]float64, resamples)
	for i := range means {
		for _, s := range strata {
			sum := 0.0
			for range s {
				sum += s[rng.IntN(len(s))]
			}
			means[i] += sum / float64(len(s))
		}
		means[i] /= float64(len(strata))
	}
	slices.Sort(means)
	mean := 0.0
	for _, s := range strata {
		mean += average(s)
	}
	mean /= float64(len(strata))
	return Estimate{Mean: mean, Low: quantile(means, 0.025), High: quantile(means, 0.975)}
}

// Difference is the overall score of a less that of b, prompt by prompt, with its
// 95% interval: 0 outside of it means that one is better.
func Difference(tags []string, a, b []float64) Estimate {
	differences := make([]float64, len(a))
	for i := range a {
		differences[i] = a[i] - b[i]
	}
	return Overall(tags, differences)
}

// ByTag is the mean of the values of each tag.
func ByTag(tags []string, values []float64) map[string]float64 {
	means := make(map[string]float64)
	for _, tag := range Tags() {
		if s := pickTag(tag, tags, values); len(s) > 0 {
			means[tag] = average(s)
		}
	}
	return means
}

// stratify groups the values by tag, in the order of [Tags].
func stratify(tags []string, values []float64) [][]float64 {
	var strata [][]float64
	for _, tag := range Tags() {
		if s := pickTag(tag, tags, values); len(s) > 0 {
			strata = append(strata, s)
		}
	}
	return strata
}

func pickTag(tag string, tags []string, values []float64) []float64 {
	var picked []float64
	for i, t := range tags {
		if t == tag {
			picked = append(picked, values[i])
		}
	}
	return picked
}

func average(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// quantile is the value that a share p of the sorted ones does not exceed.
func quantile(sorted []float64, p float64) float64 {
	i := int(math.Ceil(p*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}
