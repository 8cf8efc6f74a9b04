package verifier_test

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/testserver"
	"reflectionflow/verifier"
)

// naming is a detector that lists a man as a person.
type naming struct{ spotted }

func (naming) Class(noun string) (name string, whole, known bool) {
	if noun == "man" {
		return "person", false, true
	}
	return noun, true, true
}

// shownCrops asks about a gray image of 400×200 pixels with one red and one blue square of
// 20 pixels, at 100, 50 and at 300, 150.
func shownCrops(t *testing.T, o verifier.ChatOptions, requirements ...reflectionflow.Requirement) testserver.Question {
	t.Helper()
	img := image.NewNRGBA(image.Rect(7, 3, 407, 203))
	draw.Draw(img, img.Rect, image.NewUniform(color.Gray{128}), image.Point{}, draw.Src)
	for at, c := range map[image.Point]color.Color{{100, 50}: color.NRGBA{255, 0, 0, 255}, {300, 150}: color.NRGBA{0, 0, 255, 255}} {
		draw.Draw(img, image.Rectangle{at, at.Add(image.Pt(20, 20))}.Add(img.Rect.Min), image.NewUniform(c), image.Point{}, draw.Src)
	}
	double := testserver.NewChat(t, testserver.ChatOptions{})
	v, err := verifier.NewChat(talk(t, double), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context(), []reflectionflow.PromptedImage{{Prompt: reflectionflow.Prompt{Text: "p", Requirements: requirements}, Image: img}}); err != nil {
		t.Fatal(err)
	}
	return double.Questions()[0]
}

func at(class string, x, y, w, h float64) reflectionflow.Object {
	return reflectionflow.Object{Class: class, Confidence: .9, Box: [4]float64{x / 400, y / 200, (x + w) / 400, (y + h) / 200}}
}

// What is asked of a located object is shown enlarged, with what is around it: which part,
// of what size, and which requirement it is for.
func TestChatShowsCrops(t *testing.T) {
	type r = reflectionflow.Requirement
	seen := naming{spotted{at("cup", 100, 50, 20, 20), at("person", 300, 150, 20, 20), at("sofa", 0, 0, 400, 200)}}
	q := shownCrops(t, verifier.ChatOptions{Crops: seen},
		r{Kind: reflectionflow.AtLeast, Object: "cup", Count: 1},
		r{Kind: reflectionflow.Color, Object: "cup", Color: "red", Count: 1},
		r{Kind: reflectionflow.Attribute, Object: "man", Value: "old", Count: 1},
		r{Kind: reflectionflow.Text, Object: "cup", Value: "A"},
		r{Kind: reflectionflow.Color, Object: "sofa", Color: "red", Count: 1}, // nothing is gained by a part that is nearly all
		r{Kind: reflectionflow.Style, Value: "sketch"},
	)
	if len(q.Images) != 3 || !strings.HasPrefix(q.Order, "iiit") {
		t.Fatalf("%d images in the order %s", len(q.Images), q.Order)
	}
	for _, want := range []string{
		`picture 2: "cup", for r2 and r4; its box is 0.23, 0.21, 0.32, 0.39`,
		`picture 3: "man", for r3; its box is 0.73, 0.71, 0.82, 0.89`,
		"Boxes in your answer are fractions of the first picture.",
	} {
		if !strings.Contains(q.Text, want) {
			t.Errorf("without %s:\n%s", want, q.Text)
		}
	}
	// 20 pixels with 8 on every side are 36, four times enlarged.
	for i, want := range []color.NRGBA{{255, 0, 0, 255}, {0, 0, 255, 255}} {
		crop := q.Images[1+i]
		if crop.Bounds().Dx() != 144 || crop.Bounds().Dy() != 144 {
			t.Errorf("crop %d is of %v", i, crop.Bounds())
		}
		if got := color.NRGBAModel.Convert(crop.At(72, 72)); got != want {
			t.Errorf("crop %d shows %v, want %v", i, got, want)
		}
		if got := color.NRGBAModel.Convert(crop.At(4, 4)); got != (color.NRGBA{128, 128, 128, 255}) {
			t.Errorf("around crop %d is %v", i, got)
		}
	}
}

// A crowd is shown whole where it is to be counted; with boxes the numbered picture is
// second. There are at most six crops, of at most 512 pixels.
func TestChatBoundsCrops(t *testing.T) {
	type r = reflectionflow.Requirement
	var crowd spotted
	for i := range 5 {
		crowd = append(crowd, at("bird", float64(20+20*i), 40, 15, 15))
	}
	crowd = append(crowd, at("bird", 25, 44, 15, 15))
	q := shownCrops(t, verifier.ChatOptions{Boxes: crowd, Crops: crowd}, r{Kind: reflectionflow.Exactly, Object: "bird", Count: 5})
	if len(q.Images) != 3 || !strings.Contains(q.Text, `picture 3: "all of bird", for r1; its box is 0.00, `) {
		t.Errorf("%d images with %s", len(q.Images), q.Text)
	}
	if q = shownCrops(t, verifier.ChatOptions{Crops: crowd[:2]}, r{Kind: reflectionflow.Exactly, Object: "bird", Count: 2}); len(q.Images) != 1 || strings.Contains(q.Text, "enlarged") {
		t.Errorf("two birds that are apart are shown in %d images", len(q.Images))
	}
	var many spotted
	var asked []r
	for i := range 20 {
		class := fmt.Sprintf("thing %d", i)
		many = append(many, at(class, float64(18*i), 20, 15, 170))
		asked = append(asked, r{Kind: reflectionflow.Attribute, Object: class, Value: "old", Count: 1})
	}
	q = shownCrops(t, verifier.ChatOptions{Crops: many}, asked...)
	if len(q.Images) != 7 {
		t.Errorf("%d images for 20 objects", len(q.Images))
	}
	for _, crop := range q.Images[1:] {
		if b := crop.Bounds(); max(b.Dx(), b.Dy()) > 512 || max(b.Dx(), b.Dy()) < 380 {
			t.Errorf("a crop of %v", b)
		}
	}
	// Boxes outside of the image and empty ones are no parts.
	q = shownCrops(t, verifier.ChatOptions{Crops: spotted{at("cup", 500, 50, 20, 20), at("cup", 50, 50, 0, 0), at("cup", -50, -50, 10, 10)}}, r{Kind: reflectionflow.Color, Object: "cup", Color: "red", Count: 1})
	if len(q.Images) != 1 {
		t.Errorf("%d images", len(q.Images))
	}
}
