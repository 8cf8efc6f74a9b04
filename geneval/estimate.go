package geneval

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Estimate is a mean with its 95% interval.
type Estimate struct {
	Mean float64 `json:"mean"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
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
	return bootstrap(stratify(Tags(), tags, values))
}

// bootstrap is the mean of the strata's means with its interval.
func bootstrap(strata [][]float64) Estimate {
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

// ByTag is the mean of the values of each tag that has some, with its interval.
func ByTag(tags []string, values []float64) map[string]Estimate { return each(Tags(), tags, values) }

// ByLevel is the mean of the values of each level that has some, with its interval.
func ByLevel(levels []Level, values []float64) map[Level]Estimate {
	return each(Levels(), levels, values)
}

func each[K comparable](keys, of []K, values []float64) map[K]Estimate {
	means := make(map[K]Estimate)
	for _, key := range keys {
		if picked := stratify([]K{key}, of, values); len(picked) > 0 {
			means[key] = bootstrap(picked)
		}
	}
	return means
}

// stratify groups the values by key, in the order of the keys; of has the key of
// each value.
func stratify[K comparable](keys, of []K, values []float64) [][]float64 {
	var strata [][]float64
	for _, key := range keys {
		var picked []float64
		for i, k := range of {
			if k == key {
				picked = append(picked, values[i])
			}
		}
		if len(picked) > 0 {
			strata = append(strata, picked)
		}
	}
	return strata
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
