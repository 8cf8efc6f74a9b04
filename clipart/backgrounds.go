package clipart

import (
	"image"
	"image/color"
	"slices"
)

// backgrounds are pastels: too pale to pass for one of the object colours, and
// dark enough for a white object to stand out.
var backgrounds = [...]color.NRGBA{
	{200, 214, 232, 255}, // sky
	{206, 226, 206, 255}, // mint
	{234, 214, 196, 255}, // peach
	{222, 206, 228, 255}, // lilac
	{230, 224, 194, 255}, // cream
	{208, 210, 214, 255}, // silver
	{196, 224, 224, 255}, // aqua
	{230, 204, 206, 255}, // rose
	{216, 224, 190, 255}, // lime
	{204, 204, 230, 255}, // lavender
}

// Backgrounds returns the plain colours a scene can stand on.
func Backgrounds() []color.NRGBA { return slices.Clone(backgrounds[:]) }

// backgroundReach is how far a pixel may be from a background's colour, in each
// channel, to count for it: generators do not meet it exactly.
const backgroundReach = 24

// BackgroundOf is the index in [Backgrounds] of the one that most pixels of a
// picture are close to; the first where none is.
func BackgroundOf(picture image.Image) int {
	var votes [len(backgrounds)]int
	bounds := picture.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			if i := closestBackground(color.NRGBAModel.Convert(picture.At(x, y)).(color.NRGBA)); i >= 0 {
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

// closestBackground is the background within reach of a pixel that is closest to
// it, -1 for none.
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
