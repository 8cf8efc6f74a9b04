package tuning

import (
	"testing"

	"reflectionflow/cpu"
	"reflectionflow/nn"
)

// TestAutoencoderStepFusesGroupNorm expects one step of statistics per group norm of the
// training graph: of the encoder, the decoder, and the decoder at half the scale.
func TestAutoencoderStepFusesGroupNorm(t *testing.T) {
	r := tiny(t)
	r.Autoencoder.Halved = 0.5
	b := backend(t)
	task, err := autoencoderTask(b, r.World, r.Autoencoder)
	if err != nil {
		t.Fatal(err)
	}
	st, err := newStepper(b, nn.NewStore(), task, r.Autoencoder.Train.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	defer st.close()
	levels := len(r.Autoencoder.Widths)
	encoder, decoder := 2*levels+5, 2*2*levels+5 // the middle has four, the tail one
	if got := b.(*cpu.Backend).Steps()["group norm"]; got != encoder+2*decoder {
		t.Errorf("%d steps of group norm, want %d", got, encoder+2*decoder)
	}
}
