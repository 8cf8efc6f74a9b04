package openvocab

import (
	"context"
	"image"
	"iter"

	"reflectionflow"
	"reflectionflow/verifier"
)

// Tune implements [verifier.Tunable]: it fits threshold and slope to what examples say of whether objects are there.
func (v *Verifier) Tune(ctx context.Context, examples iter.Seq2[verifier.Example, error]) (verifier.Thresholds, error) {
	return v.finder.tune(ctx, examples)
}

func (f *finder) tune(ctx context.Context, examples iter.Seq2[verifier.Example, error]) (verifier.Thresholds, error) {
	var confidences []float64
	var there []bool
	for e, err := range examples {
		if err != nil {
			return verifier.Thresholds{}, err
		}
		known := f.presence(e)
		phrases := f.phrases(e.Image.Prompt)
		if len(known) == 0 || len(phrases) == 0 {
			continue
		}
		objects, err := f.Detect(ctx, []image.Image{e.Image.Image}, phrases)
		if err != nil {
			return verifier.Thresholds{}, err
		}
		for _, phrase := range phrases { // in order, so that the fit is a function of the examples
			is, ok := known[phrase]
			if !ok {
				continue
			}
			best := faintest
			for _, o := range objects[0] {
				if o.Class == phrase {
					best = max(best, o.Confidence)
				}
			}
			confidences, there = append(confidences, best), append(there, is)
		}
	}
	t := verifier.FitPresence(confidences, there)
	if t.Threshold > 0 {
		f.threshold, f.slope = t.Threshold, t.Slope
	}
	return t, nil
}

// presence says of the objects of an example's requirements whether they are there, as far as its labels tell.
func (f *finder) presence(e verifier.Example) map[string]bool {
	known := map[string]bool{}
	for i, r := range e.Image.Prompt.Requirements {
		name, _, readable := f.Class(r.Object)
		met, labeled := e.Known(i)
		if !readable || !labeled || r.Color != "" {
			continue
		}
		switch {
		case (r.Kind == reflectionflow.AtLeast || r.Kind == reflectionflow.Exactly) && met:
			known[name] = true
		case r.Kind == reflectionflow.AtLeast && r.Count == 1:
			known[name] = false
		case r.Kind == reflectionflow.Absent:
			known[name] = !met
		}
	}
	return known
}
