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

// sure is how sure the network is of the classes of things.
var sure = sureness{-1.12, 1.05, -0.12}

// rules is what judging by boxes depends on a detector for.
type rules struct {
	// class returns the class that a noun names, see [Finder].
	class func(noun string) (name string, whole, known bool)
	most  int // how many objects of a class can be counted
	// Curves from what the boxes show to the probability that it is so.
	there    curve                             // of one object or more
	tinted   curve                             // of a color of an object that is there
	related  map[reflectionflow.Relation]curve // of relations
	placed   curve                             // of places
	counting counting
	// doubt is the probability from which on a number is met, whatever the options say.
	doubt float64
}

// direction is the curve of left, right, above and below.
var direction = curve{2.30, 1.37}

// coco are the rules of the photo detector. TestFit fitted the curves, sure and counting on photographs that
// measurements do not use. A number is met from the least of 0.6, 0.65 and so on at which all of the numbers of things that
// stand apart are right there.
var coco = rules{
	class: class, most: maxCount, doubt: 0.75,
	there: curve{3.00, 1.26}, tinted: curve{0, 1}, placed: curve{0.83, 1.13},
	related: map[reflectionflow.Relation]curve{
		reflectionflow.LeftOf: direction, reflectionflow.RightOf: direction, reflectionflow.Above: direction, reflectionflow.Below: direction,
		reflectionflow.On: {0.11, 1.05}, reflectionflow.Under: {-0.02, 0.85}, reflectionflow.Inside: {1.14, 0.86}, reflectionflow.NextTo: {1.61, 1.21}, reflectionflow.Between: {0.57, 1.49},
	},
	counting: counting{shift: 5.16, slope: 1.61, nested: -10.22, missed: -0.84, clear: -0.64, crowd: 1.28},
}
