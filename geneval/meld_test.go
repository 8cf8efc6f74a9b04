package geneval

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// coverageSamples is enough for intervals of which many are computed.
const coverageSamples = 800

// At least 93 of 100 intervals contain the true mean of a known distribution, also for
// few prompts and for tasks that are nearly always right. The bootstrap contains it in 31 of
// 100 with six prompts per task of which 99% are right, and the mean of Jeffreys' posteriors
// in 56 of 100 with 20 prompts per task of which all, or in two tasks 98.5%, are right.
func TestCoverage(t *testing.T) {
	unequal := []float64{1, 0.99, 0.9, 0.7, 0.5, 0.3}
	for name, c := range map[string]struct {
		rates []float64 // by task
		seeds int
	}{
		"half right": {[]float64{0.5, 0.5, 0.5, 0.5, 0.5, 0.5}, 1}, "mostly right": {[]float64{0.8, 0.8, 0.8, 0.8, 0.8, 0.8}, 1},
		"nearly all right": {[]float64{0.99, 0.99, 0.99, 0.99, 0.99, 0.99}, 1},
		"unequal":          {unequal, 1}, "at the ceiling": {[]float64{1, 1, 1, 0.985, 1, 0.985}, 1},
		"five seeds": {unequal, 5}, "five seeds, nearly all right": {[]float64{0.99, 0.99, 0.99, 0.99, 0.99, 0.99}, 5},
	} {
		truth := 0.0
		for _, r := range c.rates {
			truth += r / 6
		}
		for _, n := range []int{2, 6, 20, 50} {
			rng := rand.New(rand.NewPCG(1, uint64(n)))
			worlds := max(1200/n, 40)
			covered := 0
			for range worlds {
				of, values := world(rng, c.rates, n, c.seeds)
				if e := meldBy(coverageSamples, stratify(Tags(), of, values), 0, unseenRate); e.Low <= truth+1e-9 && truth <= e.High+1e-9 {
					covered++
				}
			}
			// Two standard errors of the simulation below 93%.
			least := 0.93 - 2*math.Sqrt(0.93*0.07/float64(worlds))
			if share := float64(covered) / float64(worlds); share < least {
				t.Errorf("%s, %d prompts per task: %.1f%% of %d intervals hold the truth", name, n, 100*share, worlds)
			}
		}
	}
}

// world is the scores of n prompts per task: each is the share of its searches, from so many
// seeds, that are right. With several seeds, prompts differ as far as the task's rate allows.
func world(rng *rand.Rand, rates []float64, n, seeds int) (of []string, values []float64) {
	for k, tag := range Tags() {
		for range n {
			rate := rates[k]
			if seeds > 1 {
				rate = []float64{max(0, 2*rate-1), min(1, 2*rate)}[rng.IntN(2)]
			}
			right := 0
			for range seeds {
				right += int(rng.Float64() + rate)
			}
			of, values = append(of, tag), append(values, float64(right)/float64(seeds))
		}
	}
	return of, values
}

// The same of paired differences, for prompts that seldom or often differ, and for searches
// from several seeds, of which those of one prompt are alike.
func TestCoverageOfDifferences(t *testing.T) {
	tags := Tags()
	for name, c := range map[string]struct {
		better, worse [6]float64 // by task
		seeds         int
	}{
		"seldom":      {[6]float64{0.05, 0.02, 0.01, 0.01, 0.02, 0.02}, [6]float64{3: 0.01, 5: 0.01}, 1},
		"never worse": {[6]float64{0.01, 0.01, 0.01, 0.01, 0.01, 0.01}, [6]float64{}, 1},
		"often":       {[6]float64{0, 0.02, 0.3, 0.02, 0.2, 0.2}, [6]float64{2: 0.05, 3: 0.01, 4: 0.05, 5: 0.1}, 1},
		"seeds":       {[6]float64{0.1, 0.1, 0.3, 0.1, 0.2, 0.2}, [6]float64{0.1, 0.1, 0.1, 0.1, 0.1, 0.1}, 3},
	} {
		truth := 0.0
		for k := range tags {
			truth += (c.better[k] - c.worse[k]) / 6
		}
		for _, n := range []int{6, 20, 50} {
			rng := rand.New(rand.NewPCG(2, uint64(n)))
			worlds := max(1200/n, 60)
			covered := 0
			for range worlds {
				var of []string
				var a, b []float64
				for k, tag := range tags {
					for range n {
						// Half of the prompts differ twice as often as said, the others never.
						alike := 2 * float64(rng.IntN(2))
						up, down := 0.0, 0.0
						for range c.seeds {
							switch u := rng.Float64(); {
							case u < alike*c.better[k]:
								up += 1 / float64(c.seeds)
							case u < alike*(c.better[k]+c.worse[k]):
								down += 1 / float64(c.seeds)
							}
						}
						of, a, b = append(of, tag), append(a, up), append(b, down)
					}
				}
				if e := meldBy(coverageSamples, stratify(tags, of, differences(a, b)), -1, unseenDifference); e.Low <= truth+1e-9 && truth <= e.High+1e-9 {
					covered++
				}
			}
			least := 0.93 - 2*math.Sqrt(0.93*0.07/float64(worlds))
			if share := float64(covered) / float64(worlds); share < least {
				t.Errorf("%s, %d prompts per task: %.1f%% of %d intervals hold the truth", name, n, 100*share, worlds)
			}
		}
	}
}

// The samples have the mean and the variance of the gamma distribution, which are its shape.
func TestGamma(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for _, shape := range []float64{0.125, 0.5, 1, 1.5, 7} {
		const n = 40_000
		var sum, squares float64
		for range n {
			v := gamma(rng, shape)
			sum, squares = sum+v, squares+v*v
		}
		mean := sum / n
		if variance := squares/n - mean*mean; math.Abs(mean-shape) > 0.05*shape+0.01 || math.Abs(variance-shape) > 0.1*shape+0.02 {
			t.Errorf("shape %v: mean %v, variance %v", shape, mean, variance)
		}
	}
}

func TestHolm(t *testing.T) {
	for _, c := range []struct {
		p    []float64
		want []bool
	}{
		{[]float64{0.04}, []bool{true}},
		{[]float64{0.04, 0.03}, []bool{false, false}},
		{[]float64{0.04, 0.02}, []bool{true, true}},
		{[]float64{0.001, 0.2, 0.02, 0.03}, []bool{true, false, false, false}},
		{nil, nil},
	} {
		if got := holm(c.p); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.p, got, c.want)
		}
	}
}
