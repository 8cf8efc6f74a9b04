package flux

import (
	"math"
	"testing"
)

// With a constant velocity, every point of the line leads to the same clean latents.
func TestExpectedLatents(t *testing.T) {
	noise, clean := []float32{2, -1}, []float32{0.5, 0.25}
	at := func(sigma float64) []float32 {
		x := make([]float32, len(noise))
		for i := range x {
			x[i] = float32((1-sigma)*float64(clean[i]) + sigma*float64(noise[i]))
		}
		return x
	}
	for i, v := range expectedLatents(at(0.9), at(0.6), 0.9, 0.6) {
		if math.Abs(float64(v-clean[i])) > 1e-6 {
			t.Errorf("got %v, want %v", v, clean[i])
		}
	}
}
