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

// objects turns the outputs into detections: every class of each anchor that scores above the threshold, one
// detection per object of a class. One object may be listed as several classes.
func (o output) objects(anchors []anchor, options Options) []reflectionflow.Object {
	least := float32(math.Log(options.Threshold / (1 - options.Threshold)))
	var all []detection.Candidate
	for i, a := range anchors {
		for id, logit := range o.logits[i*columns : (i+1)*columns] {
			if logit > least && names[id] != "" {
				all = append(all, detection.Candidate{Class: names[id], Score: o.score(i, id), Box: a.decode(o.codes[i*codes : (i+1)*codes])})
			}
		}
	}
	return options.Keep(all)
}
