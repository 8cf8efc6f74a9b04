package verifier

import (
	"cmp"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"reflect"
	"slices"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"reflectionflow"
	"reflectionflow/chat"
)

// BoxDetector lists the objects of images, one list each, in order. The result for an image
// depends on that image alone.
type BoxDetector interface {
	Detect(ctx context.Context, images []image.Image) ([][]reflectionflow.Object, error)
}

// maxBoxes bounds the boxes that are shown of an image, the most confident first.
const maxBoxes = 20

// hints are what detectors saw: pictures to show after the image, and what they are.
type hints struct {
	pictures []image.Image
	text     string
}

// hinted asks the detectors about the images; nothing without one.
func (v *Chat) hinted(ctx context.Context, images []reflectionflow.PromptedImage) ([]hints, error) {
	list := make([]hints, len(images))
	boxes, err := seenBy(ctx, v.options.Boxes, images)
	if err != nil {
		return nil, err
	}
	closer := boxes
	if !sameDetector(v.options.Boxes, v.options.Crops) {
		if closer, err = seenBy(ctx, v.options.Crops, images); err != nil {
			return nil, err
		}
	}
	for i, p := range images {
		if v.options.Boxes != nil {
			list[i] = hintsOf(p.Image, boxes[i])
		}
		if v.options.Crops == nil {
			continue
		}
		if crops := cropsOf(p, closer[i], v.options.Crops); len(crops) > 0 {
			list[i].text += describe(crops, 2+len(list[i].pictures), p.Image.Bounds())
			for _, c := range crops {
				list[i].pictures = append(list[i].pictures, enlarged(p.Image, c.area))
			}
		}
	}
	return list, nil
}

// sameDetector reports whether one detector is both, which then looks once.
func sameDetector(a, b BoxDetector) bool {
	return a != nil && b != nil && reflect.TypeOf(a).Comparable() && reflect.TypeOf(b).Comparable() && a == b
}

// seenBy lists what a detector sees in the images, nil without one.
func seenBy(ctx context.Context, detector BoxDetector, images []reflectionflow.PromptedImage) ([][]reflectionflow.Object, error) {
	if detector == nil {
		return nil, nil
	}
	plain := make([]image.Image, len(images))
	for i, p := range images {
		plain[i] = p.Image
	}
	found, err := detector.Detect(ctx, plain)
	if err == nil && len(found) != len(images) {
		err = fmt.Errorf("the detector returned %d lists for %d images", len(found), len(images))
	}
	if err != nil {
		return nil, fmt.Errorf("detect objects for the question: %w", err)
	}
	return found, nil
}

func hintsOf(img image.Image, objects []reflectionflow.Object) hints {
	objects = slices.Clone(objects)
	slices.SortStableFunc(objects, func(a, b reflectionflow.Object) int { return cmp.Compare(b.Confidence, a.Confidence) })
	objects = objects[:min(len(objects), maxBoxes)]
	var text strings.Builder
	text.WriteString("\n\nA detector looked at the picture too. It knows few kinds of objects, misses small ones and can be wrong: use it to count and to find places, and trust your eyes.")
	if len(objects) == 0 {
		text.WriteString(" It found nothing that it knows.")
		return hints{nil, text.String()}
	}
	text.WriteString(" The second picture is the first with its boxes, numbered:\n")
	for i, o := range objects {
		name := strings.TrimSpace(o.Color + " " + o.Class)
		fmt.Fprintf(&text, "%d: %s, confidence %.2f, box %.2f, %.2f, %.2f, %.2f\n", i+1, chat.Quote(firstBytes(name, 64)), o.Confidence, o.Box[0], o.Box[1], o.Box[2], o.Box[3])
	}
	return hints{[]image.Image{numbered(img, objects)}, text.String()}
}

// boxColors are those of the boxes, in turn: bright ones, which photographs have little of.
var boxColors = []color.NRGBA{{255, 0, 255, 255}, {0, 255, 255, 255}, {255, 255, 0, 255}, {0, 255, 0, 255}, {255, 64, 64, 255}, {64, 128, 255, 255}}

// numbered is a copy of the image with the boxes and their numbers.
func numbered(img image.Image, objects []reflectionflow.Object) image.Image {
	b := img.Bounds()
	out := image.NewNRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(out, out.Rect, img, b.Min, draw.Src)
	thick := max(1, min(b.Dx(), b.Dy())/200)
	for i, o := range objects {
		c := boxColors[i%len(boxColors)]
		box := image.Rect(int(o.Box[0]*float64(b.Dx())), int(o.Box[1]*float64(b.Dy())), int(o.Box[2]*float64(b.Dx())), int(o.Box[3]*float64(b.Dy()))).Intersect(out.Rect)
		for _, side := range []image.Rectangle{
			{box.Min, image.Pt(box.Max.X, box.Min.Y+thick)},
			{image.Pt(box.Min.X, box.Max.Y-thick), box.Max},
			{box.Min, image.Pt(box.Min.X+thick, box.Max.Y)},
			{image.Pt(box.Max.X-thick, box.Min.Y), box.Max},
		} {
			draw.Draw(out, side, image.NewUniform(c), image.Point{}, draw.Src)
		}
		label(out, box.Min, fmt.Sprint(i+1), c, max(1, min(b.Dx(), b.Dy())/350))
	}
	return out
}

// label writes a number in black on a patch of the color, enlarged so many times.
func label(out *image.NRGBA, at image.Point, text string, c color.NRGBA, scale int) {
	face := basicfont.Face7x13
	small := image.NewNRGBA(image.Rect(0, 0, face.Advance*len(text)+2, face.Height))
	draw.Draw(small, small.Rect, image.NewUniform(c), image.Point{}, draw.Src)
	d := font.Drawer{Dst: small, Src: image.Black, Face: face, Dot: fixed.P(1, face.Ascent)}
	d.DrawString(text)
	// The patch stays inside of the image.
	at.X = max(0, min(at.X, out.Rect.Dx()-scale*small.Rect.Dx()))
	at.Y = max(0, min(at.Y, out.Rect.Dy()-scale*small.Rect.Dy()))
	for y := range scale * small.Rect.Dy() {
		for x := range scale * small.Rect.Dx() {
			if p := at.Add(image.Pt(x, y)); p.In(out.Rect) {
				out.SetNRGBA(p.X, p.Y, small.NRGBAAt(x/scale, y/scale))
			}
		}
	}
}
