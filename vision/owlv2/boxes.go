package owlv2

import (
	"cmp"
	"image"
	"math"
	"slices"

	"reflectionflow"
)

// seen is what the network says of one image.
type seen struct {
	classes       []float32 // [patches, width]
	shifts, scale []float32 // [patches]
	boxes         []float32 // [patches, 4]
}

// logit says how well the phrase with the vector fits patch i. As in transformers, the vector is
// normalized twice.
func (s seen) logit(i int, vector []float32) float64 {
	sum, square := 0.0, 0.0
	class := s.classes[i*len(vector):][:len(vector)]
	for j, v := range vector {
		sum += float64(class[j]) * float64(v)
		square += float64(v) * float64(v)
	}
	return (sum/(math.Sqrt(square)+1e-6) + float64(s.shifts[i])) * float64(s.scale[i])
}

// corners is the box of patch i as x0, y0, x1, y1 in parts of the image's sides. The network's boxes
// are in parts of the square that the image is padded to.
func (s seen) corners(i int, size image.Point) [4]float64 {
	b := s.boxes[4*i:][:4]
	long := float64(max(size.X, size.Y))
	x, y := long/float64(size.X), long/float64(size.Y)
	cx, cy, w, h := float64(b[0]), float64(b[1]), float64(b[2])/2, float64(b[3])/2
	return [4]float64{(cx - w) * x, (cy - h) * y, (cx + w) * x, (cy + h) * y}
}

// candidate is a detection before suppression.
type candidate struct {
	score float64
	box   [4]float64
}

// objects returns the detections of a phrase: patches with a score above the threshold, without those
// that overlap a more confident one, and at most the limit.
func (s seen) objects(phrase string, vector []float32, size image.Point, o Options) []reflectionflow.Object {
	var all []candidate
	for i := range s.shifts {
		if score := sigmoid(s.logit(i, vector)); score > o.Threshold {
			all = append(all, candidate{score, s.corners(i, size)})
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(b.score, a.score) })
	var kept [][4]float64
	var objects []reflectionflow.Object
	for _, c := range all {
		if len(objects) == o.Limit {
			break
		}
		if slices.ContainsFunc(kept, func(k [4]float64) bool { return iou(k, c.box) >= o.Overlap }) {
			continue
		}
		if box := clip(c.box); box[0] < box[2] && box[1] < box[3] {
			kept = append(kept, c.box)
			objects = append(objects, reflectionflow.Object{Class: phrase, Box: box, Confidence: c.score})
		}
	}
	return objects
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// clip cuts a box to the image.
func clip(box [4]float64) [4]float64 {
	for i, v := range box {
		box[i] = min(max(v, 0), 1)
	}
	return box
}

// iou is the intersection over union of two boxes.
func iou(a, b [4]float64) float64 {
	w, h := min(a[2], b[2])-max(a[0], b[0]), min(a[3], b[3])-max(a[1], b[1])
	if w <= 0 || h <= 0 {
		return 0
	}
	area := func(b [4]float64) float64 { return (b[2] - b[0]) * (b[3] - b[1]) }
	return w * h / (area(a) + area(b) - w*h)
}
