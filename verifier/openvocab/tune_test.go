package openvocab

import (
	"context"
	"image"
	"image/color"
	"iter"
	"math"
	"math/rand/v2"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/visiontest"
	"reflectionflow/verifier"
)

// known is a detector whose confidences are known: the gray of an image names the example.
type known struct{ confidences []float64 }

func (k *known) Detect(_ context.Context, images []image.Image, phrases []string) ([][]reflectionflow.Object, error) {
	found := make([][]reflectionflow.Object, len(images))
	for i, img := range images {
		r, g, _, _ := img.At(0, 0).RGBA()
		if c := k.confidences[int(r>>8)<<8|int(g>>8)]; c > faintest {
			found[i] = []reflectionflow.Object{{Class: phrases[0], Confidence: c, Box: [4]float64{0, 0, 1, 1}}}
		}
	}
	return found, nil
}

func (k *known) Fits(string) bool { return true }
func (k *known) Close() error     { return nil }

// examples says of each image, by its number, whether there is a cat.
func examples(there []bool) iter.Seq2[verifier.Example, error] {
	return func(yield func(verifier.Example, error) bool) {
		for i, is := range there {
			img := image.NewNRGBA(image.Rect(0, 0, 2, 2))
			img.SetNRGBA(0, 0, color.NRGBA{uint8(i >> 8), uint8(i), 0, 255})
			e := verifier.Example{Right: is, Image: reflectionflow.PromptedImage{Image: img, Prompt: reflectionflow.Prompt{
				Text: "a cat", Requirements: []reflectionflow.Requirement{{Kind: reflectionflow.AtLeast, Object: "cat", Count: 1}},
			}}}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Where objects are there with a known probability by the confidence, that curve is fitted.
func TestTuneFindsTheCurve(t *testing.T) {
	logit := func(p float64) float64 { return math.Log(p / (1 - p)) }
	for _, want := range []struct{ threshold, slope float64 }{{.08, 1.5}, {.35, 4}} {
		rng := rand.New(rand.NewPCG(3, 4))
		k := &known{}
		var there []bool
		for range 4000 {
			l := logit(want.threshold) + 3*rng.NormFloat64()/want.slope
			k.confidences = append(k.confidences, 1/(1+math.Exp(-l)))
			there = append(there, rng.Float64() < 1/(1+math.Exp(-want.slope*(l-logit(want.threshold)))))
		}
		f := &finder{k, .2, 2.5}
		got, err := f.tune(t.Context(), examples(there))
		if err != nil || math.Abs(logit(got.Threshold)-logit(want.threshold)) > .15 || math.Abs(got.Slope/want.slope-1) > .15 || got.Objects != 4000 {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
		if p := f.likely(got.Threshold); math.Abs(p-.5) > 1e-9 {
			t.Errorf("the fitted threshold is not used: %v", p)
		}
	}
	// What tells nothing, or is too little, changes nothing.
	for name, there := range map[string][]bool{"too few": {true, false, true}, "one sort": make([]bool, 50), "no relation": {true, false, true, false, true, false, true, false, true, false, true, false}} {
		k := &known{confidences: make([]float64, 50)}
		for i := range k.confidences {
			k.confidences[i] = .3
		}
		f := &finder{k, .2, 2.5}
		if got, err := f.tune(t.Context(), examples(there)); err != nil || got.Threshold != 0 || f.threshold != .2 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// A network of random weights is tuned from its folder; it knows nothing, and says so.
func TestTuneNetwork(t *testing.T) {
	v, err := Open(t.Context(), Options{Path: visiontest.Folder(t, "owlv2", nil)})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	got, err := v.Tune(t.Context(), examples([]bool{true, false, true, false, true, false, true, false, true, false, true, false}))
	if err != nil || got.Objects != 12 {
		t.Errorf("%+v, %v", got, err)
	}
}
