package geneval_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"reflectionflow/geneval"
)

func tagged(tag string, n int) []string {
	tags := make([]string, n)
	for i := range tags {
		tags[i] = tag
	}
	return tags
}

func TestOverall(t *testing.T) {
	for name, c := range map[string]struct {
		tags   []string
		values []float64
		want   geneval.Estimate
	}{
		"nothing":          {nil, nil, geneval.Estimate{}},
		"all right":        {tagged("colors", 9), []float64{1, 1, 1, 1, 1, 1, 1, 1, 1}, geneval.Estimate{Mean: 1, Low: 0.66373, High: 1}}, // binom.test(9, 9) of R
		"all the same":     {tagged("colors", 3), []float64{0.25, 0.25, 0.25}, geneval.Estimate{Mean: 0.25, Low: 0.25, High: 0.25}},
		"two prompts":      {tagged("colors", 2), []float64{0, 1}, geneval.Estimate{Mean: 0.5, Low: 0, High: 1}},                                                  // a quarter of the resamples is 0, a quarter is 1
		"tags unweighed":   {[]string{"counting", "colors", "colors", "colors"}, []float64{0, 1, 1, 1}, geneval.Estimate{Mean: 0.5, Low: 0.14620, High: 0.98750}}, // 0 of 1 and 3 of 3, each exact
		"resampled by tag": {[]string{"counting", "colors", "counting", "colors"}, []float64{0, 1, 0, 1}, geneval.Estimate{Mean: 0.5, Low: 0.07906, High: 0.92094}},
		// (0.5 of 2: bootstrap 0 to 1, 6 of 6: exact 0.5407 to 1), with weight ½ each.
		"one tag all right": {append(tagged("counting", 6), "colors", "colors"), []float64{1, 1, 1, 1, 1, 1, 0, 1}, geneval.Estimate{Mean: 0.75, Low: 0.75 - 0.5*math.Hypot(0.5, 1-0.54074), High: 1}},
	} {
		if got := geneval.Overall(c.tags, c.values); math.Abs(got.Mean-c.want.Mean)+math.Abs(got.Low-c.want.Low)+math.Abs(got.High-c.want.High) > 1e-4 {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// The binomial's own quantiles: of n prompts, k right, the resampled count is
// binomial(n, k/n), whose 2.5% and 97.5% quantiles are tabulated.
func TestOverallIsBinomial(t *testing.T) {
	for _, c := range []struct{ n, k, low, high int }{{40, 20, 14, 26}, {100, 50, 40, 60}, {20, 2, 0, 5}} {
		values := make([]float64, c.n)
		for i := range c.k {
			values[i] = 1
		}
		got := geneval.Overall(tagged("colors", c.n), values)
		n := float64(c.n)
		if math.Abs(got.Low*n-float64(c.low)) > 1e-9 || math.Abs(got.High*n-float64(c.high)) > 1e-9 {
			t.Errorf("%d of %d: %g to %g, want %d to %d", c.k, c.n, got.Low*n, got.High*n, c.low, c.high)
		}
	}
}

// At least 93 of 100 intervals contain the true mean of a known distribution, also for
// few prompts and for tasks that are nearly always right. The bootstrap alone contains it
// in 31 of 100 with six prompts per task of which 99% are right.
func TestCoverage(t *testing.T) {
	tags := geneval.Tags()
	for name, rates := range map[string][]float64{
		"half right": {0.5, 0.5, 0.5, 0.5, 0.5, 0.5}, "mostly right": {0.8, 0.8, 0.8, 0.8, 0.8, 0.8}, "nearly all right": {0.99, 0.99, 0.99, 0.99, 0.99, 0.99},
		"unequal": {1, 0.99, 0.9, 0.7, 0.5, 0.3},
	} {
		truth := 0.0
		for _, r := range rates {
			truth += r / 6
		}
		for _, n := range []int{2, 6, 20, 50} {
			rng := rand.New(rand.NewPCG(1, uint64(n)))
			worlds := max(1200/n, 40)
			covered := 0
			for range worlds {
				var of []string
				var values []float64
				for k, tag := range tags {
					for range n {
						of, values = append(of, tag), append(values, float64(int(rng.Float64()+rates[k])))
					}
				}
				if e := geneval.Overall(of, values); e.Low <= truth+1e-9 && truth <= e.High+1e-9 {
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

// The interval of a paired difference depends only on the prompts that differ; those of
// the two scores may be wider.
func TestDifference(t *testing.T) {
	const n = 60
	a, b := make([]float64, n), make([]float64, n)
	for i := range n {
		b[i] = float64(i % 2)
		a[i] = b[i]
	}
	tags := tagged("colors", n)
	if got := geneval.Difference(tags, a, b); got != (geneval.Estimate{}) {
		t.Errorf("of equals: %v", got)
	}
	for i := range 12 {
		a[2*i] = 1
	}
	got := geneval.Difference(tags, a, b)
	if math.Abs(got.Mean-0.2) > 1e-9 || got.Low <= 0.09 || got.High >= 0.31 {
		t.Errorf("a better in 12 of 60: %v", got)
	}
	back := geneval.Difference(tags, b, a)
	if back.Mean != -got.Mean || math.Abs(back.Low+got.High) > 0.02 {
		t.Errorf("the other way round: %v", back)
	}
	if again := geneval.Difference(tags, a, b); again != got {
		t.Errorf("not reproducible: %v and %v", got, again)
	}
}

func BenchmarkOverall(b *testing.B) {
	var tags []string
	var values []float64
	for i := range 553 {
		tags = append(tags, geneval.Tags()[i%6])
		values = append(values, float64(i%3%2))
	}
	for b.Loop() {
		geneval.Overall(tags, values)
	}
}

func ExampleOverall() {
	e := geneval.Overall([]string{"counting", "counting", "colors", "colors"}, []float64{1, 1, 0, 0})
	fmt.Printf("%.2f (%.2f to %.2f)\n", e.Mean, e.Low, e.High)
	// Output: 0.50 (0.08 to 0.92)
}

// The interval of the closed share of an error accounts for the uncertainty of both
// scores: it agrees with the delta method and is wider than that of the better score
// alone. Prompts that both get right or wrong cancel out.
func TestClosedError(t *testing.T) {
	const n = 40
	tags := append(tagged("colors", n), tagged("counting", n)...)
	base, other := make([]float64, 2*n), make([]float64, 2*n)
	for i := range base {
		if i%3 == 0 {
			base[i] = 1
		}
		if i%3 == 0 && i%2 == 0 || i%3 == 1 {
			other[i] = 1
		}
	}
	got, ok := geneval.ClosedError(tags, base, other)
	from, to := geneval.Overall(tags, base), geneval.Overall(tags, other)
	if want := (to.Mean - from.Mean) / (1 - from.Mean); !ok || math.Abs(got.Mean-want) > 1e-12 {
		t.Errorf("%v, %v: want %v", got, ok, want)
	}
	// The delta method: the variance of (b-a)/(1-a) over prompts, within each tag.
	variance := 0.0
	for _, part := range [][2]int{{0, n}, {n, 2 * n}} {
		var sum, squares float64
		for i := part[0]; i < part[1]; i++ {
			v := other[i] - base[i] - got.Mean*(1-base[i])
			sum, squares = sum+v, squares+v*v
		}
		variance += (squares/n - sum/n*sum/n) / n / 4
	}
	half := 1.96 * math.Sqrt(variance) / (1 - from.Mean)
	if math.Abs(got.Low-(got.Mean-half)) > 0.05 || math.Abs(got.High-(got.Mean+half)) > 0.05 {
		t.Errorf("from %v to %v, by the delta method %v to %v", got.Low, got.High, got.Mean-half, got.Mean+half)
	}
	if fixed := (to.High - to.Low) / (1 - from.Mean); got.High-got.Low < 1.1*fixed {
		t.Errorf("%v wide, though the better score alone is %v", got.High-got.Low, fixed)
	}
	if all, ok := geneval.ClosedError(tags, base, base); !ok || all != (geneval.Estimate{}) {
		t.Errorf("nothing is closed: %v, %v", all, ok)
	}
	right := make([]float64, 2*n)
	for i := range right {
		right[i] = 1
	}
	if all, ok := geneval.ClosedError(tags, base, right); !ok || all != (geneval.Estimate{Mean: 1, Low: 1, High: 1}) {
		t.Errorf("all is closed: %v, %v", all, ok)
	}
	right[0] = 0
	for name, from := range map[string][]float64{"no error": base[:0], "an error of one prompt": right} {
		if e, ok := geneval.ClosedError(tags[:len(from)], from, from); ok && name == "no error" || ok && e.Mean != 0 {
			t.Errorf("%s: %v, %v", name, e, ok)
		}
	}
}

// For five prompts that are all wrong, the bootstrap interval would be 0 to 0.
// Reference: binom.test(0, 5) of R.
func TestByTagOfNothingOrEverything(t *testing.T) {
	tags := []string{"colors", "colors", "colors", "colors", "colors", "counting", "counting", "position", "position"}
	right := []float64{0, 0, 0, 0, 0, 1, 1, 0, 1}
	got := geneval.ByTag(tags, right)
	for tag, want := range map[string]geneval.Estimate{
		"colors":   {Mean: 0, Low: 0, High: 0.5218},
		"counting": {Mean: 1, Low: 0.1581, High: 1},
		"position": {Mean: 0.5, Low: 0, High: 1},
	} {
		e := got[tag]
		if math.Abs(e.Mean-want.Mean) > 1e-9 || math.Abs(e.Low-want.Low) > 1e-4 || math.Abs(e.High-want.High) > 1e-4 {
			t.Errorf("%s: %+v, want %+v", tag, e, want)
		}
	}
	if d := geneval.DifferenceByTag(tags, right)["colors"]; d != (geneval.Estimate{}) {
		t.Errorf("prompts that do not differ: %+v", d)
	}
}
