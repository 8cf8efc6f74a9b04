package photo

import (
	"math"

	"reflectionflow"
)

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
	most  int  // how many objects of a class can be counted
	looks bool // whether more looks are taken at objects that are counted
	// Curves from what the boxes show to the probability that it is so.
	there       curve                             // of one object or more
	tintedCount curve                             // of one object or more in a color
	related     map[reflectionflow.Relation]curve // of relations
	placed      curve                             // of places
	counting    counting
	// doubt is the probability from which on a number or a coarse relation is met, whatever the options say.
	doubt float64
}

// direction is the curve of left, right, above and below.
var direction = curve{1.67, 0.94}

// coco are the rules of the photo detector. The curves and presence were fitted by TestFit and counting by
// TestFitNumbers, other relations than directions by TestFitRelations, on photographs that measurements do not use. A number is met from
// the least of 0.6, 0.65 and so on at which TestFitNumbers has 95% right in every manner of its second draw;
// the same doubt is enough for coarse relations.
var coco = rules{
	class: class, most: maxCount, looks: true, doubt: 0.75,
	there: curve{2.53, 1.14}, tintedCount: curve{0.34, 0.55}, placed: curve{1.02, 1.05},
	related: map[reflectionflow.Relation]curve{
		reflectionflow.LeftOf: direction, reflectionflow.RightOf: direction, reflectionflow.Above: direction, reflectionflow.Below: direction,
		reflectionflow.On: {1.04, 0.98}, reflectionflow.Under: {1.30, 0.87}, reflectionflow.Inside: {2.06, 1.03}, reflectionflow.NextTo: {2.82, 1.35}, reflectionflow.Between: {2.58, 1.17},
	},
	counting: counting{shift: 4.66, slope: 1.45, nested: -5.34, missed: -0.75, clear: -0.89},
}
