package composite

import "math"

// tint gives colored pixels another color and keeps their shading.
type tint struct {
	hue        float64 // in degrees
	saturation float64
	light      float64 // the mean brightness, 0 to 1
}

// tints are by the names of the colors.
var tints = map[string]tint{
	"red": {hue: 2, saturation: 0.85, light: 0.68}, "orange": {hue: 27, saturation: 0.88, light: 0.85}, "yellow": {hue: 52, saturation: 0.8, light: 0.84},
	"green": {hue: 125, saturation: 0.65, light: 0.5}, "blue": {hue: 220, saturation: 0.75, light: 0.6}, "purple": {hue: 282, saturation: 0.55, light: 0.52},
	"pink": {hue: 338, saturation: 0.42, light: 0.84}, "brown": {hue: 24, saturation: 0.68, light: 0.4},
	"black": {saturation: 0.05, light: 0.13}, "white": {saturation: 0.03, light: 0.86}, "gray": {saturation: 0.02, light: 0.5},
}

// Tints returns the colors that an [Item] can be tinted in: the eleven basic terms of English.
func Tints() []string {
	return []string{"black", "blue", "brown", "gray", "green", "orange", "pink", "purple", "red", "white", "yellow"}
}

// colored is the saturation from which on a pixel is of the object's color and not of a white, black or
// gray part.
const colored = 0.55

// Tintable reports whether a third of the cut-out or more takes a color.
func (c CutOut) Tintable() bool {
	all, taking := 0, 0.0
	for i := 0; i < len(c.Image.Pix); i += 4 {
		if c.Image.Pix[i+3] < 128 {
			continue
		}
		all++
		taking += takes([3]float64{float64(c.Image.Pix[i]), float64(c.Image.Pix[i+1]), float64(c.Image.Pix[i+2])})
	}
	return 3*taking >= float64(all)
}

// takes is how much of a tint a color of 0 to 255 takes, from not at all to wholly.
func takes(rgb [3]float64) float64 {
	high, low := max(rgb[0], rgb[1], rgb[2]), min(rgb[0], rgb[1], rgb[2])
	if high == 0 {
		return 0
	}
	return min(max(((high-low)/high-colored+0.15)/0.15, 0), 1)
}

// brightness is the mean brightness, 0 to 1, of the parts of a cut-out that take a color.
func (c CutOut) brightness() float64 {
	sum, taking := 0.0, 0.0
	for i := 0; i < len(c.Image.Pix); i += 4 {
		rgb := [3]float64{float64(c.Image.Pix[i]), float64(c.Image.Pix[i+1]), float64(c.Image.Pix[i+2])}
		share := takes(rgb) * float64(c.Image.Pix[i+3]) / 255
		sum, taking = sum+share*max(rgb[0], rgb[1], rgb[2])/255, taking+share
	}
	return sum / max(taking, 1e-9)
}

// apply tints a color of 0 to 255 of a cut-out of a brightness.
func (t tint) apply(rgb [3]float64, brightness float64) [3]float64 {
	share, high := takes(rgb), max(rgb[0], rgb[1], rgb[2])
	value := softened(t.light * high / 255 / max(brightness, 0.05))
	var to [3]float64
	for k, offset := range [3]float64{5, 3, 1} {
		at := math.Mod(offset+t.hue/60, 6)
		to[k] = 255 * value * (1 - t.saturation*max(0, min(at, 4-at, 1)))
	}
	for k := range rgb {
		rgb[k] = (1-share)*rgb[k] + share*to[k]
	}
	return rgb
}

// softened bounds a brightness by 1, and keeps the shading of what is bright.
func softened(v float64) float64 {
	const knee = 0.8
	if v <= knee {
		return max(v, 0)
	}
	return 1 - (1-knee)*math.Exp((knee-v)/(1-knee))
}
