package flux1

import (
	"context"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/flux"
	"reflectionflow/nn/nntest"
)

// Texts that are longer than the text encoders read are cut, with a warning for each; a model with a tokenizer of whole
// words refuses them, see TestBadRequests.
func TestLongTextsAreCut(t *testing.T) {
	folder, err := OpenFolder("../../cmd/reflectionflow/testdata/tiny/flux1")
	if err != nil {
		t.Fatal(err)
	}
	model, err := LoadModel(folder, nil)
	if err != nil {
		t.Fatal(err)
	}
	long := "a red cup" + strings.Repeat(", detailed", 300)
	request := func(prompt, pooled string) reflectionflow.Request {
		return reflectionflow.Request{Prompt: prompt, PooledPrompt: pooled, Width: 16, Height: 16, Steps: 1, Guidance: 1}
	}
	requests := []reflectionflow.Request{request("a cup", ""), request(long, "a cup"), request("a cup", long), request(long, ""), request("a cup", "")}
	requests[4].Reflection = long // which the text ends with
	got, err := flux.NewPipeline(nntest.Backend(t), model, flux.Options{}).Generate(context.Background(), requests)
	if err != nil {
		t.Fatal(err)
	}
	const t5, clip = "the prompt is longer than the model's 512 tokens: its end was not read", "CLIP, which sums the prompt up, read only its first 16 tokens: name what matters most at the beginning"
	for i, want := range [][]string{nil, {t5}, {clip}, {t5, clip}, {t5}} {
		if !slices.Equal(got[i].Warnings, want) || got[i].Err != nil {
			t.Errorf("request %d: warnings %q, want %q; %v", i, got[i].Warnings, want, got[i].Err)
		}
	}
}
