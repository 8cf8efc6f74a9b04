package owlv2

import (
	"image"
	"math"

	"reflectionflow"
	"reflectionflow/vision/detection"
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

// objects returns the detections of a phrase: patches with a score above the threshold, one per object.
func (s seen) objects(phrase string, vector []float32, size image.Point, o Options) []reflectionflow.Object {
	var all []detection.Candidate
	for i := range s.shifts {
		if score := sigmoid(s.logit(i, vector)); score > o.Threshold {
			all = append(all, detection.Candidate{Class: phrase, Score: score, Box: s.corners(i, size)})
		}
	}
	return o.Keep(all)
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
