package flux1

import (
	"testing"

	"reflectionflow/flux"
	"reflectionflow/flux/internal/fluxtest"
	"reflectionflow/nn"
)

// Quantized weights give the image of their values in float32.
func TestFormatsGiveTheSameImage(t *testing.T) {
	m := openTinyModel(t, Settings{TextLength: 12})
	p := &m.Folder.Transformer // wide enough for blocks of 256
	p.NumAttentionHeads, p.AttentionHeadDim, p.AxesDimsRope = 8, 32, [3]int{4, 14, 14}
	r := tinyRequest("a red cup", 1)
	r.Steps = 1
	fluxtest.SameInEveryFormat(t, m.Folder.Components()[0], m.Store, func(store *nn.Store) []byte {
		return mustGenerate(t, flux.NewPipeline(openTestBackend(t), m.With(store), flux.Options{}), r)[0]
	})
}
