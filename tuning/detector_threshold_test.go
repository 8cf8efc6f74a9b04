package tuning

import (
	"testing"

	"reflectionflow"
	"reflectionflow/verifier/detect"
)

// Objects have one presence and other detections a lower one: the threshold lies between the
// two, as near to 0.5 as possible.
func TestThresholdSeparatesObjects(t *testing.T) {
	cfg := detect.Config{Classes: []string{"apple"}, Colors: []string{"red"}}
	box, elsewhere := [4]float64{0, 0, 0.4, 0.4}, [4]float64{0.6, 0.6, 1, 1}
	set := heldOutSet{images: []heldOut{{objects: []reflectionflow.Object{{Class: "apple", Box: box}}}}}
	for _, c := range []struct{ there, not, low, high float64 }{{0.98, 0.72, 0.74, 0.76}, {0.28, 0.13, 0.24, 0.26}, {0.9, 0.01, 0.49, 0.51}} {
		seen := []detect.Detection{
			{Presence: c.there, Class: []float64{1}, Color: []float64{1, 0}, Box: box},
			{Presence: c.not, Class: []float64{1}, Color: []float64{1, 0}, Box: elsewhere},
		}
		if got := bestThreshold(cfg, []heldOutSet{set}, [][][]detect.Detection{{seen}}); got < c.low || got > c.high {
			t.Errorf("objects at %v, others at %v: threshold %v", c.there, c.not, got)
		}
	}
}
