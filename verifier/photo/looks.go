package photo

import (
	"context"
	"image"
	"image/color"
	"slices"

	"reflectionflow"
)

// Of objects whose number is asked, the detector takes more looks: at the mirrored image, and closer at
// where the objects are. The number is the mean of what the looks say. Where objects hide one another,
// looks differ, so that a number is seldom met.
const (
	// clear is the probability from which on the closer look includes an object.
	clear = 0.3
	// aside is the part of its sides that the closer look adds on each side.
	aside = 0.12
	// closest is how many classes of an image are looked at closer.
	closest = 3
)

// lookAgain adds the further looks at the scenes of images.
func (v *Verifier) lookAgain(ctx context.Context, images []reflectionflow.PromptedImage, scenes []*scene) error {
	type look struct {
		of    *scene
		class string // empty for all
	}
	var looks []look
	var views []reflectionflow.PromptedImage
	for i, p := range images {
		s := scenes[i]
		classes := s.counted(p.Prompt)
		if len(classes) == 0 {
			continue
		}
		looks, views = append(looks, look{of: s}), append(views, reflectionflow.PromptedImage{Prompt: p.Prompt, Image: newView(p.Image, p.Image.Bounds(), true)})
		for _, class := range classes {
			if part, ok := s.around(class); ok {
				looks, views = append(looks, look{s, class}), append(views, reflectionflow.PromptedImage{Prompt: p.Prompt, Image: newView(p.Image, part, false)})
			}
		}
	}
	if len(views) == 0 {
		return nil
	}
	found, err := v.finder.Find(ctx, views)
	if err != nil {
		return err
	}
	for i, l := range looks {
		seen := newScene(v.rules, views[i].Image, found[i])
		classes := []string{l.class}
		if l.class == "" {
			classes = l.of.counted(views[i].Prompt)
		}
		for _, class := range classes {
			l.of.again[class] = append(l.of.again[class], seen)
		}
	}
	return nil
}

// counted lists the classes of objects whose number a prompt asks for, the first ones.
func (s *scene) counted(p reflectionflow.Prompt) (classes []string) {
	for _, r := range p.Requirements {
		if !numbered(r) || !s.judges(r) {
			continue
		}
		if class, _, _ := s.class(r.Object); !slices.Contains(classes, class) && len(classes) < closest {
			classes = append(classes, class)
		}
	}
	return classes
}

// around is the part of the image with the objects of a class that are there, and a margin.
func (s *scene) around(class string) (image.Rectangle, bool) {
	box := [4]float64{1, 1, 0, 0}
	for _, o := range s.objects {
		if o.class == class && o.present >= clear {
			box = [4]float64{min(box[0], o.box[0]), min(box[1], o.box[1]), max(box[2], o.box[2]), max(box[3], o.box[3])}
		}
	}
	x, y := aside*(box[2]-box[0]), aside*(box[3]-box[1])
	bounds := s.img.Bounds()
	at := func(low, size int, part float64) int { return low + int(min(max(part, 0), 1)*float64(size)) }
	part := image.Rect(
		at(bounds.Min.X, bounds.Dx(), box[0]-x), at(bounds.Min.Y, bounds.Dy(), box[1]-y),
		at(bounds.Min.X, bounds.Dx(), box[2]+x), at(bounds.Min.Y, bounds.Dy(), box[3]+y))
	return part, box[0] < box[2] && !part.Empty()
}

// numbers are the probabilities that there are 0 to most objects of a noun's class in a color, and, last,
// more: the mean over all looks.
func (s *scene) numbers(noun, color string) []float64 {
	at := s.rules.numbers(s.of(noun), color)
	class, _, _ := s.class(noun)
	looks := s.again[class]
	for _, look := range looks {
		for i, p := range look.rules.numbers(look.of(noun), color) {
			at[i] += p
		}
	}
	for i := range at {
		at[i] /= float64(1 + len(looks))
	}
	return at
}

// view is a part of an image, or its mirror image, without a copy.
type view struct {
	whole  image.Image
	deep   image.RGBA64Image // whole, where it is one
	part   image.Rectangle
	mirror bool
}

func newView(whole image.Image, part image.Rectangle, mirror bool) image.Image {
	v := view{whole: whole, part: part, mirror: mirror}
	v.deep, _ = whole.(image.RGBA64Image)
	return v
}

// Bounds implements [image.Image].
func (v view) Bounds() image.Rectangle { return v.part }

// ColorModel implements [image.Image].
func (v view) ColorModel() color.Model { return v.whole.ColorModel() }

// At implements [image.Image].
func (v view) At(x, y int) color.Color { return v.whole.At(v.column(x), y) }

// RGBA64At implements [image.RGBA64Image].
func (v view) RGBA64At(x, y int) color.RGBA64 {
	if v.deep != nil {
		return v.deep.RGBA64At(v.column(x), y)
	}
	r, g, b, a := v.whole.At(v.column(x), y).RGBA()
	return color.RGBA64{R: uint16(r), G: uint16(g), B: uint16(b), A: uint16(a)}
}

// column is where the column x of the view is in the image.
func (v view) column(x int) int {
	if v.mirror {
		return v.part.Min.X + v.part.Max.X - 1 - x
	}
	return x
}
