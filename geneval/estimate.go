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
	return bootstrap(stratify(allTags(), tags, values))
}

// bootstrap is the mean of the strata's means with its interval.
func bootstrap(strata [][]float64) Estimate {
	if len(strata) == 0 {
		return Estimate{}
	}
	means := resampled(strata, meanOfMeans)
	slices.Sort(means)
	return Estimate{Mean: meanOfMeans(strata), Low: quantile(means, 0.025), High: quantile(means, 0.975)}
}

// resampled is the statistic of each bootstrap sample, drawn with replacement within
// every stratum.
func resampled[V any](strata [][]V, statistic func(sample [][]V) float64) []float64 {
	rng := rand.New(rand.NewPCG(bootstrapSeed, 0)) //nolint:gosec // reproducible on purpose
	sample := make([][]V, len(strata))
	for k, s := range strata {
		sample[k] = make([]V, len(s))
	}
	values := make([]float64, resamples)
	for i := range values {
		for k, s := range strata {
			for j := range s {
				sample[k][j] = s[rng.IntN(len(s))]
			}
		}
		values[i] = statistic(sample)
	}
	return values
}

// meanOfMeans is the unweighted mean of the strata's means.
func meanOfMeans(strata [][]float64) float64 {
	mean := 0.0
	for _, s := range strata {
		mean += average(s)
	}
	return mean / float64(len(strata))
}

// Difference is the overall score of a less that of b, prompt by prompt, with its
// 95% interval: 0 outside of it means that one is better.
func Difference(tags []string, a, b []float64) Estimate {
	return Overall(tags, differences(a, b))
}

// differences are the values of a less those of b, prompt by prompt.
func differences(a, b []float64) []float64 {
	d := make([]float64, len(a))
	for i := range a {
		d[i] = a[i] - b[i]
	}
	return d
}

// ClosedError is the share of base's error that other takes away,
//
//	(overall of other − overall of base) / (1 − overall of base)
//
// with its 95% percentile interval from a paired bootstrap: prompts are drawn with
// replacement within each tag, both scores are computed on the same prompts, and so
// the interval holds the uncertainty of either and of what they have in common.
// Samples in which base has no error say nothing of the share and are left out; false
// where these are half of all, or base has none at all.
func ClosedError(tags []string, base, other []float64) (Estimate, bool) {
	type pair struct{ base, other float64 }
	pairs := make([]pair, len(base))
	for i := range base {
		pairs[i] = pair{base[i], other[i]}
	}
	closed := func(strata [][]pair) float64 {
		var missing, gain float64
		for _, s := range strata {
			var missed, gained float64
			for _, p := range s {
				missed, gained = missed+1-p.base, gained+p.other-p.base
			}
			n := float64(len(s))
			missing, gain = missing+missed/n, gain+gained/n
		}
		if missing < 1e-9 {
			return math.NaN()
		}
		return gain / missing
	}
	strata := stratify(allTags(), tags, pairs)
	if math.IsNaN(closed(strata)) {
		return Estimate{}, false
	}
	shares := slices.DeleteFunc(resampled(strata, closed), math.IsNaN)
	if 2*len(shares) <= resamples {
		return Estimate{}, false
	}
	slices.Sort(shares)
	return Estimate{Mean: closed(strata), Low: quantile(shares, 0.025), High: quantile(shares, 0.975)}, true
}

// ByTag is the share of right prompts, values in [0, 1], of each tag that has some,
// with its interval.
func ByTag(tags []string, values []float64) map[string]Estimate {
	return each(allTags(), tags, values, rate)
}

// ByLevel is the share of right prompts of each level that has some, with its interval.
func ByLevel(levels []Level, values []float64) map[Level]Estimate {
	return each(Levels(), levels, values, rate)
}

// DifferenceByTag is the mean of differences, prompt by prompt, of each tag that has
// some, with its interval.
func DifferenceByTag(tags []string, differences []float64) map[string]Estimate {
	return each(allTags(), tags, differences, func(values []float64) Estimate { return bootstrap([][]float64{values}) })
}

func each[K comparable](keys, of []K, values []float64, estimate func(values []float64) Estimate) map[K]Estimate {
	means := make(map[K]Estimate)
	for _, key := range keys {
		for _, picked := range stratify([]K{key}, of, values) {
			means[key] = estimate(picked)
		}
	}
	return means
}

// rate is the mean of values in [0, 1] with its interval: the bootstrap's, or where
// all are 0 or all are 1, which every resample would be too, the exact one of n
// trials without or with nothing but success (Clopper and Pearson 1934).
func rate(values []float64) Estimate {
	e := bootstrap([][]float64{values})
	reach := math.Pow(0.025, 1/float64(len(values)))
	switch lowest, highest := slices.Min(values), slices.Max(values); {
	case highest == 0:
		e.High = 1 - reach
	case lowest == 1:
		e.Low = reach
	}
	return e
}

// stratify groups the values by key, in the order of the keys; of has the key of
// each value.
func stratify[K comparable, V any](keys, of []K, values []V) [][]V {
	var strata [][]V
	for _, key := range keys {
		var picked []V
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
