package assemble

import (
	"context"
	"errors"
	"image"
	"testing"

	"reflectionflow"
)

// TestEditedClipArt: what the image shows besides is part of the prompt.
func TestEditedClipArt(t *testing.T) {
	model, err := Embedded().Find("clipart")
	if err != nil {
		t.Fatal(err)
	}
	seen := []reflectionflow.Object{{Class: "cat"}, {Class: "clock"}, {Class: "clock"}}
	sees := reflectionflow.VerifierFunc(func(context.Context, reflectionflow.PromptedImage) (reflectionflow.Score, error) {
		return reflectionflow.Score{Objects: seen}, nil
	})
	img := image.NewNRGBA(image.Rect(0, 0, 8, 8))
	for instruction, want := range map[string]string{
		"Add a dog":                       "a photo of one cat and two clocks and a dog",
		"There are 2 clocks. Remove one.": "a photo of one cat and 1 clocks",
		"remove the cat":                  "a photo of two clocks and no cat",
		"Make the cat red.":               "a photo of two clocks and a red cat",
		"a photo of a dog":                "a photo of a dog",
		"brighter":                        "brighter",
	} {
		got, err := model.Edited(t.Context(), sees, img, instruction)
		if err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", instruction, got, err, want)
		}
		if _, _, err := model.Parse(t.Context(), got); err != nil && instruction != "brighter" {
			t.Errorf("%q: %v", got, err)
		}
	}
	failed := errors.New("no")
	fails := reflectionflow.VerifierFunc(func(context.Context, reflectionflow.PromptedImage) (reflectionflow.Score, error) {
		return reflectionflow.Score{}, failed
	})
	if _, err := model.Edited(t.Context(), fails, img, "add a dog"); !errors.Is(err, failed) {
		t.Errorf("the verifier's error is lost: %v", err)
	}
}
