package geneval_test

import (
	"fmt"
	"math"
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
	half := []float64{0, 1}
	for name, c := range map[string]struct {
		tags      []string
		values    []float64
		mean      float64
		low, high float64 // quantiles of Beta distributions by R's qbeta, where there is one tag
	}{
		"nothing":      {nil, nil, 0, 0, 0},
		"six of six":   {tagged("colors", 6), []float64{1, 1, 1, 1, 1, 1}, 1, 0.6468, 1},  // qbeta(.025, 6, .5)
		"none of five": {tagged("colors", 5), []float64{0, 0, 0, 0, 0}, 0, 0, 1 - 0.5904}, // qbeta(.025, 5, .5)
		"one of two":   {tagged("colors", 2), half, 0.5, 0.0167, 1 - 0.0167},              // qbeta(.025, 1, 1.5)
		"two tags":     {[]string{"counting", "colors", "counting", "colors"}, []float64{0, 1, 0, 1}, 0.5, -1, -1},
	} {
		got := geneval.Overall(c.tags, c.values)
		if math.Abs(got.Mean-c.mean) > 1e-9 {
			t.Errorf("%s: mean %v, want %v", name, got.Mean, c.mean)
		}
		if c.low >= 0 && (math.Abs(got.Low-c.low) > 0.02 || math.Abs(got.High-c.high) > 0.02) {
			t.Errorf("%s: %v, want %v to %v", name, got, c.low, c.high)
		}
		if got.Low < 0 || got.High > 1 || got.Low > got.Mean || got.High < got.Mean {
			t.Errorf("%s: %v is no interval around the mean", name, got)
		}
	}
}

// The interval of one share is between the exact one and the bootstrap.
// References: qbeta(.025, k, n-k+.5) and qbeta(.975, k+.5, n-k) of R.
func TestOverallOfOneTag(t *testing.T) {
	for _, c := range []struct {
		n, k      int
		low, high float64
	}{{40, 20, 0.3428, 0.6572}, {100, 50, 0.4005, 0.5995}, {20, 2, 0.0127, 0.2902}} {
		values := make([]float64, c.n)
		for i := range c.k {
			values[i] = 1
		}
		got := geneval.Overall(tagged("colors", c.n), values)
		if math.Abs(got.Low-c.low) > 0.015 || math.Abs(got.High-c.high) > 0.015 {
			t.Errorf("%d of %d: %v, want about %v to %v", c.k, c.n, got, c.low, c.high)
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
	if got := geneval.Difference(tags, a, b); got.Mean != 0 || got.Low > 0 || got.Low < -0.02 || got.High < 0 || got.High > 0.02 || got.P < 0.9 {
		t.Errorf("of equals: %v", got)
	}
	for i := range 12 {
		a[2*i] = 1
	}
	got := geneval.Difference(tags, a, b)
	if math.Abs(got.Mean-0.2) > 1e-9 || got.Low <= 0.09 || got.High >= 0.32 || got.P > 0.001 {
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
	// Output: 0.50 (0.12 to 0.88)
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

// Five prompts that are all wrong are no certainty, and five pairs that do not differ neither.
func TestByTagOfNothingOrEverything(t *testing.T) {
	tags := []string{"colors", "colors", "colors", "colors", "colors", "counting", "counting", "position", "position"}
	right := []float64{0, 0, 0, 0, 0, 1, 1, 0, 1}
	got := geneval.ByTag(tags, right)
	for tag, want := range map[string]geneval.Estimate{
		"colors":   {Mean: 0, Low: 0, High: 1 - 0.5904},
		"counting": {Mean: 1, Low: 0.2466, High: 1}, // qbeta(.025, 2, .5)
		"position": {Mean: 0.5, Low: 0.0167, High: 1 - 0.0167},
	} {
		e := got[tag]
		if math.Abs(e.Mean-want.Mean) > 1e-9 || math.Abs(e.Low-want.Low) > 0.02 || math.Abs(e.High-want.High) > 0.02 {
			t.Errorf("%s: %+v, want %+v", tag, e, want)
		}
	}
	if d := geneval.DifferenceByTag(tags, right)["colors"]; d.Mean != 0 || d.Low >= 0 || d.High <= 0 {
		t.Errorf("prompts that do not differ: %+v", d)
	}
}
