package openvocab

import (
	"context"
	"errors"
	"image"
	"math"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/conformance"
	"reflectionflow/internal/visiontest"
	"reflectionflow/verifier/photo"
)

// boxes is a detector without a network.
type boxes struct {
	objects []reflectionflow.Object
	asked   []string
}

func (b *boxes) Detect(_ context.Context, images []image.Image, phrases []string) ([][]reflectionflow.Object, error) {
	b.asked = append(b.asked, strings.Join(phrases, ","))
	found := make([][]reflectionflow.Object, len(images))
	for i := range images {
		for _, o := range b.objects {
			if slices.Contains(phrases, o.Class) {
				found[i] = append(found[i], o)
			}
		}
	}
	return found, nil
}

func (b *boxes) Fits(phrase string) bool { return len(phrase) < 50 }
func (b *boxes) Close() error            { return nil }

func TestFindings(t *testing.T) {
	at := func(class string, x, confidence float64) reflectionflow.Object {
		return reflectionflow.Object{Class: class, Box: [4]float64{x, 0.4, x + 0.1, 0.6}, Confidence: confidence}
	}
	b := &boxes{objects: []reflectionflow.Object{at("unicorn", 0.1, 0.6), at("unicorn", 0.3, 0.5), at("unicorn", 0.5, 0.11), at("teapot", 0.8, 0.45)}}
	v, err := photo.New(&finder{b, 0.2, 2.5}, photo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	img := image.NewGray(image.Rect(0, 0, 64, 64))
	long := strings.Repeat("very ", 12) + "long thing"
	for _, c := range []struct {
		r    reflectionflow.Requirement
		want reflectionflow.Verdict
	}{
		{reflectionflow.Requirement{Kind: reflectionflow.AtLeast, Object: "unicorn", Count: 1}, reflectionflow.Met},
		{reflectionflow.Requirement{Kind: reflectionflow.Exactly, Object: "Unicorn", Count: 2}, reflectionflow.Met},
		{reflectionflow.Requirement{Kind: reflectionflow.Exactly, Object: "unicorn", Count: 3}, reflectionflow.NotMet},
		{reflectionflow.Requirement{Kind: reflectionflow.AtLeast, Object: "unicorn", Count: 7}, reflectionflow.NotMet},
		{reflectionflow.Requirement{Kind: reflectionflow.AtLeast, Object: "unicorn", Count: 40}, reflectionflow.Unsure},
		{reflectionflow.Requirement{Kind: reflectionflow.Absent, Object: "teapot"}, reflectionflow.NotMet},
		{reflectionflow.Requirement{Kind: reflectionflow.Absent, Object: "dragon"}, reflectionflow.Met},
		{reflectionflow.Requirement{Kind: reflectionflow.Position, Object: "unicorn", Relation: reflectionflow.LeftOf, Target: "teapot"}, reflectionflow.Met},
		{reflectionflow.Requirement{Kind: reflectionflow.Position, Object: "unicorn", Relation: reflectionflow.RightOf, Target: "teapot"}, reflectionflow.NotMet},
		{reflectionflow.Requirement{Kind: reflectionflow.Place, Object: "teapot", Value: "right"}, reflectionflow.Met},
		{reflectionflow.Requirement{Kind: reflectionflow.AtLeast, Object: long, Count: 1}, reflectionflow.Unsure},
		{reflectionflow.Requirement{Kind: reflectionflow.Style, Value: "watercolor"}, reflectionflow.Unsure},
	} {
		scores, err := v.Verify(t.Context(), []reflectionflow.PromptedImage{{Prompt: reflectionflow.Prompt{Text: "any", Requirements: []reflectionflow.Requirement{c.r}}, Image: img}})
		if err != nil {
			t.Fatal(err)
		}
		if f := scores[0].Requirements[0]; f.Verdict != c.want {
			t.Errorf("%s: %s (%.2f), want %s", c.r, f.Verdict, f.Confidence, c.want)
		}
	}
}

// Images of one prompt are looked at together.
func TestImagesOfOnePromptAreOneCall(t *testing.T) {
	b := &boxes{}
	prompt := func(objects ...string) reflectionflow.PromptedImage {
		p := reflectionflow.PromptedImage{Prompt: reflectionflow.Prompt{Text: "any"}}
		for _, o := range objects {
			p.Prompt.Requirements = append(p.Prompt.Requirements, reflectionflow.Requirement{Kind: reflectionflow.AtLeast, Object: o, Count: 1})
		}
		return p
	}
	if _, err := (&finder{b, 0.2, 2.5}).Find(t.Context(), []reflectionflow.PromptedImage{prompt("cat", "dog"), prompt(), prompt("dog", "cat", "cat")}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"cat,dog", ""}; !slices.Equal(b.asked, want) {
		t.Errorf("asked %q, want %q", b.asked, want)
	}
}

func TestLikely(t *testing.T) {
	f := &finder{nil, 0.2, 2.5}
	if p := f.likely(0.2); math.Abs(p-0.5) > 1e-9 {
		t.Errorf("at the threshold %v", p)
	}
	if low, high := f.likely(0.1), f.likely(1); !(low > 0.05 && low < 0.2 && high > 0.99 && high <= 1) {
		t.Errorf("at 0.1 %v, at 1 %v", low, high)
	}
}

func TestConforms(t *testing.T) {
	v, err := Open(t.Context(), Options{Path: visiontest.Folder(t, "owlv2", nil)})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	conformance.Verifier(t, v, visiontest.PromptedImages(t), conformance.Options{})
}

func TestRefuses(t *testing.T) {
	folder := visiontest.Folder(t, "owlv2", nil)
	for _, o := range []Options{{Path: folder, Threshold: 1.5}, {Path: folder, Met: 0.1, NotMet: 0.2}, {Path: visiontest.Folder(t, "clip", nil)}, {Path: "/nowhere"}} {
		v, err := Open(t.Context(), o)
		if err == nil {
			v.Close()
		}
		if !errors.Is(err, reflectionflow.ErrInvalid) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
