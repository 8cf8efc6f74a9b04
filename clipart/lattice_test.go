package clipart

import (
	"math"
	"testing"

	"reflectionflow"
)

// sampledWithFlaws calls check with scenes of all tasks and a flawed variant of each.
func sampledWithFlaws(t *testing.T, s Sampler, check func(Scene, reflectionflow.Prompt)) {
	t.Helper()
	rng := newRand(7)
	for _, task := range allTasks() {
		for range 150 {
			scene, prompt := s.Sample(task, rng)
			check(scene, prompt)
			flawed, _, err := s.Flaw(scene, prompt, rng)
			if err != nil {
				t.Fatalf("%q: %v", prompt.Text, err)
			}
			check(flawed, prompt)
		}
	}
}

func TestSampledScenesAreOnTheLattice(t *testing.T) {
	sampledWithFlaws(t, Sampler{}, func(scene Scene, prompt reflectionflow.Prompt) {
		for _, o := range scene.Objects {
			for _, edge := range []float64{o.X - o.Size/2, o.X + o.Size/2, o.Y - o.Size/2, o.Y + o.Size/2} {
				if cell := edge * lattice; math.Abs(cell-math.Round(cell)) > 1e-9 || cell < -1e-9 || cell > lattice+1e-9 {
					t.Fatalf("%q: an edge at %v cells: %+v", prompt.Text, cell, o)
				}
			}
		}
	})
}

// TestPlacesNeverOverlapInPart checks that two places of objects of one size, in any scenes, are
// equal or disjoint along each axis.
func TestPlacesNeverOverlapInPart(t *testing.T) {
	places := map[float64]map[float64]bool{} // by size
	sampledWithFlaws(t, Sampler{}, func(scene Scene, _ reflectionflow.Prompt) {
		for _, o := range scene.Objects {
			if places[o.Size] == nil {
				places[o.Size] = map[float64]bool{}
			}
			places[o.Size][o.X], places[o.Size][o.Y] = true, true
		}
	})
	for size, at := range places {
		if most := int(1 / size); len(at) > most {
			t.Errorf("objects of %v are at %v, want at most %d places", size, at, most)
		}
		for a := range at {
			for b := range at {
				if apart := math.Abs(a - b); apart > 0 && apart < size-1e-9 {
					t.Errorf("objects of %v are at %v and %v, which overlap", size, a, b)
				}
			}
		}
	}
	if usual := places[float64(objectCells)/lattice]; len(usual) != 2 {
		t.Errorf("objects of the usual size are at %v, want two places", usual)
	}
}

func TestObjectsHaveOneSize(t *testing.T) {
	rng := newRand(5)
	for _, task := range Tasks() {
		for range 200 {
			scene, prompt := (Sampler{}).Sample(task, rng)
			for _, o := range scene.Objects {
				if want := float64(objectCells) / lattice; len(scene.Objects) <= 4 && o.Size != want {
					t.Fatalf("%q: an object of %v, want %v", prompt.Text, o.Size, want)
				}
			}
		}
	}
}

func TestSnapKeepsPlacesOnTheLattice(t *testing.T) {
	for _, tt := range []struct{ in, want Placement }{
		{Placement{X: 0.3125, Y: 0.52, Size: 0.625}, Placement{X: 0.4375, Y: 0.4375, Size: 0.625}},
		{Placement{X: 0.99, Y: 0.01, Size: 0.4}, Placement{X: 0.8125, Y: 0.1875, Size: 0.375}},
		{Placement{X: 0.5, Y: 0.5, Size: 0.001}, Placement{X: 0.5625, Y: 0.5625, Size: 0.125}},
	} {
		got := tt.in
		got.snap()
		if got != tt.want {
			t.Errorf("%+v became %+v, want %+v", tt.in, got, tt.want)
		}
		if got.snap(); got != tt.want {
			t.Errorf("snapped again: %+v", got)
		}
	}
}

func TestFirstDrawing(t *testing.T) {
	looks := func(s Sampler) map[Placement]bool {
		seen := map[Placement]bool{}
		sampledWithFlaws(t, s, func(scene Scene, _ reflectionflow.Prompt) {
			for _, o := range scene.Objects {
				seen[Placement{Drawing: o.Drawing, Flip: o.Flip}] = true
			}
		})
		return seen
	}
	if got := looks(Sampler{}.FirstDrawing()); len(got) != 1 || !got[Placement{}] {
		t.Errorf("looks %v, want the first drawing alone", got)
	}
	if got := looks(Sampler{}); len(got) < 4 {
		t.Errorf("looks %v, want two drawings and both directions", got)
	}
}
