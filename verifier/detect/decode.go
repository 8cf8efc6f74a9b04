package detect

import (
	"cmp"
	"math"
	"slices"

	"reflectionflow"
)

// Detection is a possible object of an image with the network's probabilities.
type Detection struct {
	// Presence is the probability that there is an object.
	Presence float64
	// Class and Color are distributions over the classes and colors of the configuration; the last
	// element of Color is the natural color.
	Class, Color []float64
	Box          [4]float64 // x0, y0, x1, y1 as fractions of the sides
}

// maxDetections bounds the detections of an image.
const maxDetections = 32

// raw is the output of the network for one image, row-major by cell.
type raw struct {
	presence, box, class, color []float32
}

// decode turns the presence of cells into detections. The presence of a cell is the probability of
// a center in it, so that of an object is the expected number of centers around a peak: the peak
// takes from its neighbors, the most likely first, until it is 1 or nothing is left. The rest may
// be a second object next to it. Detections come in order of presence.
func decode(c Config, r raw) []Detection {
	grid := c.grid()
	presence := make([]float64, len(r.presence))
	for i, v := range r.presence {
		presence[i] = 1 / (1 + math.Exp(-float64(v)))
	}
	var found []Detection
	for len(found) < maxDetections {
		at := argMax(presence)
		if presence[at] < c.Floor/9 {
			break
		}
		total := gather(presence, at, grid)
		if total < c.Floor {
			continue
		}
		classes, colors := len(c.Classes), len(c.Colors)+1
		found = append(found, Detection{
			Presence: total,
			Class:    softmax(r.class[at*classes : (at+1)*classes]),
			Color:    softmax(r.color[at*colors : (at+1)*colors]),
			Box:      decodeBox(r.box[at*boxNumbers:(at+1)*boxNumbers], at, grid),
		})
	}
	slices.SortStableFunc(found, func(a, b Detection) int { return cmp.Compare(b.Presence, a.Presence) })
	return suppress(found, c.Overlap)
}

// gather takes the presence of a cell and of its neighbors, 1 at most in all.
func gather(presence []float64, at, grid int) (total float64) {
	row, column := at/grid, at%grid
	var around []int
	for j := max(row-1, 0); j <= min(row+1, grid-1); j++ {
		for i := max(column-1, 0); i <= min(column+1, grid-1); i++ {
			around = append(around, j*grid+i)
		}
	}
	slices.SortStableFunc(around, func(a, b int) int { return cmp.Compare(presence[b], presence[a]) })
	for _, i := range around {
		taken := min(presence[i], 1-total)
		total += taken
		presence[i] -= taken
	}
	presence[at] = 0 // despite rounding
	return total
}

func softmax(logits []float32) []float64 {
	peak, sum := float64(slices.Max(logits)), 0.0
	p := make([]float64, len(logits))
	for i, v := range logits {
		p[i] = math.Exp(float64(v) - peak)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// decodeBox inverts the encoding of [Target.Add] and clips the box to the image.
func decodeBox(b []float32, at, grid int) [4]float64 {
	cell := 1 / float64(grid)
	x := (float64(at%grid) + 0.5 + float64(b[0])) * cell
	y := (float64(at/grid) + 0.5 + float64(b[1])) * cell
	// A side is at most that of the image; the bound also keeps exp finite.
	side := func(v float32) float64 { return math.Exp(min(float64(v), math.Log(float64(grid)))) * cell }
	w, h := side(b[2]), side(b[3])
	clip := func(v float64) float64 { return min(max(v, 0), 1) }
	return [4]float64{clip(x - w/2), clip(y - h/2), clip(x + w/2), clip(y + h/2)}
}

// suppress drops detections that overlap a more present one of the same most likely class.
func suppress(sorted []Detection, overlap float64) []Detection {
	var kept []Detection
	for _, d := range sorted {
		same := slices.ContainsFunc(kept, func(k Detection) bool {
			return argMax(k.Class) == argMax(d.Class) && IoU(k.Box, d.Box) > overlap
		})
		if !same {
			kept = append(kept, d)
		}
	}
	return kept
}

// IoU is the intersection over union of two boxes.
func IoU(a, b [4]float64) float64 {
	w := min(a[2], b[2]) - max(a[0], b[0])
	h := min(a[3], b[3]) - max(a[1], b[1])
	if w <= 0 || h <= 0 {
		return 0
	}
	area := func(b [4]float64) float64 { return (b[2] - b[0]) * (b[3] - b[1]) }
	return w * h / (area(a) + area(b) - w*h)
}

func argMax(p []float64) int {
	best := 0
	for i, v := range p {
		if v > p[best] {
			best = i
		}
	}
	return best
}

// Object is the most likely class and color of a detection. Its confidence is the probability that
// there is an object and that it has this class.
func (c Config) Object(d Detection) reflectionflow.Object {
	class, color := argMax(d.Class), argMax(d.Color)
	o := reflectionflow.Object{Class: c.Classes[class], Box: d.Box, Confidence: d.Presence * d.Class[class]}
	if color < len(c.Colors) {
		o.Color = c.Colors[color]
	}
	return o
}

// Objects lists the detections whose confidence reaches the threshold.
func (c Config) Objects(detections []Detection) []reflectionflow.Object {
	var objects []reflectionflow.Object
	for _, d := range detections {
		if o := c.Object(d); o.Confidence >= c.Threshold {
			objects = append(objects, o)
		}
	}
	return objects
}
