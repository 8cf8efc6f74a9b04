package composite

import (
	"reflect"
	"slices"
	"testing"

	"reflectionflow"
)

// A label is a function of the seed, its prompt is valid, and each kind is met and not met.
func TestLabel(t *testing.T) {
	met, wrong := map[reflectionflow.Kind]int{}, map[reflectionflow.Kind]int{}
	right := 0
	for seed := range uint64(300) {
		l := Label(seed, 0)
		if err := l.Prompt.Validate(); err != nil || len(l.Met) != len(l.Prompt.Requirements) || l.Image != nil {
			t.Fatalf("%d: %+v, %v", seed, l, err)
		}
		if !slices.Contains(l.Met, false) {
			right++
		}
		for i, r := range l.Prompt.Requirements {
			if l.Met[i] {
				met[r.Kind]++
			} else {
				wrong[r.Kind]++
			}
		}
	}
	for _, k := range []reflectionflow.Kind{reflectionflow.AtLeast, reflectionflow.Exactly, reflectionflow.Color, reflectionflow.Position} {
		if met[k] < 10 || wrong[k] < 10 {
			t.Errorf("%s is met %d times and not met %d times", k, met[k], wrong[k])
		}
	}
	if right < 60 || right > 240 {
		t.Errorf("%d of 300 are right", right)
	}
	l, again := Label(7, 128), Label(7, 128)
	if !reflect.DeepEqual(l, again) || l.Image.Bounds().Dx() != 128 || !reflect.DeepEqual(l.Prompt, Label(7, 0).Prompt) {
		t.Error("a label is not a function of the seed")
	}
}
