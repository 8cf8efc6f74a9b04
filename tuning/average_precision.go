package tuning

import (
	"cmp"
	"slices"

	"reflectionflow/verifier/detect"
)

// meanAveragePrecision returns the mean, over the classes that occur, of the area under the
// precision-recall curve (PASCAL VOC 2010: precision made monotonic, all points count), at an
// intersection over union of [matchOverlap]. A detection has its most likely class and the
// confidence P(present)·P(class).
func meanAveragePrecision(classes []string, held []heldOut, detections [][]detect.Detection) float64 {
	sum, occurring := 0.0, 0.0
	for class, name := range classes {
		if precision, occurs := averagePrecision(class, name, held, detections); occurs {
			sum += precision
			occurring++
		}
	}
	return sum / max(occurring, 1)
}

// scored is a detection of a class in image at.
type scored struct {
	at         int
	confidence float64
	box        [4]float64
}

func averagePrecision(class int, name string, held []heldOut, detections [][]detect.Detection) (precision float64, occurs bool) {
	objects := 0
	var found []scored
	for i, h := range held {
		for _, o := range h.objects {
			if o.Class == name {
				objects++
			}
		}
		for _, d := range detections[i] {
			if d.Class[class] == slices.Max(d.Class) {
				found = append(found, scored{i, d.Presence * d.Class[class], d.Box})
			}
		}
	}
	if objects == 0 {
		return 0, false
	}
	slices.SortStableFunc(found, func(a, b scored) int { return cmp.Compare(b.confidence, a.confidence) })
	return areaUnder(hits(name, held, found), objects), true
}

// hits reports which detections, the most confident first, are the first of an object.
func hits(name string, held []heldOut, found []scored) []bool {
	taken := make([][]bool, len(held))
	right := make([]bool, len(found))
	for i, f := range found {
		objects := held[f.at].objects
		if taken[f.at] == nil {
			taken[f.at] = make([]bool, len(objects))
		}
		best, most := -1, matchOverlap
		for j, o := range objects {
			if overlap := detect.IoU(o.Box, f.box); o.Class == name && overlap >= most {
				best, most = j, overlap
			}
		}
		if best >= 0 && !taken[f.at][best] {
			taken[f.at][best], right[i] = true, true
		}
	}
	return right
}

// areaUnder returns the area under the precision-recall curve of a ranking.
func areaUnder(right []bool, objects int) float64 {
	precisions := make([]float64, len(right))
	hit := 0.0
	for i, r := range right {
		if r {
			hit++
		}
		precisions[i] = hit / float64(i+1)
	}
	area, best := 0.0, 0.0
	for i, precision := range slices.Backward(precisions) {
		best = max(best, precision)
		if right[i] {
			area += best / float64(objects)
		}
	}
	return area
}
