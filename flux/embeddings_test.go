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

// embeddingFolder keeps embeddings in memory, as a folder does between processes.
type embeddingFolder map[string][]byte

func (f embeddingFolder) Get(text string) []byte            { return f[text] }
func (f embeddingFolder) Put(text string, embedding []byte) { f[text] = embedding }

// A pipeline takes the embeddings that another one has kept, and gives the same images. One that does not fit is not used.
func TestEmbeddingsOutliveAPipeline(t *testing.T) {
	folder, err := flux2.OpenFolder("flux2/testdata/tiny")
	if err != nil {
		t.Fatal(err)
	}
	kept := embeddingFolder{}
	generate := func() []byte {
		t.Helper()
		model, err := flux2.LoadModel(folder)
		if err != nil {
			t.Fatal(err)
		}
		p := flux.NewPipeline(nntest.Backend(t), model, flux.Options{Embeddings: kept})
		g, err := p.Generate(t.Context(), []reflectionflow.Request{{Prompt: "a red cup", Seed: 1, Width: 32, Height: 32, Steps: 1, Guidance: 1}})
		if err != nil || g[0].Err != nil {
			t.Fatal(err, g)
		}
		return g[0].Image.(*image.NRGBA).Pix
	}
	first := generate()
	if len(kept) == 0 {
		t.Fatal("nothing was kept")
	}
	if again := generate(); !bytes.Equal(again, first) {
		t.Error("an image of a kept embedding differs")
	}
	for text, data := range kept {
		kept[text] = data[:len(data)-4]
	}
	if again := generate(); !bytes.Equal(again, first) {
		t.Error("an image beside a kept embedding of another length differs")
	}
	for _, data := range kept {
		clear(data)
	}
	if zeros := generate(); bytes.Equal(zeros, first) {
		t.Error("the kept embedding is not used")
	}
}
