package photo

import (
	"context"
	"image"
	"image/color"
	"testing"

	"reflectionflow"
)

// A view is a part of the image or its mirror image, of any kind of image.
func TestView(t *testing.T) {
	img := image.NewNRGBA(image.Rect(2, 3, 6, 5))
	for y := 3; y < 5; y++ {
		for x := 2; x < 6; x++ {
			img.SetNRGBA(x, y, color.NRGBA{R: uint8(10 * x), G: uint8(10 * y), A: 255})
		}
	}
	for name, whole := range map[string]image.Image{"deep": img, "foreign": struct{ image.Image }{img}} {
		mirrored := newView(whole, whole.Bounds(), true).(view)
		part := newView(whole, image.Rect(3, 3, 5, 4), false).(view)
		if got := mirrored.RGBA64At(2, 4); got.R>>8 != 50 || got.G>>8 != 40 {
			t.Errorf("%s: mirrored %v", name, got)
		}
		if got := part.RGBA64At(3, 3); got.R>>8 != 30 || part.Bounds() != image.Rect(3, 3, 5, 4) {
			t.Errorf("%s: part %v", name, got)
		}
	}
}

// looker sees one dog in an image, two in its mirror image, and records what it looks at.
type looker struct {
	*Detector
	seen []image.Rectangle
}

func (l *looker) Find(_ context.Context, images []reflectionflow.PromptedImage) (found [][]reflectionflow.Object, _ error) {
	for _, p := range images {
		l.seen = append(l.seen, p.Image.Bounds())
		objects := []reflectionflow.Object{{Class: "dog", Box: [4]float64{0.2, 0.2, 0.4, 0.4}, Confidence: 0.97}}
		if v, is := p.Image.(view); is && v.mirror {
			objects = append(objects, reflectionflow.Object{Class: "dog", Box: [4]float64{0.6, 0.2, 0.8, 0.4}, Confidence: 0.97})
		}
		found = append(found, objects)
	}
	return found, nil
}

// Only objects whose number is asked are looked at again. Where looks differ, no number is met.
func TestLooksThatDiffer(t *testing.T) {
	finder := &looker{}
	v := &Verifier{finder: finder, rules: &coco, options: Options{}.withDefaults()}
	judge := func(r ...reflectionflow.Requirement) []reflectionflow.Finding {
		finder.seen = nil
		scores, err := v.Verify(t.Context(), []reflectionflow.PromptedImage{{Prompt: reflectionflow.Prompt{Text: "any", Requirements: r}, Image: image.NewGray(image.Rect(0, 0, 100, 100))}})
		if err != nil {
			t.Fatal(err)
		}
		return scores[0].Requirements
	}
	dogs := func(kind reflectionflow.Kind, n int) reflectionflow.Requirement {
		return reflectionflow.Requirement{Kind: kind, Object: "dog", Count: n}
	}
	if f := judge(dogs(reflectionflow.AtLeast, 1)); f[0].Verdict != reflectionflow.Met || len(finder.seen) != 1 {
		t.Errorf("a dog: %s, %v", f[0].Verdict, finder.seen)
	}
	f := judge(dogs(reflectionflow.Exactly, 1), dogs(reflectionflow.Exactly, 2))
	if f[0].Verdict == reflectionflow.Met || f[1].Verdict == reflectionflow.Met || f[0].Confidence+f[1].Confidence > 1 || f[0].Confidence < 0.4 {
		t.Errorf("one or two dogs: %+v", f)
	}
	want := []image.Rectangle{image.Rect(0, 0, 100, 100), image.Rect(0, 0, 100, 100), image.Rect(17, 17, 42, 42)}
	if len(finder.seen) != 3 || finder.seen[1] != want[1] || finder.seen[2] != want[2] {
		t.Errorf("looked at %v, want %v", finder.seen, want)
	}
}
