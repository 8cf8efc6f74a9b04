package reflector

import (
	"image"
	"math/rand/v2"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/conformance"
)

func observation(t *testing.T, text string, seed uint64, objects ...reflectionflow.Object) reflectionflow.Observation {
	t.Helper()
	prompt, err := clipart.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	o := reflectionflow.Observation{Prompt: prompt, Seed: seed, Image: image.NewNRGBA(image.Rect(0, 0, 16, 16))}
	o.Score.Objects = objects
	for _, r := range prompt.Requirements {
		f := reflectionflow.Finding{Requirement: r, Verdict: reflectionflow.NotMet}
		met, evidence := clipart.Check(r, objects)
		if f.Evidence = evidence; met {
			f.Verdict = reflectionflow.Met
		}
		o.Score.Requirements = append(o.Score.Requirements, f)
	}
	return o
}

func object(class, color string, x float64) reflectionflow.Object {
	return reflectionflow.Object{Class: class, Color: color, Box: [4]float64{x, 0.4, x + 0.2, 0.6}, Confidence: 0.9}
}

func TestReflect(t *testing.T) {
	unscored := observation(t, "a dog", 1)
	unscored.Score = reflectionflow.Score{}
	unnamed := observation(t, "a red dog", 1, object("dog", "blue", 0))
	unnamed.Score.Objects = nil // a verifier with evidence only
	doubtful := observation(t, "a red dog", 1, object("dog", "red", 0), object("dog", "blue", 0.5))
	doubtful.Score.Requirements[0].Verdict = reflectionflow.Unsure
	for name, test := range map[string]struct {
		o    reflectionflow.Observation
		want string
	}{
		"one missing":    {observation(t, "two dogs", 1, object("dog", "", 0)), "add one more dog"},
		"nothing seen":   {observation(t, "a dog", 1), "add a dog"},
		"wrong color":    {observation(t, "a red dog", 1, object("dog", "blue", 0)), "make the dog red"},
		"something else": {observation(t, "a dog", 1, object("cat", "", 0)), "replace the cat with a dog"},
		"right":          {observation(t, "a dog", 1, object("dog", "", 0)), ""},
		"not verified":   {unscored, ""},
		"doubtful":       {doubtful, "remove the blue dog"},
		"evidence only":  {unnamed, "make the dog red"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Embedded{}.Reflect(t.Context(), []reflectionflow.Observation{test.o})
			if err != nil || got[0].Text != test.want {
				t.Errorf("got %q, %v, want %q", got[0].Text, err, test.want)
			}
		})
	}
}

// A plan has places, which the seed chooses.
func TestReflectWithAPlan(t *testing.T) {
	texts := map[string]bool{}
	for seed := range uint64(20) {
		o := observation(t, "two dogs", seed, object("dog", "", 0))
		got, err := Embedded{Plan: true}.Reflect(t.Context(), []reflectionflow.Observation{o})
		if err != nil || !strings.HasPrefix(got[0].Text, "dog top left, dog ") || !strings.Contains(got[0].Text, ". add one more dog at the ") {
			t.Fatalf("got %q, %v", got[0].Text, err)
		}
		if got[0].Caption != "dog top left." {
			t.Errorf("the image is captioned %q", got[0].Caption)
		}
		texts[got[0].Text] = true
	}
	if len(texts) < 2 {
		t.Errorf("20 seeds plan %v", texts)
	}
}

func TestEmbeddedKeepsTheContract(t *testing.T) {
	conformance.Reflector(t, Embedded{}, []reflectionflow.Observation{
		observation(t, "two dogs", 1, object("dog", "", 0)),
		observation(t, "a red cup", 2, object("cup", "blue", 0.5)),
		observation(t, "a cat left of a tv", 3, object("cat", "", 0.8), object("tv", "", 0)),
	}, conformance.Options{})
	conformance.Reflector(t, Embedded{Plan: true}, []reflectionflow.Observation{
		observation(t, "two dogs", 1, object("dog", "", 0)),
		observation(t, "a red cup and a dog", 2, object("cup", "red", 0.5)),
		observation(t, "a cat left of a tv", 3, object("cat", "", 0.8), object("tv", "", 0)),
	}, conformance.Options{})
}

func TestRefinerKeepsTheContract(t *testing.T) {
	first := reflectionflow.Observation{Prompt: reflectionflow.Prompt{Text: "three cups"}, Seed: 4}
	conformance.Refiner(t, Refiner{}, []reflectionflow.Observation{first, observation(t, "two dogs", 1), observation(t, "a red cup and a dog", 2)}, conformance.Options{})
}

// A refined prompt keeps all requirements and stays within the limit of words.
func TestRefinedPromptsAskForTheSame(t *testing.T) {
	sampler, err := clipart.NewSampler()
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	texts := map[string]string{} // the prompt of each
	for seed := range uint64(150) {
		_, prompt := sampler.SampleMixed(clipart.Test, rng)
		got, err := Refiner{}.Refine(t.Context(), []reflectionflow.Observation{{Prompt: prompt, Seed: seed}})
		if err != nil {
			t.Fatal(err)
		}
		text := got[0].Text
		if other := texts[text]; other != "" && other != prompt.Text {
			t.Errorf("%q for %q and for %q", text, other, prompt.Text)
		}
		texts[text] = prompt.Text
		if n := len(clipart.Words(text)); n > defaultWords {
			t.Errorf("%d words: %q", n, text)
		}
		if opening := clipart.ShortCaption(prompt.Requirements); !strings.HasPrefix(text, opening) && !strings.HasPrefix(text, "there ") {
			t.Errorf("%q does not begin with %q", text, opening)
		}
	}
	// A few prompts come more than once, and few places make a layout.
	if len(texts) < 130 {
		t.Errorf("%d different texts for 150 prompts", len(texts))
	}
}

func TestSeedsGiveOtherLayouts(t *testing.T) {
	texts := map[string]bool{}
	// Of the four corners two can be chosen in six ways.
	for seed := range uint64(10) {
		got, err := Refiner{}.Refine(t.Context(), []reflectionflow.Observation{{Prompt: reflectionflow.Prompt{Text: "two dogs"}, Seed: seed}})
		if err != nil {
			t.Fatal(err)
		}
		texts[got[0].Text] = true
	}
	if len(texts) < 4 {
		t.Errorf("10 seeds give %d texts: %v", len(texts), texts)
	}
}

func TestRefinerFallsBackToThePlainWording(t *testing.T) {
	prompt := reflectionflow.Prompt{Text: "three dogs"}
	got, err := Refiner{Words: 6}.Refine(t.Context(), []reflectionflow.Observation{{Prompt: prompt}})
	if err != nil || got[0].Text != "a photo of three dogs" {
		t.Errorf("%q, %v", got[0].Text, err)
	}
}
