// Package composite renders photographs of known content, from objects that were cut out of
// photographs: what a detector of photographs is tried on where no labeled photograph is at hand.
//
//	scene := composite.Scene{Seed: 1, Items: []composite.Item{{CutOut: cup, Center: [2]float64{0.3, 0.6}, Height: 0.4}}}
//	img, objects := scene.Render(512, 512)
//
// [CutOuts] are embedded; [Read] reads others from files. The same scene gives the same pixels.
package composite

import (
	"bytes"
	"embed"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"math"
	"math/rand/v2"
	"path"
	"strings"

	"reflectionflow"
)

// CutOut is an object that was cut out of a photograph.
type CutOut struct {
	Name  string // of the photograph
	Class string // GenEval's name of its class
	Color string // its color, where people would name one
	// Cut says that the lower edge is where the photograph ended, as of a bust: it belongs at the lower edge of a scene.
	Cut   bool
	Image *image.NRGBA
}

//go:embed cutouts/*.png
var files embed.FS

// CutOuts returns the embedded cut-outs: persons, animals, cups, scissors, a chair, a volleyball, and a red sofa, which is a
// rendering. README.md names them and their sources.
func CutOuts() []CutOut {
	list := []CutOut{
		{Name: "cutouts/cat.png", Class: "cat", Cut: true},
		{Name: "cutouts/cup.png", Class: "cup"},
		{Name: "cutouts/astronaut.png", Class: "person", Cut: true},
		{Name: "cutouts/officer.png", Class: "person", Cut: true},
		{Name: "cutouts/walker.png", Class: "person"},
		{Name: "cutouts/dog.png", Class: "dog"},
		{Name: "cutouts/dog2.png", Class: "dog"},
		{Name: "cutouts/horse.png", Class: "horse", Color: "white"},
		{Name: "cutouts/horse2.png", Class: "horse", Color: "white"},
		{Name: "cutouts/bird.png", Class: "bird"},
		{Name: "cutouts/giraffe.png", Class: "giraffe"},
		{Name: "cutouts/ball.png", Class: "sports ball"},
		{Name: "cutouts/couch.png", Class: "couch", Color: "red"},
		{Name: "cutouts/cow.png", Class: "cow"},
		{Name: "cutouts/dog3.png", Class: "dog"},
		{Name: "cutouts/duck.png", Class: "bird", Color: "white"},
		{Name: "cutouts/sheep.png", Class: "sheep", Color: "white"},
		{Name: "cutouts/bear.png", Class: "bear", Color: "white"},
		{Name: "cutouts/macaw.png", Class: "bird"},
		{Name: "cutouts/kingfisher.png", Class: "bird"},
		{Name: "cutouts/chair.png", Class: "chair", Color: "white"},
		{Name: "cutouts/cup2.png", Class: "cup"},
		{Name: "cutouts/cup3.png", Class: "cup", Color: "white"},
		{Name: "cutouts/scissors1.png", Class: "scissors"},
		{Name: "cutouts/scissors2.png", Class: "scissors"},
		{Name: "cutouts/scissors3.png", Class: "scissors"},
		{Name: "cutouts/scissors4.png", Class: "scissors"},
	}
	for i := range list {
		read, err := Read(files, list[i])
		if err != nil {
			panic(err) // the files are part of this binary
		}
		list[i] = read
	}
	return list
}

// maxSide bounds a cut-out.
const maxSide = 4096

// Read reads the image of a cut-out, a PNG with transparent surroundings, from the file of its name.
// The error wraps [reflectionflow.ErrInvalid].
func Read(fsys fs.FS, c CutOut) (CutOut, error) {
	data, err := fs.ReadFile(fsys, c.Name)
	if err != nil {
		return c, fmt.Errorf("%w: cut-out: %v", reflectionflow.ErrInvalid, err)
	}
	size, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil || size.Width > maxSide || size.Height > maxSide {
		return c, fmt.Errorf("%w: cut-out %s: not a PNG of at most %d pixels a side", reflectionflow.ErrInvalid, c.Name, maxSide)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return c, fmt.Errorf("%w: cut-out %s: %v", reflectionflow.ErrInvalid, c.Name, err)
	}
	c.Name = strings.TrimSuffix(path.Base(c.Name), ".png")
	bounds := img.Bounds()
	c.Image = image.NewNRGBA(image.Rect(0, 0, bounds.Dx(), bounds.Dy()))
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			c.Image.Set(x, y, img.At(bounds.Min.X+x, bounds.Min.Y+y))
		}
	}
	return c, nil
}

// Item is a cut-out in a scene.
type Item struct {
	CutOut CutOut
	// Center and Height are fractions of the image's sides.
	Center [2]float64
	Height float64
	Mirror bool
	// Color tints what is colored in the cut-out; empty leaves it as it is. See [Tints].
	Color string
}

