package clipart

import (
	"image"
	"image/color"
	"slices"
)

// backgrounds are pastels of middle lightness: no object color is near them, and both black and
// white objects stand out.
var backgrounds = [...]color.NRGBA{
	{144, 158, 176, 255}, // sky
	{150, 170, 150, 255}, // mint
	{178, 158, 140, 255}, // peach
	{166, 150, 172, 255}, // lilac
	{174, 168, 138, 255}, // cream
	{152, 154, 158, 255}, // silver
	{140, 168, 168, 255}, // aqua
	{174, 148, 150, 255}, // rose
	{160, 168, 134, 255}, // lime
	{148, 148, 174, 255}, // lavender
}

// Backgrounds returns the background colors of scenes; [Scene.Background] is an index into them.
func Backgrounds() []color.NRGBA { return slices.Clone(backgrounds[:]) }

// backgroundReach is the largest difference per channel, of 255, between a pixel and the
// background color it counts for. Generators do not reproduce the colors exactly.
const backgroundReach = 24

// BackgroundOf returns the index in [Backgrounds] of the color that most pixels of an image are
// close to, or 0 if none is.
func BackgroundOf(img image.Image) int {
	var votes [len(backgrounds)]int
	bounds := img.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			if i := closestBackground(color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)); i >= 0 {
				votes[i]++
			}
		}
	}
	most := 0
	for i, n := range votes {
		if n > votes[most] {
			most = i
		}
	}
	return most
}

// closestBackground returns the background closest to a pixel within backgroundReach, or -1.
func closestBackground(pixel color.NRGBA) int {
	closest, least := -1, 0
	for i, b := range backgrounds {
		r, g, bl := apart(pixel.R, b.R), apart(pixel.G, b.G), apart(pixel.B, b.B)
		if max(r, g, bl) > backgroundReach {
			continue
		}
		if d := r*r + g*g + bl*bl; closest < 0 || d < least {
			closest, least = i, d
		}
	}
	return closest
}

func apart(a, b uint8) int { return max(int(a), int(b)) - min(int(a), int(b)) }
