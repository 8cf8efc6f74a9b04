// Package openvocab finds what GenEval's prompts ask for with a detector of any phrase, and names colors by an
// image-text network, as GenEval does on the boxes of its own detector. Its detections are judged by GenEval's rules
// ([geneval.BySearch]). The networks differ from GenEval's and there are no masks, so results are not GenEval's scores.
package openvocab

import (
	"context"
	"fmt"
	"image"
	"image/draw"
	"slices"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/geneval"
	"reflectionflow/vision/clip"
)

// Boxes finds the objects that phrases name; [owlv2.Detector] implements it.
type Boxes interface {
	Detect(ctx context.Context, images []image.Image, phrases []string) ([][]reflectionflow.Object, error)
}

// Texts compares images with texts; [clip.Model] implements it.
type Texts interface {
	Images(ctx context.Context, images []image.Image) ([][]float32, error)
	Texts(ctx context.Context, texts []string) ([][]float32, error)
}

// Thresholds suit OWLv2, whose confidences are lower than those of GenEval's detector. They come from what others use
// and are not fitted.
func Thresholds() geneval.Thresholds { return geneval.Thresholds{Score: 0.2, Counting: 0.3} }

// Searcher looks for the classes of prompts. It implements [geneval.Searcher].
type Searcher struct {
	Boxes Boxes
	Texts Texts
}

// Search implements [geneval.Searcher]. Only objects whose color a prompt names have a color.
func (s Searcher) Search(ctx context.Context, cases []geneval.Case) ([][]reflectionflow.Object, error) {
	found := make([][]reflectionflow.Object, len(cases))
	for i, c := range cases {
		objects, err := s.search(ctx, c)
		if err != nil {
			return nil, err
		}
		found[i] = objects
	}
	return found, ctx.Err()
}

func (s Searcher) search(ctx context.Context, c geneval.Case) ([]reflectionflow.Object, error) {
	var classes, colored []string
	for _, x := range c.Metadata.Include {
		classes = append(classes, x.Class)
		if x.Color != "" {
			colored = append(colored, x.Class)
		}
	}
	for _, x := range c.Metadata.Exclude {
		classes = append(classes, x.Class)
	}
	slices.Sort(classes)
	found, err := s.Boxes.Detect(ctx, []image.Image{c.Image}, slices.Compact(classes))
	if err != nil {
		return nil, err
	}
	counts := Thresholds().Keep(c.Metadata.Tag, found[0])
	for i, o := range found[0] {
		if slices.Contains(colored, o.Class) && slices.Contains(counts[o.Class], o) {
			if found[0][i].Color, err = s.color(ctx, c.Image, o); err != nil {
				return nil, err
			}
		}
	}
	return found[0], nil
}

// inset is the part of a box that is left out at each side, as most of it shows what is behind the object. GenEval
// paints over what is outside its masks.
const inset = 0.075

// color is the color of [clipart.Colors] that fits what the box shows best: each is the mean of three wordings
// (GenEval's evaluate_images.py, ZeroShotClassification).
func (s Searcher) color(ctx context.Context, img image.Image, o reflectionflow.Object) (string, error) {
	shown, err := s.Texts.Images(ctx, []image.Image{crop(img, o.Box)})
	if err != nil {
		return "", fmt.Errorf("name the color of a %s: %w", o.Class, err)
	}
	best, fit := "", -2.0
	for _, color := range clipart.Colors() {
		vectors, err := s.Texts.Texts(ctx, []string{"a photo of a " + color + " " + o.Class, "a photo of a " + color + "-colored " + o.Class, "a photo of a " + color + " object"})
		if err != nil {
			return "", fmt.Errorf("name the color of a %s: %w", o.Class, err)
		}
		if f := clip.Cosine(shown[0], clip.Mean(vectors)); f > fit {
			best, fit = color, f
		}
	}
	return best, nil
}

// crop copies what a box shows, less the inset, and at least a pixel.
func crop(img image.Image, box [4]float64) image.Image {
	b := img.Bounds()
	w, h := box[2]-box[0], box[3]-box[1]
	side := func(from, to float64, n int) (low, high int) {
		low = min(max(int(from*float64(n)), 0), n-1)
		return low, max(min(int(to*float64(n)+0.5), n), low+1)
	}
	left, right := side(box[0]+inset*w, box[2]-inset*w, b.Dx())
	top, bottom := side(box[1]+inset*h, box[3]-inset*h, b.Dy())
	part := image.NewRGBA(image.Rect(0, 0, right-left, bottom-top))
	draw.Draw(part, part.Rect, img, b.Min.Add(image.Pt(left, top)), draw.Src)
	return part
}
