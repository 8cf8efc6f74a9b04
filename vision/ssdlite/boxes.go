package ssdlite

import (
	"cmp"
	"math"
	"slices"

	"reflectionflow"
)

// output is what the network returns for one image.
type output struct {
	logits []float32 // [1917, 91]
	codes  []float32 // [1917, 4]
}

// score is the probability of COCO id `id` at an anchor.
func (o output) score(anchor, id int) float64 {
	return 1 / (1 + math.Exp(-float64(o.logits[anchor*columns+id])))
}

// best returns the most likely named class of an anchor, by its COCO id.
func (o output) best(anchor int) int {
	row, best := o.logits[anchor*columns:(anchor+1)*columns], 1
	for id, logit := range row {
		if names[id] != "" && logit > row[best] {
			best = id
		}
	}
	return best
}

// candidate is a detection before suppression.
type candidate struct {
	id    int
	score float64
	box   [4]float64 // may reach beyond the image
}

// objects turns the outputs into detections, the most confident first: the best class of each anchor
// where it scores above the threshold, without those that overlap a more confident one of their
// class, and at most the limit.
func (o output) objects(anchors []anchor, options Options) []reflectionflow.Object {
	var all []candidate
	for i, a := range anchors {
		id := o.best(i)
		if score := o.score(i, id); score > options.Threshold {
			all = append(all, candidate{id: id, score: score, box: a.decode(o.codes[i*codes : (i+1)*codes])})
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(b.score, a.score) })
	var kept []candidate
	var objects []reflectionflow.Object
	for _, c := range all {
		if len(objects) == options.Limit {
			break
		}
		covered := slices.ContainsFunc(kept, func(k candidate) bool {
			return k.id == c.id && iou(k.box, c.box) >= options.Overlap
		})
		if covered {
			continue
		}
		kept = append(kept, c)
		if box := clip(c.box); box[0] < box[2] && box[1] < box[3] {
			objects = append(objects, reflectionflow.Object{Class: names[c.id], Box: box, Confidence: c.score})
		}
	}
	return objects
}

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
