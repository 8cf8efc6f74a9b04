package ssdlite

import (
	"math"

	"reflectionflow"
	"reflectionflow/vision/detection"
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

// objects turns the outputs into detections: the best class of each anchor where it scores above the
// threshold, one per object.
func (o output) objects(anchors []anchor, options Options) []reflectionflow.Object {
	var all []detection.Candidate
	for i, a := range anchors {
		id := o.best(i)
		if score := o.score(i, id); score > options.Threshold {
			all = append(all, detection.Candidate{Class: names[id], Score: score, Box: a.decode(o.codes[i*codes : (i+1)*codes])})
		}
	}
	return options.Keep(all)
}
