package clipart

import (
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
