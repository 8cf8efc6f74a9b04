// Package detection holds what detectors share: their options, the overlap of boxes, and the choice of
// one box per object.
package detection

import (
	"cmp"
	"fmt"
	"slices"

	"reflectionflow"
)

// Options say how a detector computes and what it lists. Zero values mean the defaults of the detector.
type Options struct {
	// Backend is what the networks compute on: empty for the CPU, "cpu:bf16" or "cpu:int8" for another precision, or "xla:PLUGIN" in programs built with
	// -tags xla.
	Backend string
	// Threshold is the confidence above which an object is listed, from 0 to 1.
	Threshold float64
	// Overlap is the intersection over union from which on the less confident of two detections of one
	// class is dropped, above 0 and at most 1.
	Overlap float64
	// Limit bounds the objects of an image, or of a phrase in it, the most confident first; 100 by default.
	Limit int
}

// Resolve puts the defaults of the detector, called by its name in the error, in place of zero values.
// Options out of range give an error wrapping [reflectionflow.ErrInvalid].
func (o Options) Resolve(detector string, threshold, overlap float64) (Options, error) {
	if o.Threshold == 0 {
		o.Threshold = threshold
	}
	if o.Overlap == 0 {
		o.Overlap = overlap
	}
	if o.Limit == 0 {
		o.Limit = 100
	}
	if !(o.Threshold > 0 && o.Threshold < 1) || !(o.Overlap > 0 && o.Overlap <= 1) || o.Limit < 1 {
		return o, fmt.Errorf("%w: %s: threshold %v, overlap %v, limit %d: use a threshold between 0 and 1, an overlap above 0 and at most 1, and a limit of 1 or more",
			reflectionflow.ErrInvalid, detector, o.Threshold, o.Overlap, o.Limit)
	}
	return o, nil
}

// Candidate is a box that a network suggests.
type Candidate struct {
	Class string
	Score float64
	Box   [4]float64 // x0, y0, x1, y1 in parts of the image's sides; it may reach beyond the image
}

// Keep turns the candidates of an image into objects, the most confident first: without those that
// overlap a more confident one of their class, cut to the image, and at most the limit. The order of
// candidates with equal scores is kept. It sorts the list that it is given.
func (o Options) Keep(all []Candidate) []reflectionflow.Object {
	slices.SortStableFunc(all, func(a, b Candidate) int { return cmp.Compare(b.Score, a.Score) })
	var kept []Candidate
	var objects []reflectionflow.Object
	for _, c := range all {
		if len(objects) == o.Limit {
			break
		}
		covered := slices.ContainsFunc(kept, func(k Candidate) bool {
			return k.Class == c.Class && Overlap(k.Box, c.Box) >= o.Overlap
		})
		if covered {
			continue
		}
		kept = append(kept, c)
		if box := clip(c.Box); box[0] < box[2] && box[1] < box[3] {
			objects = append(objects, reflectionflow.Object{Class: c.Class, Box: box, Confidence: c.Score})
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

// Shared is the area that two boxes have in common.
func Shared(a, b [4]float64) float64 {
	w, h := min(a[2], b[2])-max(a[0], b[0]), min(a[3], b[3])-max(a[1], b[1])
	if w <= 0 || h <= 0 {
		return 0
	}
	return w * h
}

// Area is the area of a box.
func Area(b [4]float64) float64 { return (b[2] - b[0]) * (b[3] - b[1]) }

// Overlap is the intersection over union of two boxes, from 0 to 1.
func Overlap(a, b [4]float64) float64 {
	both := Shared(a, b)
	if both == 0 {
		return 0
	}
	return both / (Area(a) + Area(b) - both)
}
