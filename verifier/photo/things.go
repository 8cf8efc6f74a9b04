package photo

import (
	"maps"
	"math"
	"slices"

	"reflectionflow"
	"reflectionflow/vision/detection"
)

// thing is something in an image that the network saw as one class or as several: its looks at it may differ.
type thing struct {
	box    [4]float64
	clear  float64            // the highest score of a class in any look
	scores map[string]float64 // of each class, the logit of its highest score in any look
	asked  asking             // the classes that the prompt asks for
}

// asking reports whether a prompt asks for a class of the network.
type asking func(class string) bool

// Settings of things.
const (
	// same is the intersection over union from which on boxes of any classes are of one thing.
	same = 0.55
	// matching is that from which on a box of a further look is of a thing.
	matching = 0.5
	// surprising is the score from which on a further look adds a thing, and wished that for a class that the prompt
	// asks for.
	surprising, wished = 0.3, 0.1
	// rivalry is the intersection over union from which on things of different classes are taken for one.
	rivalry = 0.4
	// unseen is the score of a class that a look does not show.
	unseen = 0.005
)

// newThings are the things in a look, the clearest first.
func newThings(l look, found []reflectionflow.Object, a asking) (things []*thing) {
	for _, o := range found { // the most confident first
		box := l.inImage(o.Box)
		if most := closest(things, box); most == nil || detection.Overlap(most.box, box) < same {
			things = append(things, &thing{box: box, clear: o.Confidence, scores: map[string]float64{}, asked: a})
		}
	}
	addLook(things, l, found)
	return things
}

// closest is the thing whose box overlaps a box most, nil for none.
func closest(things []*thing, box [4]float64) (most *thing) {
	best := 0.0
	for _, t := range things {
		if v := detection.Overlap(t.box, box); v > best {
			best, most = v, t
		}
	}
	return most
}

// addLook adds what a look shows to the things that it shows.
func addLook(things []*thing, l look, found []reflectionflow.Object) {
	for _, o := range found {
		box := l.inImage(o.Box)
		t := closest(things, box)
		if t == nil || !l.shows(t.box) || l.over(t.box) || detection.Overlap(t.box, box) < matching {
			continue
		}
		t.clear = max(t.clear, o.Confidence)
		t.scores[o.Class] = max(t.of(o.Class), odds(o.Confidence))
	}
}

// surprises are things that a further look shows clearly and wholly and that are none of those that are known, nor parts
// of one of the same class.
func surprises(things []*thing, l look, found []reflectionflow.Object, a asking) (more []*thing) {
	for _, o := range found {
		least := surprising
		if a(o.Class) {
			least = wished
		}
		if o.Confidence < least || l.cuts(o.Box) {
			continue
		}
		box := l.inImage(o.Box)
		known := func(t *thing) bool {
			if detection.Overlap(t.box, box) >= matching {
				return true
			}
			part := detection.Shared(t.box, box) / max(min(detection.Area(t.box), detection.Area(box)), 1e-9)
			return part > 0.6 && t.of(o.Class) > odds(0.1)
		}
		if slices.ContainsFunc(things, known) || slices.ContainsFunc(more, known) {
			continue
		}
		more = append(more, &thing{box: box, clear: o.Confidence, scores: map[string]float64{o.Class: odds(o.Confidence)}, asked: a})
	}
	return more
}

// of is the logit of the highest score of a class.
func (t *thing) of(class string) float64 {
	if z, known := t.scores[class]; known {
		return z
	}
	return odds(unseen)
}

// classes are the probabilities that a thing is of each class that it was seen as. That of a class grows with the logit of
// its score, and falls with how much clearer another class is seen, the clearest of those that the prompt asks for and the
// clearest of the others:
//
//	sigmoid(shift + slope · logit - rival · max(0, other - logit) - asked · max(0, other that is asked for - logit))
//
// w is for the classes that the prompt asks for, s for others: what generates an image tries to show what is asked for.
// They are scaled down where they sum to more than 1: a thing is of one class.
func (t *thing) classes(s, w sureness) map[string]float64 {
	names := slices.Sorted(maps.Keys(t.scores)) // in one order, or the last bits of sums differ
	p, all := make(map[string]float64, len(names)), 0.0
	for _, class := range names {
		own, other, rival := t.scores[class], 0.0, 0.0
		for _, name := range names {
			if t.asked(name) {
				rival = max(rival, t.scores[name]-own)
			} else {
				other = max(other, t.scores[name]-own)
			}
		}
		k := s
		if t.asked(class) {
			k = w
		}
		p[class] = 1 / (1 + math.Exp(-k.shift-k.slope*own+k.rival*other+k.asked*rival))
		all += p[class]
	}
	for class := range p {
		p[class] /= max(all, 1)
	}
	return p
}

// odds is the logarithm of the odds of a score.
func odds(score float64) float64 {
	score = min(max(score, unseen), 1-unseen)
	return math.Log(score / (1 - score))
}

// objects are the classes that a thing may be, as objects with the probability that it is one.
func (t *thing) objects() (list []reflectionflow.Object) {
	p := t.classes(sure, wanted)
	for _, class := range slices.Sorted(maps.Keys(p)) {
		if p[class] >= least {
			list = append(list, reflectionflow.Object{Class: geneval(class), Box: clipped(t.box), Confidence: p[class]})
		}
	}
	return list
}

// least is the probability below which a class of a thing is not considered.
const least = 0.01

// sureness is how sure the network is of classes, see [thing.classes].
type sureness struct{ shift, slope, rival, asked float64 }

// clipped is a box cut to the image.
func clipped(box [4]float64) [4]float64 {
	for i, v := range box {
		box[i] = min(max(v, 0), 1)
	}
	return box
}