// Scene is a room, or a field under the sky, with items, the first one in the back.
type Scene struct {
	Items    []Item
	Outdoors bool   // a field
	Seed     uint64 // of the surroundings' colors and grain
}

// Render returns the image and the objects that are in it, in the order of the items. An item that
// others hide by half or more is not among the objects.
func (s Scene) Render(width, height int) (*image.NRGBA, []reflectionflow.Object) {
	rng := rand.New(rand.NewPCG(s.Seed, 0x636f6d706f73))
	c := newCanvas(width, height)
	if s.Outdoors {
		c.field(rng)
	} else {
		c.room(rng)
	}
	var placed []placement
	for i, item := range s.Items {
		p := place(item, width, height)
		c.shadow(p)
		c.paste(p, i)
		placed = append(placed, p)
	}
	var objects []reflectionflow.Object
	visible := c.visible(len(placed))
	for i, p := range placed {
		if 2*visible[i] >= p.area {
			objects = append(objects, p.object(width, height))
		}
	}
	return c.image(rng), objects
}

// Alone returns the cut-out in the middle of a plain square of a side, three fifths of it high and at most as wide, in a color
// of [Tints] or, for "", its own.
func (c CutOut) Alone(side int, tint string, ground color.NRGBA) *image.NRGBA {
	size := c.Image.Bounds().Size()
	height := 0.6 * min(1, float64(size.Y)/float64(size.X))
	p := place(Item{CutOut: c, Center: [2]float64{0.5, 0.5}, Height: height, Color: tint}, side, side)
	img := newCanvas(side, side)
	for i := range img.pixels {
		img.pixels[i] = [3]float64{float64(ground.R), float64(ground.G), float64(ground.B)}
	}
	img.paste(p, 0)
	return img.image(rand.New(rand.NewPCG(0, 0)))
}

// placement is an item in pixels.
type placement struct {
	item       Item
	x, y, w, h float64
	bounds     image.Rectangle // of the pixels that it reaches
	colors     [][3]float64    // of these, row by row
	opacity    []float64
	area       int // number of pixels that it would cover alone
}

func place(item Item, width, height int) placement {
	size := item.CutOut.Image.Bounds()
	h := item.Height * float64(height)
	w := h * float64(size.Dx()) / float64(size.Dy())
	p := placement{item: item, x: item.Center[0]*float64(width) - w/2, y: item.Center[1]*float64(height) - h/2, w: w, h: h}
	p.bounds = image.Rect(int(p.x), int(p.y), int(p.x+p.w)+1, int(p.y+p.h)+1).Intersect(image.Rect(0, 0, width, height))
	for y := p.bounds.Min.Y; y < p.bounds.Max.Y; y++ {
		for x := p.bounds.Min.X; x < p.bounds.Max.X; x++ {
			rgb, a := p.sample(x, y)
			p.colors, p.opacity = append(p.colors, rgb), append(p.opacity, a)
			if a >= 0.5 {
				p.area++
			}
		}
	}
	return p
}

func (p placement) object(width, height int) reflectionflow.Object {
	fraction := func(v float64, of int) float64 { return min(max(v/float64(of), 0), 1) }
	color := p.item.Color
	if color == "" {
		color = p.item.CutOut.Color
	}
	return reflectionflow.Object{
		Class: p.item.CutOut.Class, Color: color, Confidence: 1,
		Box: [4]float64{fraction(p.x, width), fraction(p.y, height), fraction(p.x+p.w, width), fraction(p.y+p.h, height)},
	}
}

// sample is the color of the cut-out at a pixel of the image, and its opacity: the mean over the pixel.
func (p placement) sample(x, y int) (rgb [3]float64, alpha float64) {
	const points = 3 // per side
	img := p.item.CutOut.Image
	bounds := img.Bounds()
	for j := range points {
		for i := range points {
			u := (float64(x) + (float64(i)+0.5)/points - p.x) / p.w
			v := (float64(y) + (float64(j)+0.5)/points - p.y) / p.h
			if u < 0 || u >= 1 || v < 0 || v >= 1 {
				continue
			}
			if p.item.Mirror {
				u = 1 - u
			}
			c := img.NRGBAAt(bounds.Min.X+min(int(u*float64(bounds.Dx())), bounds.Dx()-1), bounds.Min.Y+min(int(v*float64(bounds.Dy())), bounds.Dy()-1))
			a := float64(c.A) / 255
			alpha += a
			for k, value := range [3]uint8{c.R, c.G, c.B} {
				rgb[k] += a * float64(value)
			}
		}
	}
	if alpha > 0 {
		for k := range rgb {
			rgb[k] /= alpha
		}
	}
	return rgb, math.Min(alpha/(points*points), 1)
}
