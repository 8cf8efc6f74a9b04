package assemble

import (
	"math"
	"testing"

	"reflectionflow/flux/flux1"
	"reflectionflow/flux/flux2"
)

// The work of a step of FLUX.2 [klein] 4B: 25 blocks of 26 D² per token and 4 D per pair
// of tokens.
func TestStepWorkOfKlein(t *testing.T) {
	variables, err := flux2.Klein4B().Variables()
	if err != nil {
		t.Fatal(err)
	}
	const width = 3072
	for image, reference := range map[int]int{4096: 0, 1024: 0, 4095: 4096} {
		tokens := float64(512 + image + reference)
		want := 25 * (26*width*width*tokens + 4*tokens*tokens*width)
		if got := stepWork(variables, tokenCounts{text: 512, image: image + reference}); math.Abs(got/want-1) > 0.01 {
			t.Errorf("%d tokens: %.4g, want %.4g", image, got, want)
		}
	}
}

// The work of a step is that of the architecture's formula: 24 D² per token and block,
// and 4 D per pair of tokens.
func TestStepWorkOfFlux1(t *testing.T) {
	folder := &flux1.Folder{Transformer: flux1.Variants[0].Params}
	variables, err := folder.Components()[0].Variables()
	if err != nil {
		t.Fatal(err)
	}
	const width, tokens, blocks = 3072, 4096 + 512, 19 + 38
	want := float64(blocks) * (24*width*width*tokens + 4*tokens*tokens*width)
	if got := stepWork(variables, tokenCounts{text: 512, image: 4096}); math.Abs(got/want-1) > 0.001 {
		t.Errorf("%.4g, want %.4g", got, want)
	}
}
