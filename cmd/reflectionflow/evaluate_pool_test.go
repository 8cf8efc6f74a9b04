package main

import (
	"context"
	"image"
	"image/color"
	"reflect"
	"testing"

	"reflectionflow"
)

// countingGenerator draws a request's seed, and counts what it draws.
type countingGenerator struct{ drawn int }

func (g *countingGenerator) Generate(_ context.Context, requests []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	out := make([]reflectionflow.Generation, len(requests))
	for i, r := range requests {
		g.drawn++
		m := image.NewNRGBA(image.Rect(0, 0, r.Width, r.Height))
		for j := range m.Pix {
			m.Pix[j] = uint8(uint64(j)*(r.Seed+7) + uint64(len(r.Reflection))) //nolint:gosec // any bytes
		}
		out[i] = reflectionflow.Generation{Image: m, Cost: reflectionflow.Cost{Images: 1, Seconds: 2}}
	}
	return out, nil
}

type countingVerifier struct{ asked int }

func (v *countingVerifier) Verify(_ context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	v.asked += len(images)
	scores := make([]reflectionflow.Score, len(images))
	for i, p := range images {
		r, _, _, _ := p.Image.At(3, 3).RGBA()
		scores[i] = reflectionflow.Score{Value: float64(r), Requirements: make([]reflectionflow.Finding, 1), Cost: reflectionflow.Cost{VerifierCalls: 1}}
	}
	return scores, nil
}

// TestPool: what a sample has generated and judged is not computed again, and is the same.
func TestPool(t *testing.T) {
	g, v, p := &countingGenerator{}, &countingVerifier{}, newPool()
	generator, verifier := p.generator(g), p.verifier("", v)
	other := image.NewNRGBA(image.Rect(0, 0, 16, 16))
	other.Set(3, 3, color.White)
	requests := []reflectionflow.Request{
		{Prompt: "a", Seed: 1, Width: 16, Height: 16},
		{Prompt: "a", Seed: 2, Width: 16, Height: 16},
		{Prompt: "a", Seed: 1, Width: 16, Height: 16, Reference: image.NewNRGBA(other.Rect), Reflection: "add"},
		{Prompt: "a", Seed: 1, Width: 16, Height: 16, Reference: other, Reflection: "add"},
	}
	generate := func() []reflectionflow.Generation {
		t.Helper()
		got, err := generator.Generate(t.Context(), requests)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	first := generate()
	copied := *other
	requests[3].Reference = &copied // the pixels decide
	second := generate()
	if g.drawn != len(requests) || !reflect.DeepEqual(first, second) {
		t.Errorf("%d images were generated for %d requests, or they differ", g.drawn, len(requests))
	}
	for _, prompt := range []string{"a", "b", "a"} {
		images := []reflectionflow.PromptedImage{{Prompt: reflectionflow.Prompt{Text: prompt}, Image: first[0].Image}, {Prompt: reflectionflow.Prompt{Text: prompt}, Image: second[1].Image}}
		scores, err := verifier.Verify(t.Context(), images)
		if err != nil || len(scores) != 2 || scores[0].Cost.VerifierCalls != 1 {
			t.Fatalf("got %v, %v", scores, err)
		}
		scores[0].Requirements[0].Verdict = reflectionflow.Met // of this caller alone
		if again, _ := verifier.Verify(t.Context(), images[:1]); again[0].Requirements[0].Verdict != "" {
			t.Error("a caller changed a kept score")
		}
	}
	if v.asked != 4 {
		t.Errorf("%d images were judged, of 2 for 2 prompts", v.asked)
	}
	p.begin(1)
	if generate(); g.drawn != 2*len(requests) {
		t.Errorf("another sample took %d images from the pool", 2*len(requests)-g.drawn)
	}
}
