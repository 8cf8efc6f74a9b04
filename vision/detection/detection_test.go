package detection

import (
	"errors"
	"math"
	"testing"

	"reflectionflow"
)

func TestOverlap(t *testing.T) {
	unit := [4]float64{0, 0, 1, 1}
	for _, test := range []struct {
		b    [4]float64
		want float64
	}{
		{unit, 1},
		{[4]float64{0, 0, 1, 0.5}, 0.5},
		{[4]float64{0.5, 0, 1.5, 1}, 1.0 / 3},
		{[4]float64{1, 0, 2, 1}, 0},
		{[4]float64{2, 2, 3, 3}, 0},
		{[4]float64{0.5, 0.5, 0.5, 0.5}, 0}, // an empty box
	} {
		if got := Overlap(unit, test.b); math.Abs(got-test.want) > 1e-12 || got != Overlap(test.b, unit) {
			t.Errorf("%v: %v, want %v", test.b, got, test.want)
		}
	}
}

// One box stays of each object; boxes of other classes, and boxes apart, suppress nothing.
func TestKeep(t *testing.T) {
	o, err := Options{}.Resolve("test", 0.2, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	got := o.Keep([]Candidate{
		{"cat", 0.5, [4]float64{0.1, 0.1, 0.5, 0.5}},
		{"cat", 0.9, [4]float64{0.1, 0.1, 0.5, 0.45}},
		{"dog", 0.7, [4]float64{0.1, 0.1, 0.5, 0.5}},
		{"cat", 0.3, [4]float64{0.6, 0.6, 1.2, 0.9}},
		{"cat", 0.8, [4]float64{1.1, 0.6, 1.2, 0.9}}, // outside the image
	})
	if len(got) != 3 || got[0].Confidence != 0.9 || got[1].Class != "dog" || got[2].Box != [4]float64{0.6, 0.6, 1, 0.9} {
		t.Errorf("%+v", got)
	}
	o.Limit = 1
	if got := o.Keep([]Candidate{{"cat", 0.5, [4]float64{0, 0, 1, 1}}, {"dog", 0.6, [4]float64{0, 0, 1, 1}}}); len(got) != 1 || got[0].Class != "dog" {
		t.Errorf("at most one: %+v", got)
	}
}

func TestResolve(t *testing.T) {
	o, err := Options{Limit: 3}.Resolve("test", 0.2, 0.5)
	if err != nil || o != (Options{Threshold: 0.2, Overlap: 0.5, Limit: 3}) {
		t.Errorf("%+v, %v", o, err)
	}
	for _, o := range []Options{{Threshold: -1}, {Threshold: 1}, {Threshold: math.NaN()}, {Overlap: 1.1}, {Overlap: -0.1}, {Limit: -1}} {
		if _, err := o.Resolve("test", 0.2, 0.5); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
