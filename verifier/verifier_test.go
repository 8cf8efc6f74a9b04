package verifier

import (
	"image"
	"image/color"
	"math"
	"testing"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/conformance"
	"reflectionflow/verifier/detect"
)

var world = detect.Config{Classes: []string{"dog", "cup", "tv"}, Colors: []string{"red", "blue"}}.WithDefaults()

// seen is a detection of certain class and color, with the given presence.
func seen(class, color int, presence, x, y float64) detect.Detection {
	d := detect.Detection{Presence: presence, Class: make([]float64, 3), Color: make([]float64, 3), Box: [4]float64{x - 0.1, y - 0.1, x + 0.1, y + 0.1}}
	d.Class[class], d.Color[color] = 1, 1
	return d
}

const (
	dog, cup           = 0, 1
	red, blue, natural = 0, 1, 2
)

func TestConfidence(t *testing.T) {
	two := []detect.Detection{seen(dog, red, 0.9, 0.2, 0.5), seen(dog, natural, 0.5, 0.8, 0.5)}
	mixed := []detect.Detection{seen(dog, red, 0.9, 0.2, 0.5), seen(cup, blue, 0.8, 0.8, 0.5)}
	// A second dog is right of the cup: the prompt does not say which dog is meant.
	astray := append(mixed[:2:2], seen(dog, red, 0.9, 0.95, 0.5))
	pair := []detect.Detection{seen(dog, red, 0.9, 0.2, 0.5), seen(dog, blue, 0.8, 0.8, 0.5)}
	for name, test := range map[string]struct {
		text       string
		detections []detect.Detection
		want       []float64 // by requirement
	}{
		"one of two":        {"a dog", two, []float64{1 - 0.1*0.5}},
		"exactly one":       {"one dog", two, []float64{0.9*0.5 + 0.1*0.5}},
		"exactly two":       {"two dogs", two, []float64{0.45}},
		"exactly three":     {"three dogs", two, []float64{0}},
		"at least two":      {"at least two dogs", two, []float64{0.45}},
		"nothing seen":      {"a dog", nil, []float64{0}},
		"one color of two":  {"a red dog", two, []float64{0.95 * 0.9 / 1.4}},
		"two of a color":    {"at least two red dogs", two, []float64{0.45 * (0.9 / 1.4) * (0.9 / 1.4)}},
		"color of another":  {"a blue dog", two, []float64{0}},
		"red ones counted":  {"two red dogs", two, []float64{0}},
		"absent":            {"a cup and no dog", two, []float64{0, 0.05}},
		"position":          {"a dog left of a cup", mixed, []float64{0.9, 0.8, 0.72}},
		"wrong side":        {"a dog right of a cup", mixed, []float64{0.9, 0.8, 0}},
		"of one class":      {"a red dog left of a blue dog", pair, []float64{0.9, 0.8, 0.72}},
		"of one class only": {"a red dog left of a blue dog", mixed, []float64{0.9, 0, 0}},
		"either side":       {"a dog left of a cup", astray, []float64{0.99, 0.8, 0.99 * 0.8 / 2}},
	} {
		t.Run(name, func(t *testing.T) {
			prompt, err := clipart.Parse(test.text)
			if err != nil || len(prompt.Requirements) != len(test.want) {
				t.Fatalf("%v: %+v", err, prompt)
			}
			for i, r := range prompt.Requirements {
				got, known := Confidence(world, r, test.detections)
				if !known || math.Abs(got-test.want[i]) > 1e-3 {
					t.Errorf("%v: %v (known %v), want %v", r, got, known, test.want[i])
				}
			}
		})
	}
	if p, known := Confidence(world, reflectionflow.Requirement{Kind: reflectionflow.AtLeast, Object: "zebra", Count: 1}, two); known || p != 0.5 {
		t.Errorf("a class it does not know: %v, %v", p, known)
	}
	for _, n := range []int{-5, 1 << 40} { // from a hostile file
		if p, _ := Confidence(world, reflectionflow.Requirement{Kind: reflectionflow.Exactly, Object: "dog", Count: n}, two); p != 0 {
			t.Errorf("exactly %d: %v", n, p)
		}
	}
}

