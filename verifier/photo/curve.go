package photo

import "math"

// curve maps a probability to a calibrated one: sigmoid(shift + slope · logit(p)).
type curve struct{ shift, slope float64 }

// of applies the curve.
func (c curve) of(p float64) float64 {
	return 1 / (1 + math.Exp(-c.shift-c.slope*logit(p)))
}

// logit is the logarithm of the odds, for p in the range of what was measured.
func logit(p float64) float64 {
	const edge = 0.01
	p = min(max(p, edge), 1-edge)
	return math.Log(p / (1 - p))
}

// tone maps the share of a color and of its neighbors to the probability that people call it so:
// sigmoid(shift + own · share + near · neighbors).
type tone struct{ shift, own, near float64 }

// of applies the map.
func (t tone) of(own, near float64) float64 {
	return 1 / (1 + math.Exp(-t.shift-t.own*own-t.near*near))
}

// It was set by hand between fits, which too few natural colors made unstable.
var shade = tone{-4, 7.5, 3.2}

// presence maps the photo detector's score to the probability that there is the object.
var presence = curve{0.04, 1.02}

// rules is what judging by boxes depends on a detector for.
type rules struct {
	// class returns the class that a noun names, see [Finder].
	class func(noun string) (name string, whole, known bool)
	most  int // how many objects of a class can be counted
	// Curves from what the boxes show to the probability that it is so.
	there       curve // of one object or more
	tintedCount curve // of one object or more in a color
	related     curve // of relations
	placed      curve // of places
	counting    counting
}

// coco are the rules of the photo detector. The curves and presence were fitted by TestFit, counting as in
// TestFitNumbers on another draw of its composites (its own draw gives like values, but hidden 0), all on
// photographs that measurements do not use.
var coco = rules{
	class: class, most: maxCount,
	there: curve{2.53, 1.14}, tintedCount: curve{0.34, 0.55}, related: curve{1.67, 0.94}, placed: curve{1.02, 1.05},
	counting: counting{shift: 4.14, slope: 1.38, nested: -5.62, missed: -0.86, clear: -0.71, hidden: 0.116, met: 0.75},
}
