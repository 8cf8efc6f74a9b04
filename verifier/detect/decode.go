package detect

import (
	"cmp"
	"math"
	"slices"

	"reflectionflow"
)

// Detection is one object that may be in a picture, with all that the network
// says of it.
type Detection struct {
	// Presence is the probability that there is an object here.
	Presence float64
	// Class and Color are probabilities that add up to 1, in the order of the
	// configuration; the last of Color is the natural colour.
	Class, Color []float64
	Box          [4]float64 // x0, y0, x1, y1 as fractions of the sides
}

// maxDetections bounds the detections of a picture.
const maxDetections = 32

// raw is what the network says of one picture, row-major.
type raw struct {
	presence, box, class, color []float32
}

// decode gathers presence into detections. As presence is the probability of a
// centre per cell, that of an object is the expected number of centres in the cells
// around a peak: the peak takes from its neighbours, the likeliest first, until it
// is 1 or they have no more. What is left over can be a second object beside it.
// Detections come most present first.
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

// gather takes the presence of a cell and as much of its neighbours' as makes 1.
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
	presence[at] = 0 // rounding must not leave anything of the peak
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

// decodeBox is the inverse of what [Target.Add] writes, cut at the picture's
// edges.
func decodeBox(b []float32, at, grid int) [4]float64 {
	cell := 1 / float64(grid)
	x := (float64(at%grid) + 0.5 + float64(b[0])) * cell
	y := (float64(at/grid) + 0.5 + float64(b[1])) * cell
	// A side is at most that of the picture; the bound also keeps exp finite.
	side := func(v float32) float64 { return math.Exp(min(float64(v), math.Log(float64(grid)))) * cell }
	w, h := side(b[2]), side(b[3])
	clip := func(v float64) float64 { return min(max(v, 0), 1) }
	return [4]float64{clip(x - w/2), clip(y - h/2), clip(x + w/2), clip(y + h/2)}
}

// suppress drops detections that overlap a more present one of the same likeliest
// class.
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

// Object is the likeliest reading of a detection: its confidence is the
// probability that there is an object and that it is of this class.
func (c Config) Object(d Detection) reflectionflow.Object {
	class, color := argMax(d.Class), argMax(d.Color)
	o := reflectionflow.Object{Class: c.Classes[class], Box: d.Box, Confidence: d.Presence * d.Class[class]}
	if color < len(c.Colors) {
		o.Color = c.Colors[color]
	}
	return o
}

// Objects lists the detections that are confident enough to be called objects.
func (c Config) Objects(detections []Detection) []reflectionflow.Object {
	var objects []reflectionflow.Object
	for _, d := range detections {
		if o := c.Object(d); o.Confidence >= c.Threshold {
			objects = append(objects, o)
		}
	}
	return objects
}
