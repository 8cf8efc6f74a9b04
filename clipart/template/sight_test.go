package template_test

import (
	"math/rand/v2"
	"testing"

	"reflectionflow"
	"reflectionflow/clipart/template"
)

// TestVisible: at an opacity of 10% no object is visible, at 60% all are.
func TestVisible(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6)) //nolint:gosec // a test
	total, ghosts, pale := 0, 0, 0
	for range 24 {
		s := sample(t, rng)
		total += len(s.truth)
		for opacity, count := range map[float64]*int{0.1: &ghosts, 0.6: &pale} {
			visible, err := template.Visible(s.faded(opacity), s.truth)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range visible {
				if v {
					*count++
				}
			}
		}
	}
	t.Logf("%d objects: %d visible at an opacity of 10%%, %d at 60%%", total, ghosts, pale)
	if ghosts > total/50 || pale < total*98/100 {
		t.Errorf("of %d objects, %d are visible at an opacity of 10%% and %d at 60%%", total, ghosts, pale)
	}
}

// TestVisibleUnknown: what there is no drawing of cannot be compared.
func TestVisibleUnknown(t *testing.T) {
	s := sample(t, rand.New(rand.NewPCG(1, 1))) //nolint:gosec // a test
	objects := []reflectionflow.Object{{Class: "unicorn", Box: [4]float64{0, 0, 1, 1}}, {Class: "dog", Box: [4]float64{0.5, 0.5, 0.5, 0.5}}}
	visible, err := template.Visible(s.back, objects)
	if err != nil || !visible[0] || visible[1] {
		t.Errorf("got %v, %v, want a unicorn and no dog", visible, err)
	}
}

func BenchmarkVisible(b *testing.B) {
	t := &testing.T{}
	s := sample(t, rand.New(rand.NewPCG(1, 2))) //nolint:gosec // a benchmark
	for b.Loop() {
		if _, err := template.Visible(s.img, s.truth); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(s.truth)), "objects")
}
