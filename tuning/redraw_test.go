package tuning

import (
	"slices"
	"testing"

	"reflectionflow/clipart"
)

// Redrawn scenes with an object that nobody can see are not used, unless they are asked for.
func TestFadedScenesAreLeftOut(t *testing.T) {
	const size, n, faded = 128, 6, 2
	for _, keep := range []bool{false, true} {
		r := redrawnScenes{redrawn: &redrawn{size: size, seed: 7, how: Redraw{Faded: keep}}, split: clipart.Train}
		for i := range n {
			scene, _ := r.sampler.SampleMixed(r.split, r.rng(i))
			if i == faded {
				scene = clipart.Scene{Background: scene.Background}
			}
			pixels := make([]uint8, 3*size*size)
			if err := scene.RenderInto(pixels, size, size); err != nil {
				t.Fatal(err)
			}
			r.pixels = append(r.pixels, pixels...)
		}
		if err := r.keep(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := []int{0, 1, 3, 4, 5}
		if keep {
			want = []int{0, 1, 2, 3, 4, 5}
		}
		if !slices.Equal(r.kept, want) || r.count() != len(want) || &r.at(2)[0] != &r.pixels[want[2]*3*size*size] {
			t.Errorf("faded images kept: %v: uses %v, want %v", keep, r.kept, want)
		}
	}
	blank := redrawnScenes{redrawn: &redrawn{size: size, pixels: make([]uint8, 3*size*size)}, split: clipart.Train}
	if err := blank.keep(t.Context()); err == nil {
		t.Error("no image shows its objects, and there is no error")
	}
}
