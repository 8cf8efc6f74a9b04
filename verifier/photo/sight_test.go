package photo

import (
	"image"
	"image/color"
	"image/draw"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/photocases"
	"reflectionflow/requirements"
	"reflectionflow/vision/composite"
)

// What is painted over takes the colors beside it, row by row; the rest stays.
func TestPaint(t *testing.T) {
	img := image.NewGray(image.Rect(5, 5, 105, 55))
	draw.Draw(img, image.Rect(5, 5, 105, 30), image.NewUniform(color.Gray{200}), image.Point{}, draw.Src)
	draw.Draw(img, image.Rect(45, 15, 65, 45), image.White, image.Point{}, draw.Src)
	got := paint(img, [][4]float64{{0.4, 0.2, 0.6, 0.8}, {-0.2, 0.9, 1.2, 1.3}})
	for at, want := range map[image.Point]uint8{{50, 15}: 200, {50, 35}: 0, {10, 10}: 200, {10, 40}: 0, {50, 2}: 200, {50, 49}: 0} {
		if r, _, _, _ := got.At(at.X, at.Y).RGBA(); uint8(r>>8) != want {
			t.Errorf("%v: %d, want %d", at, r>>8, want)
		}
	}
	if got.Bounds() != image.Rect(0, 0, 100, 50) {
		t.Error(got.Bounds())
	}
}

// An image gets further looks while a requirement is open, at what may decide it: behind what is there where something is
// missing.
func TestNextLooks(t *testing.T) {
	dog := reflectionflow.Object{Class: "dog", Box: [4]float64{0.3, 0.3, 0.7, 0.7}, Confidence: 0.9}
	onSofa := reflectionflow.Prompt{Requirements: []reflectionflow.Requirement{one("dog"), one("couch")}}
	see := func(p reflectionflow.Prompt, found ...reflectionflow.Object) *sight {
		s := &sight{img: image.NewGray(image.Rect(0, 0, 100, 100)), prompt: p, asked: asks(p)}
		s.things = newThings(first, s.relevant(found), s.asked)
		return s
	}
	looks := see(onSofa, dog).next()
	if len(looks) != together || len(looks[0].painted) != 1 || !near(looks[0].painted[0], dog.Box) {
		t.Errorf("a dog and no sofa: %+v", looks)
	}
	s := see(onSofa, dog)
	s.looks = looks
	if again := s.next(); len(again) > 0 && len(again[0].painted) > 0 {
		t.Errorf("painted over twice: %+v", again)
	}
	sofa := reflectionflow.Object{Class: "couch", Box: [4]float64{0.05, 0.4, 0.95, 0.95}, Confidence: 0.95}
	dog.Confidence = 0.98
	if looks := see(onSofa, dog, sofa).next(); len(looks) != 0 {
		t.Errorf("both are there: %+v", looks)
	}
}

// What a painting shows behind a thing is one more thing, and the thing itself stays as it was seen.
func TestSeenBehind(t *testing.T) {
	p := reflectionflow.Prompt{Requirements: []reflectionflow.Requirement{one("dog"), one("couch")}}
	s := &sight{img: image.NewGray(image.Rect(0, 0, 100, 100)), prompt: p, asked: asks(p)}
	dog := reflectionflow.Object{Class: "dog", Box: [4]float64{0.3, 0.3, 0.7, 0.7}, Confidence: 0.9}
	s.things = newThings(first, []reflectionflow.Object{dog}, s.asked)
	before := s.things[0].objects()[0].Confidence
	s.add(look{part: first.part, painted: [][4]float64{dog.Box}}, []reflectionflow.Object{
		{Class: "couch", Box: [4]float64{0.05, 0.3, 0.95, 0.95}, Confidence: 0.4}, {Class: "cat", Box: dog.Box, Confidence: 0.3},
	})
	if len(s.things) != 2 || s.things[0].objects()[0].Confidence != before || s.things[1].objects()[0].Class != "couch" {
		t.Errorf("%+v", objectsOf(s.things))
	}
}

// BenchmarkSearches verifies the images of the searches of TestSearches: a right one and the wrong ones of each.
func BenchmarkSearches(b *testing.B) {
	v, cuts := verifier(b), composite.CutOuts()
	var images []reflectionflow.PromptedImage
	for i, c := range photocases.Cases(29, 13, cuts) {
		prompt, err := requirements.Parse(c.Prompt)
		if err != nil {
			b.Fatal(err)
		}
		for n, shot := range append(c.Wrong, c.Right) {
			img, _ := shot.Render(uint64(100*i+n), cuts)
			images = append(images, reflectionflow.PromptedImage{Prompt: prompt, Image: img})
		}
	}
	for b.Loop() {
		for i := range images {
			if _, err := v.Verify(b.Context(), images[i:i+1]); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1e3/float64(b.N*len(images)), "ms/image")
}