// For certain detections, confidences agree with the rules of evaluation in any order of
// the objects. Where the rules depend on the order, the confidence is from 0.3 to 0.7.
func TestCertainConfidenceIsCheck(t *testing.T) {
	detections := []detect.Detection{seen(dog, red, 1, 0.2, 0.5), seen(cup, blue, 1, 0.8, 0.4), seen(cup, natural, 1, 0.5, 0.9)}
	objects := world.Objects(detections)
	first := world.Objects([]detect.Detection{detections[0], detections[2], detections[1]})
	for _, text := range []string{
		"a dog", "a red dog", "a blue dog", "a blue cup", "two cups", "one cup", "three cups", "at least two cups", "a dog and no tv", "no cup and a dog",
		"a dog left of a cup", "a dog above a cup", "a dog right of a cup", "a red dog left of a blue cup", "exactly one blue cup", "a tv",
	} {
		prompt, err := clipart.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range prompt.Requirements {
			met, _ := clipart.Check(r, objects)
			other, _ := clipart.Check(r, first)
			p, _ := Confidence(world, r, detections)
			if met == other && met != (p > 0.7) || met != other && (p < 0.3 || p > 0.7) {
				t.Errorf("%v: confidence %v, but met is %v, and %v in another order", r, p, met, other)
			}
		}
	}
}

// painted is a detector of images whose pixel in the corner says what is there.
type painted struct{}

func (painted) Config() detect.Config { return world }

func (painted) Read(img image.Image) ([]detect.Detection, error) {
	if _, err := detect.Pixels(img, 16); err != nil {
		return nil, err
	}
	r, g, _, _ := img.At(img.Bounds().Min.X, img.Bounds().Min.Y).RGBA()
	var found []detect.Detection
	for i := range int(r >> 8 / 50) {
		found = append(found, seen(dog, natural, float64(g>>8)/255, 0.2+0.2*float64(i), 0.5))
	}
	return found, nil
}

// bright rewards the blue in the corner.
type bright struct{}

func (bright) Score(_ string, img image.Image) (float64, error) {
	_, _, b, _ := img.At(img.Bounds().Min.X, img.Bounds().Min.Y).RGBA()
	return float64(b>>8)/64 - 2, nil
}

func imageOf(t *testing.T, text string, corner color.NRGBA) reflectionflow.PromptedImage {
	t.Helper()
	prompt, err := clipart.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	img := image.NewNRGBA(image.Rect(0, 0, 16, 16))
	for i := range 256 {
		img.SetNRGBA(i%16, i/16, corner)
	}
	return reflectionflow.PromptedImage{Prompt: prompt, Image: img}
}

func TestEmbeddedKeepsTheContract(t *testing.T) {
	conformance.Verifier(t, New(painted{}, bright{}, Options{}), []reflectionflow.PromptedImage{
		imageOf(t, "two dogs", color.NRGBA{R: 100, G: 250, B: 100, A: 255}),
		imageOf(t, "a dog", color.NRGBA{R: 150, G: 200, A: 255}),
		imageOf(t, "a cup and a dog", color.NRGBA{R: 50, G: 230, B: 40, A: 255}),
	}, conformance.Options{})
}

func TestEmbeddedOrdersImages(t *testing.T) {
	v := New(painted{}, bright{}, Options{})
	ranked := []reflectionflow.PromptedImage{ // the best first
		imageOf(t, "two dogs", color.NRGBA{R: 100, G: 255, B: 200, A: 255}),
		imageOf(t, "two dogs", color.NRGBA{R: 100, G: 255, B: 10, A: 255}),  // liked less
		imageOf(t, "two dogs", color.NRGBA{R: 100, G: 180, B: 200, A: 255}), // seen less clearly
		imageOf(t, "two dogs", color.NRGBA{R: 50, G: 255, B: 255, A: 255}),  // one dog
	}
	scores, err := v.Verify(t.Context(), ranked)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(scores); i++ {
		if !(scores[i].Value < scores[i-1].Value) {
			t.Errorf("image %d has %v, not less than %v", i, scores[i].Value, scores[i-1].Value)
		}
	}
	if !scores[0].Right() || scores[3].Right() {
		t.Errorf("right: %v and %v", scores[0].Right(), scores[3].Right())
	}
	if got := scores[2].Requirements[0].Verdict; got != reflectionflow.Unsure {
		t.Errorf("two dogs at 0.5 are %q", got)
	}
	if len(scores[3].Objects) != 1 || scores[3].Objects[0].Class != "dog" {
		t.Errorf("objects %+v", scores[3].Objects)
	}
}

func TestEmbeddedParsesPromptsAndIsUnsureOfTheUnknown(t *testing.T) {
	p := imageOf(t, "a zebra", color.NRGBA{R: 50, G: 255, A: 255})
	p.Prompt.Requirements = nil
	scores, err := New(painted{}, nil, Options{}).Verify(t.Context(), []reflectionflow.PromptedImage{p})
	if err != nil {
		t.Fatal(err)
	}
	if f := scores[0].Requirements; len(f) != 1 || f[0].Verdict != reflectionflow.Unsure || f[0].Confidence != 0.5 {
		t.Errorf("findings %+v", f)
	}
}
