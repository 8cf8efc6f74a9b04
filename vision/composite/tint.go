package composite

import "math"

// tint gives colored pixels another color and keeps their shading.
type tint struct {
	hue        float64 // in degrees
	saturation float64 // of a pixel that is as colored as the cut-out's color
	light      float64 // factor of the brightness
	lift       float64 // added to the brightness, 0 to 1
}

// tints are by the names of the colors.
var tints = map[string]tint{
	"red": {hue: 2, saturation: 0.9, light: 1.35, lift: 0.05}, "orange": {hue: 27, saturation: 0.95, light: 1.4, lift: 0.2}, "yellow": {hue: 54, saturation: 0.9, light: 1.4, lift: 0.3},
	"green": {hue: 125, saturation: 0.75, light: 1}, "blue": {hue: 220, saturation: 0.85, light: 1.15}, "purple": {hue: 282, saturation: 0.65, light: 1},
	"pink": {hue: 338, saturation: 0.42, light: 1.2, lift: 0.3}, "brown": {hue: 24, saturation: 0.7, light: 0.75},
	"black": {saturation: 0.05, light: 0.22}, "white": {saturation: 0.03, light: 0.6, lift: 0.5}, "gray": {saturation: 0.02, light: 0.8, lift: 0.05},
}

// Tints returns the colors that an [Item] can be tinted in: the eleven basic terms of English.
func Tints() []string {
	return []string{"black", "blue", "brown", "gray", "green", "orange", "pink", "purple", "red", "white", "yellow"}
}

// colored is the saturation from which on a pixel is of the object's color and not of a white, black or
// gray part.
const colored = 0.55

// apply tints a color of 0 to 255.
func (t tint) apply(rgb [3]float64) [3]float64 {
	high, low := max(rgb[0], rgb[1], rgb[2]), min(rgb[0], rgb[1], rgb[2])
	if high == 0 {
		return rgb
	}
	share := min(max(((high-low)/high-colored+0.15)/0.15, 0), 1) // from not at all to wholly colored
	value := min(max(high/255*t.light+t.lift, 0), 1)
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
