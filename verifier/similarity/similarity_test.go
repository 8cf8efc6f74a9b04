package similarity

import (
	"context"
	"errors"
	"image"
	"image/color"
	"math"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/conformance"
	"reflectionflow/internal/visiontest"
	"reflectionflow/vision/clip"
)

// words is a model without a network: an image is the word whose number its first pixel is, and a text is
// as far from it as it does not mention the word.
type words struct{ vocabulary []string }

func (w words) Images(_ context.Context, images []image.Image) ([][]float32, error) {
	var vectors [][]float32
	for _, img := range images {
		r, _, _, _ := img.At(0, 0).RGBA()
		v := make([]float32, len(w.vocabulary)+1)
		v[r>>8] = 1
		vectors = append(vectors, v)
	}
	return vectors, nil
}

func (w words) Texts(_ context.Context, texts []string) ([][]float32, error) {
	var vectors [][]float32
	for _, text := range texts {
		v := make([]float32, len(w.vocabulary)+1)
		v[len(w.vocabulary)] = 1
		for i, word := range w.vocabulary {
			if mentions(text, []string{word}) {
				v[i], v[len(w.vocabulary)] = 1, 0
			}
		}
		vectors = append(vectors, v)
	}
	return vectors, nil
}

func (w words) Logit(image, text []float32) float64 { return 10 * clip.Cosine(image, text) }
func (w words) Fits(text string) bool               { return len(text) < 100 }

func (w words) show(word string) image.Image {
	for i, known := range w.vocabulary {
		if known == word {
			return image.NewUniform(color.Gray{uint8(i)})
		}
	}
	panic(word)
}

// What the network chooses is met, what it rejects is not, and what it cannot tell is unsure.
func TestFindings(t *testing.T) {
	w := words{[]string{"red", "blue", "wooden", "metal", "striped", "open", "closed", "beach", "forest", "watercolor", "oil painting", "dog"}}
	v, err := New(w, Options{})
	if err != nil {
		t.Fatal(err)
	}
	car, cup := reflectionflow.Requirement{Kind: reflectionflow.Color, Object: "car", Color: "red"}, reflectionflow.Requirement{Kind: reflectionflow.Color, Object: "cup", Color: "blue"}
	chair := reflectionflow.Requirement{Kind: reflectionflow.Attribute, Object: "chair", Value: "wooden", Aspect: reflectionflow.Material}
	box := reflectionflow.Requirement{Kind: reflectionflow.Attribute, Object: "box", Value: "metal", Aspect: reflectionflow.Material}
	door := reflectionflow.Requirement{Kind: reflectionflow.Attribute, Object: "door", Value: "open", Aspect: reflectionflow.State}
	beach := reflectionflow.Requirement{Kind: reflectionflow.Scene, Value: "a beach at sunset"}
	painted := reflectionflow.Requirement{Kind: reflectionflow.Style, Value: "watercolor"}
	two := reflectionflow.Requirement{Kind: reflectionflow.AtLeast, Object: "dog", Count: 2}
	asleep := reflectionflow.Requirement{Kind: reflectionflow.Attribute, Object: "dog", Value: "asleep", Aspect: reflectionflow.State}
	some := chair
	some.Count = 1
	for _, c := range []struct {
		name         string
		shown        string
		requirements []reflectionflow.Requirement
		want         reflectionflow.Verdict // of the first
	}{
		{"the color", "red", []reflectionflow.Requirement{car}, reflectionflow.Met},
		{"another color", "blue", []reflectionflow.Requirement{car}, reflectionflow.NotMet},
		{"no color", "dog", []reflectionflow.Requirement{car}, reflectionflow.NotMet}, // one of twelve alike
		{"the colors of two objects", "red", []reflectionflow.Requirement{car, cup}, reflectionflow.Unsure},
		{"the material", "wooden", []reflectionflow.Requirement{chair}, reflectionflow.Met},
		{"another material", "metal", []reflectionflow.Requirement{chair}, reflectionflow.NotMet},
		{"the materials of two objects", "wooden", []reflectionflow.Requirement{chair, box}, reflectionflow.Unsure},
		{"the material of some", "wooden", []reflectionflow.Requirement{some}, reflectionflow.Unsure},
		{"a material and a color", "wooden", []reflectionflow.Requirement{chair, car}, reflectionflow.Met},
		{"the state", "open", []reflectionflow.Requirement{door}, reflectionflow.Met},
		{"its opposite", "closed", []reflectionflow.Requirement{door}, reflectionflow.NotMet},
		{"neither", "dog", []reflectionflow.Requirement{door}, reflectionflow.Unsure},
		{"a state without an opposite", "dog", []reflectionflow.Requirement{asleep}, reflectionflow.Unsure},
		{"the scene", "beach", []reflectionflow.Requirement{beach}, reflectionflow.Met},
		{"another scene", "forest", []reflectionflow.Requirement{beach}, reflectionflow.NotMet},
		{"the style", "watercolor", []reflectionflow.Requirement{painted}, reflectionflow.Met},
		{"another style", "oil painting", []reflectionflow.Requirement{painted}, reflectionflow.NotMet},
		{"a number", "dog", []reflectionflow.Requirement{two}, reflectionflow.Unsure},
	} {
		scores, err := v.Verify(t.Context(), []reflectionflow.PromptedImage{{Prompt: reflectionflow.Prompt{Text: "any", Requirements: c.requirements}, Image: w.show(c.shown)}})
		if err != nil {
			t.Fatal(err)
		}
		if f := scores[0].Requirements[0]; f.Verdict != c.want {
			t.Errorf("%s: %s (%.3f), want %s", c.name, f.Verdict, f.Confidence, c.want)
		}
	}
}

func TestValueIsTheSimilarityToThePrompt(t *testing.T) {
	w := words{[]string{"cat", "dog"}}
	v, err := New(w, Options{})
	if err != nil {
		t.Fatal(err)
	}
	scores, err := v.Verify(t.Context(), []reflectionflow.PromptedImage{
		{Prompt: reflectionflow.Prompt{Text: "a dog"}, Image: w.show("dog")},
		{Prompt: reflectionflow.Prompt{Text: "a dog"}, Image: w.show("cat")},
		{Prompt: reflectionflow.Prompt{Text: "a dog " + strings.Repeat("and so on ", 20)}, Image: w.show("dog")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if scores[0].Value != 1 || scores[1].Value != 0 || scores[2].Value != 1 {
		t.Errorf("values %v, %v, %v", scores[0].Value, scores[1].Value, scores[2].Value)
	}
	if strings.Contains(scores[0].Detail, "beginning") || !strings.Contains(scores[2].Detail, "beginning of this prompt only") {
		t.Errorf("details %q, %q", scores[0].Detail, scores[2].Detail)
	}
}

func TestRefusesThresholds(t *testing.T) {
	for _, o := range []Options{{Met: 2}, {Met: 0.2, NotMet: 0.3}, {NotMet: -1}, {Met: math.NaN()}} {
		if _, err := New(nil, o); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestConforms(t *testing.T) {
	for _, network := range []string{"clip", "siglip"} {
		t.Run(network, func(t *testing.T) {
			model, err := clip.Open(t.Context(), visiontest.Folder(t, network, nil), clip.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer model.Close()
			v, err := New(model, Options{})
			if err != nil {
				t.Fatal(err)
			}
			conformance.Verifier(t, v, visiontest.PromptedImages(t), conformance.Options{})
		})
	}
}
