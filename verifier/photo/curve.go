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

// sure is how sure the network is of the classes of things that no prompt asks for, and wanted of those that one asks for.
var (
	sure   = sureness{shift: -0.50, slope: 0.91, rival: 0.20, asked: 0.20}
	wanted = sureness{shift: 0.69, slope: 0.84, rival: 0.20, asked: 0.57}
)

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
	// doubt is the probability from which on objects are there, any or a number of them, whatever the options say.
	doubt float64
}

// direction is the curve of left, right, above and below.
var direction = curve{1.21, 1.39}

// coco are the rules of the photo detector. All numbers but those of colors are what TestFit prints, on photographs that
// measurements do not use. That objects are there, and how many, is met from 0.75 on: then 97% are there, and 98% of the
// numbers of things among others are right.
var coco = rules{
	class: class, most: maxCount, doubt: 0.75,
	there: curve{1.98, 0.90}, tinted: curve{0, 1}, placed: curve{0.80, 1.35},
	related: map[reflectionflow.Relation]curve{
		reflectionflow.LeftOf: direction, reflectionflow.RightOf: direction, reflectionflow.Above: direction, reflectionflow.Below: direction,
		reflectionflow.On: {0.76, 0.77}, reflectionflow.Under: {-0.25, 0.68}, reflectionflow.Inside: {0.45, 0.87}, reflectionflow.NextTo: {1.93, 1.25}, reflectionflow.Between: {1.26, 1.05},
	},
	counting: counting{shift: 3.91, slope: 1.45, nested: -8.50, missed: -1.94, clear: -0.45, crowd: -1.31},
}
