package search_test

import (
	"testing"

	"reflectionflow"
	"reflectionflow/conformance"
)

// TestFakes: what the search is tested with keeps the contracts.
func TestFakes(t *testing.T) {
	request := func(text string, seed uint64) reflectionflow.Request {
		return reflectionflow.Request{Prompt: text, Seed: seed, Width: 32, Height: 16, Steps: 4, Guidance: 3}
	}
	plain, corrected := request("two clocks", 1), request("a cat", 2)
	corrected.Reference, corrected.Reflection = imageOf(plain), "add a cat"
	requests := []reflectionflow.Request{plain, request("two clocks", 3), corrected}

	var images []reflectionflow.PromptedImage
	observations := []reflectionflow.Observation{{Prompt: prompt, Request: plain, Seed: 9}}
	for i, r := range requests {
		images = append(images, reflectionflow.PromptedImage{Prompt: prompt, Image: imageOf(r)})
		observations = append(observations, reflectionflow.Observation{
			Prompt: prompt, Request: r, Image: imageOf(r), Seed: uint64(i), Score: reflectionflow.Score{Value: float64(i)},
		})
	}
	for name, o := range map[string]conformance.Options{"full": {}, "expensive": {Expensive: true}} {
		t.Run(name, func(t *testing.T) {
			t.Run("generator", func(t *testing.T) { conformance.Generator(t, &fakeGenerator{}, requests, o) })
			t.Run("previewer", func(t *testing.T) { conformance.Previewer(t, &fakeGenerator{}, requests, o) })
			t.Run("previewer of the world", func(t *testing.T) { conformance.Previewer(t, hard, requests, o) })
			t.Run("verifier", func(t *testing.T) { conformance.Verifier(t, &fakeVerifier{}, images, o) })
			t.Run("reflector", func(t *testing.T) { conformance.Reflector(t, fakeWriter{}, observations, o) })
			t.Run("refiner", func(t *testing.T) { conformance.Refiner(t, fakeWriter{}, observations, o) })
		})
	}
}
