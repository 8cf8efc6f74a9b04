package verifier

import (
	"cmp"
	"fmt"
	"image"
	"slices"
	"strings"

	"golang.org/x/image/draw"

	"reflectionflow"
	"reflectionflow/chat"
)

// Bounds of the parts of an image that are shown enlarged.
const (
	maxCrops       = 6   // of an image
	cropsEach      = 2   // for a requirement
	cropPadding    = 0.2 // of the box's longer side, on every side
	leastPadding   = 8   // pixels
	largestPart    = 0.6 // of the image's area: more is seen as well without
	cropUpTo       = 384 // pixels: a smaller part is enlarged until its longest side has them
	largestZoom    = 4.0
	largestCrop    = 512 // pixels of the longest side
	sameCrop       = 0.8 // intersection over union of parts that are shown once
	crowdedFrom    = 4   // objects of a class
	crowdedOverlap = 0.2 // intersection over union of two objects of a class
)

// classNamer is an optional ability of a [BoxDetector]: to say as what it lists a noun.
type classNamer interface {
	Class(noun string) (name string, whole, known bool)
}

// crop is a part of an image and what it is shown for.
type crop struct {
	area  image.Rectangle
	names []string // of the objects in it
	ids   []string // of the requirements
}

// cropsOf chooses the parts of an image to enlarge: the objects of which a color, an
// attribute or a text is asked, and crowds that are to be counted, as far as the detector
// located them.
func cropsOf(p reflectionflow.PromptedImage, objects []reflectionflow.Object, detector BoxDetector) []crop {
	b := p.Image.Bounds()
	var list []crop
	add := func(i int, name string, box image.Rectangle) {
		area := padded(box, b)
		if area.Empty() || float64(area.Dx()*area.Dy()) > largestPart*float64(b.Dx()*b.Dy()) {
			return
		}
		for k := range list {
			if overlapOf(list[k].area, area) >= sameCrop {
				list[k].names, list[k].ids = include(list[k].names, name), include(list[k].ids, itemID(i))
				return
			}
		}
		if len(list) < maxCrops {
			list = append(list, crop{area, []string{name}, []string{itemID(i)}})
		}
	}
	for i, r := range p.Prompt.Requirements {
		located := locatedOf(r.Object, objects, detector)
		if len(located) == 0 {
			continue
		}
		name := strings.TrimSpace(r.Color + " " + r.Object)
		switch r.Kind {
		case reflectionflow.Color, reflectionflow.Attribute, reflectionflow.Text:
			for _, o := range located[:min(len(located), cropsEach)] {
				add(i, r.Object, pixelsOf(o.Box, b))
			}
		case reflectionflow.Exactly, reflectionflow.AtLeast, reflectionflow.AtMost:
			switch {
			case crowded(located, b):
				var all image.Rectangle
				for _, o := range located {
					all = all.Union(pixelsOf(o.Box, b))
				}
				add(i, "all of "+name, all)
			case r.Color != "":
				for _, o := range located[:min(len(located), cropsEach)] {
					add(i, r.Object, pixelsOf(o.Box, b))
				}
			}
		}
	}
	return list
}

// locatedOf lists the objects that a noun names, the most confident first.
func locatedOf(noun string, objects []reflectionflow.Object, detector BoxDetector) []reflectionflow.Object {
	class := strings.ToLower(noun)
	if named, ok := detector.(classNamer); ok {
		if name, _, known := named.Class(noun); known {
			class = name
		}
	}
	var list []reflectionflow.Object
	for _, o := range objects {
		if noun != "" && strings.EqualFold(o.Class, class) {
			list = append(list, o)
		}
	}
	slices.SortStableFunc(list, func(a, b reflectionflow.Object) int { return cmp.Compare(b.Confidence, a.Confidence) })
	return list
}

// crowded reports whether objects of a class are so many or so close that they are counted
// wrongly at a glance.
func crowded(objects []reflectionflow.Object, bounds image.Rectangle) bool {
	if len(objects) >= crowdedFrom {
		return true
	}
	for i, a := range objects {
		for _, b := range objects[:i] {
			if overlapOf(pixelsOf(a.Box, bounds), pixelsOf(b.Box, bounds)) >= crowdedOverlap {
				return true
			}
		}
	}
	return false
}

// pixelsOf is a box, which has fractions of the sides, in an image.
func pixelsOf(box [4]float64, b image.Rectangle) image.Rectangle {
	w, h := float64(b.Dx()), float64(b.Dy())
	return image.Rect(int(box[0]*w), int(box[1]*h), int(box[2]*w+0.5), int(box[3]*h+0.5)).Add(b.Min).Intersect(b)
}

// padded is a box with some of what is around it.
func padded(box, bounds image.Rectangle) image.Rectangle {
	if box.Empty() {
		return box
	}
	return box.Inset(-max(leastPadding, int(cropPadding*float64(max(box.Dx(), box.Dy()))))).Intersect(bounds)
}

// overlapOf is the intersection over union of two rectangles.
func overlapOf(a, b image.Rectangle) float64 {
	area := func(r image.Rectangle) float64 { return float64(r.Dx()) * float64(r.Dy()) }
	both := area(a.Intersect(b))
	if both == 0 {
		return 0
	}
	return both / (area(a) + area(b) - both)
}

func include(list []string, text string) []string {
	if slices.Contains(list, text) {
		return list
	}
	return append(list, text)
}

// enlarged is a part of an image, at a size that a model sees well.
func enlarged(img image.Image, area image.Rectangle) image.Image {
	longest := float64(max(area.Dx(), area.Dy()))
	scale := min(max(1, min(cropUpTo/longest, largestZoom)), largestCrop/longest)
	out := image.NewNRGBA(image.Rect(0, 0, max(1, int(float64(area.Dx())*scale+0.5)), max(1, int(float64(area.Dy())*scale+0.5))))
	draw.CatmullRom.Scale(out, out.Rect, img, area, draw.Src, nil)
	return out
}

// describe lists the parts, of which the first is shown as picture number first.
func describe(crops []crop, first int, bounds image.Rectangle) string {
	var text strings.Builder
	text.WriteString("\n\nParts of the first picture follow, enlarged, for what needs a closer look:\n")
	for i, c := range crops {
		a := c.area.Sub(bounds.Min)
		w, h := float64(bounds.Dx()), float64(bounds.Dy())
		fmt.Fprintf(&text, "picture %d: %s, for %s; its box is %.2f, %.2f, %.2f, %.2f\n", first+i, chat.Quote(firstBytes(strings.Join(c.names, ", "), 128)), strings.Join(c.ids, " and "),
			float64(a.Min.X)/w, float64(a.Min.Y)/h, float64(a.Max.X)/w, float64(a.Max.Y)/h)
	}
	text.WriteString("Boxes in your answer are fractions of the first picture.")
	return text.String()
}
