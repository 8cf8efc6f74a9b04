package flux_test

import (
	"bytes"
	"image"
	"testing"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/flux/flux2"
	"reflectionflow/nn/nntest"
)

// The images of one prompt share its embedding, in a batch and later.
func TestTextsAreEncodedOnce(t *testing.T) {
	folder, err := flux2.OpenFolder("flux2/testdata/tiny")
	if err != nil {
		t.Fatal(err)
	}
	folder.Distilled = true
	model, err := flux2.LoadModel(folder)
	if err != nil {
		t.Fatal(err)
	}
	p := flux.NewPipeline(nntest.Backend(t), model, flux.Options{Workers: 2})
	generate := func(prompt string, seeds ...uint64) []byte {
		var requests []reflectionflow.Request
		for _, seed := range seeds {
			requests = append(requests, reflectionflow.Request{Prompt: prompt, Seed: seed, Width: 32, Height: 32, Steps: 1, Guidance: 1})
		}
		generations, err := p.Generate(t.Context(), requests)
		if err != nil || generations[0].Err != nil {
			t.Fatal(err, generations)
		}
		return generations[0].Image.(*image.NRGBA).Pix
	}
	first := generate("a red cup", 1, 2, 3)
	if again := generate("a red cup", 1); !bytes.Equal(again, first) || p.EncodedTexts() != 1 {
		t.Errorf("%d texts were encoded for one prompt, or the image differs", p.EncodedTexts())
	}
	p.ClearEmbeddings()
	if bytes.Equal(generate("a red cup", 1), first) || p.EncodedTexts() != 1 {
		t.Error("the text of the same prompt was encoded again")
	}
	if generate("a clock", 1); p.EncodedTexts() != 2 {
		t.Errorf("%d texts were encoded for two prompts", p.EncodedTexts())
	}
}
