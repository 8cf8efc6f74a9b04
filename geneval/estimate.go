package geneval

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Overall is GenEval's overall score: the unweighted mean of the tags' means
// (summary_scores.py), with a 95% interval. tags and values have one entry per prompt,
// values in [0, 1]; tags without prompts do not count. Without prompts all figures
// are 0.
//
// The interval counts prompts as independent, within their tags, and knows that a tag whose few
// prompts are all right may not always be: see meld.go.
func Overall(tags []string, values []float64) Estimate {
	return meld(stratify(tagsIn(tags), tags, values), 0, unseenRate)
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

// resampled computes the statistic of each bootstrap sample. Samples are drawn with
// replacement within every stratum.
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

// Difference is the overall score of a less that of b, paired by prompt, with its 95%
// interval. An interval without 0 means that one is better.
func Difference(tags []string, a, b []float64) Estimate {
	return overallDifference(tags, differences(a, b))
}

// overallDifference is the unweighted mean of the tags' mean differences.
func overallDifference(tags []string, differences []float64) Estimate {
	return meld(stratify(tagsIn(tags), tags, differences), -1, unseenDifference)
}

// differences are the values of a less those of b, prompt by prompt.
func differences(a, b []float64) []float64 {
	d := make([]float64, len(a))
	for i := range a {
		d[i] = a[i] - b[i]
	}
	return d
}

// ClosedError is the share of base's error that other avoids,
//
//	(overall of other − overall of base) / (1 − overall of base)
//
// with its 95% percentile interval from a paired bootstrap: each resample takes the
// same prompts for both scores, so that the interval reflects the uncertainty of both
// and their correlation. Resamples in which base has no error are left out. It
// reports false where they are half of all, or base has no error.
func ClosedError(tags []string, base, other []float64) (Estimate, bool) {
	type pair struct{ base, other float64 }
	pairs := make([]pair, len(base))
	for i := range base {
		pairs[i] = pair{base[i], other[i]}
	}
	tags, pairs = scored(tags, pairs, func(p pair) bool { return !math.IsNaN(p.base - p.other) })
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
	strata := stratify(tagsIn(tags), tags, pairs)
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

// ByTag is the share of right prompts, values in [0, 1], of each tag that has prompts,
// with its 95% interval.
func ByTag(tags []string, values []float64) map[string]Estimate {
	return each(tagsIn(tags), tags, values, rate)
}

// ByLevel is the share of right prompts of each level that has prompts, with its
// interval as in [ByTag].
func ByLevel(levels []Level, values []float64) map[Level]Estimate {
	return each(Levels(), levels, values, rate)
}

// DifferenceByTag is the mean of paired differences of each tag that has prompts, with
// its interval.
func DifferenceByTag(tags []string, differences []float64) map[string]Estimate {
	return each(tagsIn(tags), tags, differences, difference)
}

// difference is the mean of paired differences with its interval.
func difference(values []float64) Estimate {
	if len(values) == 0 {
		return Estimate{}
	}
	return meld([][]float64{values}, -1, unseenDifference)
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

// rate is the mean of values in [0, 1] with its interval.
func rate(values []float64) Estimate { return meld([][]float64{values}, 0, unseenRate) }

// scored leaves out the values that are not good, with their keys.
func scored[V any](keys []string, values []V, good func(V) bool) ([]string, []V) {
	var of []string
	var kept []V
	for i, v := range values {
		if good(v) {
			of, kept = append(of, keys[i]), append(kept, v)
		}
	}
	return of, kept
}

// isMissing reports a value of a prompt that is not scored: NaN.
func isMissing(value any) bool {
	v, ok := value.(float64)
	return ok && math.IsNaN(v)
}

// stratify groups the values by key, in the order of the keys, without empty groups
// and without missing values; of holds the key of each value.
func stratify[K comparable, V any](keys, of []K, values []V) [][]V {
	var strata [][]V
	for _, key := range keys {
		var picked []V
		for i, k := range of {
			if k == key && !isMissing(values[i]) {
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

// quantile is the smallest of the sorted values that at least the share p of them do
// not exceed.
func quantile(sorted []float64, p float64) float64 {
	i := int(math.Ceil(p*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}
