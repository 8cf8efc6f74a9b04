package clipart

import "slices"

// colorNames are GenEval's ten colors; ramps has the same order.
var colorNames = [...]string{"red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white"}

// Colors returns GenEval's ten color names.
func Colors() []string { return slices.Clone(colorNames[:]) }

// colorIndex is the index of a color in [Colors], or -1.
func colorIndex(name string) int { return slices.Index(colorNames[:], name) }

// Ramp returns the colors, from 0 to 255, of shadow, body and highlight of a tinted drawing: every
// texel is a mix of two neighboring ones. Of a color that is none of [Colors] all are 0.
func Ramp(color string) (stops [3][3]uint8) {
	if i := colorIndex(color); i >= 0 {
		stops = rampStops[i]
	}
	return stops
}

// rampStops are the colors of shadow, body and highlight of a tinted drawing. Any mix within a row
// must be called by the name of the row: dark orange and dark yellow stay light enough not to be
// brown, and white, which cannot get lighter, has gray as shadow and highlight.
var rampStops = [len(colorNames)][3][3]uint8{
	{{96, 0, 10}, {222, 28, 34}, {255, 150, 145}},
	{{170, 72, 0}, {247, 132, 18}, {255, 204, 138}},
	{{188, 142, 4}, {250, 215, 28}, {255, 246, 165}},
	{{0, 66, 18}, {38, 166, 60}, {168, 232, 164}},
	{{6, 22, 100}, {34, 90, 222}, {155, 198, 255}},
	{{46, 6, 84}, {132, 50, 182}, {212, 165, 242}},
	{{150, 26, 92}, {255, 120, 182}, {255, 210, 232}},
	{{46, 20, 6}, {126, 72, 34}, {204, 156, 112}},
	{{0, 0, 0}, {34, 34, 37}, {112, 112, 118}},
	{{116, 121, 130}, {247, 248, 250}, {200, 205, 213}},
}

// ramps maps a tone (0 shadow, 128 body, 255 highlight) to packed RGB lanes.
var ramps = buildRamps()

func buildRamps() (tables [len(colorNames)][256]uint64) {
	for c, stops := range rampStops {
		for tone := range 256 {
			from, to, part, whole := stops[0], stops[1], tone, 128
			if tone > 128 {
				from, to, part, whole = stops[1], stops[2], tone-128, 127
			}
			var lanes uint64
			for k := range 3 {
				v := (int(from[k])*(whole-part) + int(to[k])*part + whole/2) / whole
				lanes |= uint64(v) << (16 * k)
			}
			tables[c][tone] = lanes
		}
	}
	return tables
}

// luminance is the Rec. 709 luma of an sRGB color, from 0 to 255.
func luminance(r, g, b uint8) int {
	return (54*int(r) + 183*int(g) + 19*int(b) + 128) >> 8
}

// minToneSpan is the least luminance range that is stretched to half a ramp; it keeps small
// differences in flat drawings from becoming stripes.
const minToneSpan = 70

// The tones of most of a drawing stay within broadSpan of the body tone, where every ramp is still
// called by its name. Only outlines and highlights, the darkest and the lightest rarePercent of
// its area, use the ends of the ramp.
const (
	broadSpan   = 56
	rarePercent = 12
)

// toneTable maps the luminance of a drawing to tones, given the histogram of its opaque texels.
// The median becomes the body tone, so that the tint's main color covers most of every drawing.
// The map never decreases.
func toneTable(histogram *[256]int) (tones [256]uint8) {
	total := 0
	for _, n := range histogram {
		total += n
	}
	total = max(total, 1)
	median := quantile(histogram, total, 50)
	low := min(quantile(histogram, total, 5), median-minToneSpan)
	high := max(quantile(histogram, total, 95), median+minToneSpan)
	below := 0
	for l, n := range histogram {
		rank := (below + n/2) * 100 / total // of the middle texel of this luminance
		below += n
		if l <= median {
			t := 128 - (median-l)*128/(median-low)
			tones[l] = uint8(max(0, t, 128-reach(rank)))
		} else {
			t := 128 + (l-median)*127/(high-median)
			tones[l] = uint8(min(255, t, 128+reach(100-rank)))
		}
	}
	return tones
}

// reach is the largest distance from the body tone for a luminance that is exceeded by the given
// percentage of the drawing.
func reach(rank int) int {
	return broadSpan + (128-broadSpan)*max(0, rarePercent-rank)/rarePercent
}

// quantile is the least luminance that percent of the texels do not exceed.
func quantile(histogram *[256]int, total, percent int) int {
	seen := 0
	for l, n := range histogram {
		seen += n
		if seen*100 >= total*percent && seen > 0 {
			return l
		}
	}
	return 0
}
