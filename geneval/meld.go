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
	// P is the two-sided probability of a difference at least as far from 0 where there is none,
	// by the same computation as the interval: it is below 0.05 where the interval is without 0.
	// Of differences alone.
	P float64 `json:"p,omitempty"`
}

// resamples is the number of samples of the computations below. The Monte Carlo error of an
// interval is then below a tenth of its width.
const resamples = 10_000

// bootstrapSeed makes intervals reproducible.
const bootstrapSeed = 20231017

// The unseen prompt of [meld], in prompts per stratum. The tests measure the coverage of both.
const (
	unseenRate       = 0.5   // of shares: the exact interval has 1, the bootstrap 0
	unseenDifference = 0.125 // of paired differences, which are mostly 0
)

// meld is the unweighted mean of the strata's means with its 95% interval. The values are
// between least and 1.
//
// Each stratum's mean has a lower and an upper confidence distribution: that of the Bayesian
// bootstrap over its values (Rubin 1981), with a prompt of weight unseen added that has the
// value least for the lower, and 1 for the upper. For shares of right prompts and a weight
// of 1 these are the Beta distributions behind the exact interval of Clopper and Pearson
// (1934); a half is halfway between it and the bootstrap, like mid-p. The limits of the mean
// over the strata are the quantiles of sums of independent samples (melding: Fay, Proschan and
// Brittain 2015, Biometrics 71, 146–156). So six of six right are no certainty, and the limits
// of several strata combine as independent errors do.
//
// A value is the mean of a prompt's searches: prompts are the clusters, and the spread of the
// seeds within a prompt is part of the spread of these means.
func meld(strata [][]float64, least, unseen float64) Estimate {
	return meldBy(resamples, strata, least, unseen)
}

// meldBy computes meld from a number of samples.
func meldBy(samples int, strata [][]float64, least, unseen float64) Estimate {
	if len(strata) == 0 {
		return Estimate{}
	}
	groups := make([][]group, len(strata))
	for k, s := range strata {
		groups[k] = grouping(s)
	}
	rng := rand.New(rand.NewPCG(bootstrapSeed, 0)) //nolint:gosec // reproducible on purpose
	low, high := make([]float64, samples), make([]float64, samples)
	for i := range samples {
		for _, groups := range groups {
			var sum, total float64
			for _, g := range groups {
				w := gamma(rng, g.n)
				sum, total = sum+w*g.value, total+w
			}
			extra := gamma(rng, unseen)
			total += extra
			low[i] += (sum + extra*least) / total
			high[i] += (sum + extra) / total
		}
		low[i] /= float64(len(strata))
		high[i] /= float64(len(strata))
	}
	slices.Sort(low)
	slices.Sort(high)
	e := Estimate{Mean: meanOfMeans(strata)}
	e.Low, e.High = min(e.Mean, quantile(low, 0.025)), max(e.Mean, quantile(high, 0.975))
	if least < 0 {
		e.P = twoSided(low, high)
	}
	return e
}

// twoSided is the probability of [Estimate], from sorted samples of both distributions.
func twoSided(low, high []float64) float64 {
	const tiny = 1e-12 // of rounding
	n := float64(len(low))
	below, _ := slices.BinarySearch(low, tiny) // samples up to 0
	above, _ := slices.BinarySearch(high, -tiny)
	return min(1, 2*(1+math.Min(float64(below), n-float64(above)))/(1+n))
}

// group is a value that n prompts have.
type group struct{ value, n float64 }

// grouping counts equal values, in rising order.
func grouping(values []float64) []group {
	var groups []group
	for _, v := range slices.Sorted(slices.Values(values)) {
		if n := len(groups); n > 0 && groups[n-1].value == v {
			groups[n-1].n++
			continue
		}
		groups = append(groups, group{v, 1})
	}
	return groups
}

// gamma is a sample of the gamma distribution with a shape and the scale 1 (Marsaglia and
// Tsang 2000).
func gamma(rng *rand.Rand, shape float64) float64 {
	if shape == 1 {
		return rng.ExpFloat64()
	}
	if shape < 1 {
		return gamma(rng, shape+1) * math.Pow(1-rng.Float64(), 1/shape)
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := rng.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v *= v * v
		if u := 1 - rng.Float64(); math.Log(u) < x*x/2+d*(1-v+math.Log(v)) {
			return d * v
		}
	}
}

// holm reports which of a family of comparisons are significant, when the probability that any
// is by chance shall be at most 5% (Holm 1979, Scandinavian Journal of Statistics 6, 65–70).
func holm(p []float64) []bool {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case p[a] < p[b]:
			return -1
		case p[a] > p[b]:
			return 1
		}
		return 0
	})
	significant := make([]bool, len(p))
	for k, i := range order {
		if p[i] > 0.05/float64(len(p)-k) {
			break
		}
		significant[i] = true
	}
	return significant
}
