package clipart

import "slices"

// colourNames are GenEval's ten colours; ramps has the same order.
var colourNames = [...]string{"red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white"}

// Colors returns GenEval's ten colour names.
func Colors() []string { return slices.Clone(colourNames[:]) }

// colourIndex is the place of a colour in [Colors], or -1.
func colourIndex(name string) int { return slices.Index(colourNames[:], name) }

// rampStops are the colours that shadow, body and highlight of a tinted
// drawing take. They are chosen so that any mix within a row is called by the
// row's name: dark orange and dark yellow stay light enough not to be brown,
// and white, which cannot get lighter, shows both shadow and highlight as grey.
var rampStops = [len(colourNames)][3][3]uint8{
	{{96, 0, 10}, {222, 28, 34}, {255, 150, 145}},
	{{170, 72, 0}, {247, 132, 18}, {255, 204, 138}},
	{{168, 124, 0}, {250, 215, 28}, {255, 246, 165}},
	{{0, 66, 18}, {38, 166, 60}, {168, 232, 164}},
	{{6, 22, 100}, {34, 90, 222}, {155, 198, 255}},
	{{46, 6, 84}, {132, 50, 182}, {212, 165, 242}},
	{{150, 26, 92}, {255, 120, 182}, {255, 210, 232}},
	{{46, 20, 6}, {126, 72, 34}, {204, 156, 112}},
	{{0, 0, 0}, {34, 34, 37}, {112, 112, 118}},
	{{140, 145, 152}, {247, 248, 250}, {212, 216, 223}},
}

// ramps maps a tone (0 shadow, 128 body, 255 highlight) to packed RGB lanes.
var ramps = buildRamps()

func buildRamps() (tables [len(colourNames)][256]uint64) {
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

// luminance is the Rec. 709 luma of an sRGB colour, from 0 to 255.
func luminance(r, g, b uint8) int {
	return (54*int(r) + 183*int(g) + 19*int(b) + 128) >> 8
}

// toneScale maps the luminance of a drawing to tones: its median becomes the
// body tone, so that the tint's main colour covers most of any drawing.
type toneScale struct{ low, median, high int }

// minToneSpan is the least luminance range that is stretched to a half ramp;
// it keeps small differences in flat drawings from becoming stripes.
const minToneSpan = 70

// measureTones reads the spread of luminance from a histogram of opaque texels.
func measureTones(histogram *[256]int) toneScale {
	total := 0
	for _, n := range histogram {
		total += n
	}
	at := func(percent int) int {
		seen := 0
		for l, n := range histogram {
			seen += n
			if seen*100 >= total*percent && seen > 0 {
				return l
			}
		}
		return 255
	}
	s := toneScale{low: at(5), median: at(50), high: at(95)}
	s.low = min(s.low, s.median-minToneSpan)
	s.high = max(s.high, s.median+minToneSpan)
	return s
}

// tone is the place of a luminance on the ramp, from 0 to 255.
func (s toneScale) tone(l int) int {
	if l <= s.median {
		return max(0, 128-(s.median-l)*128/(s.median-s.low))
	}
	return min(255, 128+(l-s.median)*127/(s.high-s.median))
}
