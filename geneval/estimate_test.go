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
		"nothing":        {nil, nil, geneval.Estimate{}},
		"all right":      {tagged("colors", 9), []float64{1, 1, 1, 1, 1, 1, 1, 1, 1}, geneval.Estimate{Mean: 1, Low: 1, High: 1}},
		"all the same":   {tagged("colors", 3), []float64{0.25, 0.25, 0.25}, geneval.Estimate{Mean: 0.25, Low: 0.25, High: 0.25}},
		"two prompts":    {tagged("colors", 2), []float64{0, 1}, geneval.Estimate{Mean: 0.5, Low: 0, High: 1}}, // a quarter of the resamples is 0, a quarter is 1
		"tags unweighed": {[]string{"counting", "colors", "colors", "colors"}, []float64{0, 1, 1, 1}, geneval.Estimate{Mean: 0.5, Low: 0.5, High: 0.5}},
		"drawn by tag":   {[]string{"counting", "colors", "counting", "colors"}, []float64{0, 1, 0, 1}, geneval.Estimate{Mean: 0.5, Low: 0.5, High: 0.5}},
	} {
		if got := geneval.Overall(c.tags, c.values); got != c.want {
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

// Of intervals around samples from a known world, about 95 in 100 hold the truth.
func TestCoverage(t *testing.T) {
	rates := map[string]float64{"counting": 0.3, "colors": 0.7, "position": 0.5}
	const perTag, worlds = 40, 120
	rng := rand.New(rand.NewPCG(1, 2))
	covered := 0
	for range worlds {
		var tags []string
		var values []float64
		for _, tag := range []string{"counting", "colors", "position"} {
			for range perTag {
				tags = append(tags, tag)
				values = append(values, float64(int(rng.Float64()+rates[tag])))
			}
		}
		if e := geneval.Overall(tags, values); e.Low <= 0.5 && 0.5 <= e.High {
			covered++
		}
	}
	if share := float64(covered) / worlds; share < 0.89 || share > 0.99 {
		t.Errorf("%.0f%% of the intervals hold the truth", 100*share)
	}
}

// A paired difference is as sure as the prompts that differ, however unsure the
// scores are.
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
	// Output: 0.50 (0.50 to 0.50)
}

// The share of an error that is closed has the interval of both scores: as wide as
// when prompts are drawn by hand, and wider than that of the better score alone; what
// both get right or wrong together cancels out.
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

// Of five prompts that are all wrong the bootstrap would say that none is ever right.
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
