package photo

import (
	"image"
	"math"
	"slices"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/vision/colorname"
	"reflectionflow/vision/detection"
)

// relations are those that boxes show.
func relations() []reflectionflow.Relation {
	return []reflectionflow.Relation{
		reflectionflow.LeftOf, reflectionflow.RightOf, reflectionflow.Above, reflectionflow.Below, reflectionflow.On, reflectionflow.Under,
		reflectionflow.Inside, reflectionflow.NextTo, reflectionflow.Between,
	}
}

// margin is how far, in fractions of a side, boxes may be off: at that distance from a limit the odds of
// a relation are e to 1.
const margin = 0.05

// soft is 1 for a number far above 0, 0 for one far below.
func soft(x float64) float64 { return 1 / (1 + math.Exp(-x/margin)) }

// position is the probability of a relation, over all pairs of detections that may be meant, and the pair that it rests on
// most. Errors about like objects go together, so of several subjects the least counts and not the product, as for colors.
func (s *scene) position(r reflectionflow.Requirement) (p float64, evidence []*object) {
	color, _ := colorname.Term(r.Color)
	targetColor, _ := colorname.Term(r.TargetColor)
	n := max(r.Count, 1)
	subjects, targets := clearest(s.of(r.Object), n), clearest(s.of(r.Target), 1)
	seconds := []*object{nil}
	if r.Second != "" {
		seconds = clearest(s.of(r.Second), 1)
	}
	weights, held, best := 0.0, 0.0, 0.0
	least := 1.0 // of the n clearest subjects, how far the one that stands in the relation least does
	for i, a := range subjects {
		own, ownHeld := 0.0, 0.0
		for _, b := range targets {
			for _, c := range seconds {
				if a == b || a == c || b == c {
					continue
				}
				w := a.present * a.colored(color) * b.present * b.colored(targetColor)
				if c != nil {
					w *= c.present
				}
				own += w
				ownHeld += w * s.related(r.Relation, a, b, c)
				if w > best {
					best, evidence = w, pairOf(a, b, c)
				}
			}
		}
		weights, held = weights+own, held+ownHeld
		if i < n && own > 0 {
			least = min(least, ownHeld/own)
		}
	}
	if weights == 0 {
		return s.rules.relation(r.Relation).of(0), append(likely(subjects), likely(targets)...)
	}
	is := s.some(subjects, color, n) * s.some(targets, targetColor, 1)
	if r.Second != "" {
		is *= s.some(seconds, "", 1)
	}
	if best < listed*listed {
		evidence = append(likely(subjects), likely(targets)...)
	}
	if n == 1 {
		least = held / weights
	}
	return s.rules.relation(r.Relation).of(is * least), evidence
}

// clearest are the objects that are not much less surely there than the clearest one, at least n of them where there are as
// many. It takes the most confident first.
func clearest(objects []*object, n int) []*object {
	const much = 0.4
	for i, o := range objects {
		if i >= n && o.present < much*objects[0].present {
			return objects[:i]
		}
	}
	return objects
}

// relation is the curve of a relation.
func (k *rules) relation(r reflectionflow.Relation) curve {
	if c, fitted := k.related[r]; fitted {
		return c
	}
	return curve{0, 1}
}

func pairOf(a, b, c *object) []*object {
	if c == nil {
		return []*object{a, b}
	}
	return []*object{a, b, c}
}

// related is how clearly a stands in a relation to b, and to c for "between".
func (s *scene) related(relation reflectionflow.Relation, a, b, c *object) float64 {
	x, y := inPixels(s.img, a.box), inPixels(s.img, b.box)
	switch relation {
	case reflectionflow.LeftOf, reflectionflow.RightOf, reflectionflow.Above, reflectionflow.Below:
		return soft(clipart.RelationStrength(relation, x, y) - 0.5)
	case reflectionflow.On:
		return on(x, y)
	case reflectionflow.Under:
		return max(on(y, x), soft(clipart.RelationStrength(reflectionflow.Below, x, y)-0.5)*soft(shared(x, y, 0)-0.3))
	case reflectionflow.Inside:
		return soft(shared(x, y, 0)*shared(x, y, 1)-0.75) * soft(0.8-detection.Area(x)/max(detection.Area(y), 1e-9))
	case reflectionflow.NextTo:
		gap := max(x[0]-y[2], y[0]-x[2], 0) / max(min(x[2]-x[0], y[2]-y[0]), 1e-9)
		level := max(shared(x, y, 1), shared(y, x, 1))
		apart := math.Abs(center(x, 0)-center(y, 0)) / max((x[2]-x[0]+y[2]-y[0])/2, 1e-9)
		return soft(0.6-gap) * soft(level-0.3) * soft(apart-0.4)
	case reflectionflow.Between:
		z := inPixels(s.img, c.box)
		return max(amid(x, y, z, 0), amid(x, y, z, 1))
	}
	return 0
}

// on is how clearly box a stands on b: above its middle and over it, with its lower edge neither above b
// nor at the lower edge of b, where a stands before it.
func on(a, b [4]float64) float64 {
	height := max(b[3]-b[1], 1e-9)
	least := max(min(height, a[3]-a[1]), 1e-9)
	return soft(shared(a, b, 0)-0.4) * soft((center(b, 1)-center(a, 1))/height) * soft((a[3]-b[1])/least+0.15) * soft((b[3]-a[3])/height-0.15)
}

// amid is how clearly a is between b and c along an axis and on their level across it.
func amid(a, b, c [4]float64, axis int) float64 {
	low, high := center(b, axis), center(c, axis)
	if low > high {
		low, high = high, low
	}
	across := 1 - axis
	level := min(max(shared(a, b, across), shared(b, a, across)), max(shared(a, c, across), shared(c, a, across)))
	return soft(center(a, axis)-low) * soft(high-center(a, axis)) * soft(level-0.2)
}

// shared is the share of the side of a along an axis that b covers.
func shared(a, b [4]float64, axis int) float64 {
	side := a[axis+2] - a[axis]
	return max(min(a[axis+2], b[axis+2])-max(a[axis], b[axis]), 0) / max(side, 1e-9)
}

func center(b [4]float64, axis int) float64 { return (b[axis] + b[axis+2]) / 2 }

// inPixels is a box with the longer side of the image as unit, so that directions are those that are
// seen in images of any shape.
func inPixels(img image.Image, box [4]float64) [4]float64 {
	size := img.Bounds().Size()
	long := float64(max(size.X, size.Y))
	x, y := float64(size.X)/long, float64(size.Y)/long
	return [4]float64{box[0] * x, box[1] * y, box[2] * x, box[3] * y}
}

// inPlace is how clearly a box is at a place of [reflectionflow.Places]: its center is in that half,
// in the middle third both ways, or clearly in that quarter.
func inPlace(place string, box [4]float64) float64 {
	x, y := center(box, 0), center(box, 1)
	half := map[string]float64{"left": 0.5 - x, "right": x - 0.5, "top": 0.5 - y, "bottom": y - 0.5}
	if inside, ok := half[place]; ok {
		return soft(inside)
	}
	parts := map[string][2]float64{
		"center": {min(x-1.0/3, 2.0/3-x), min(y-1.0/3, 2.0/3-y)}, "top left": {0.45 - x, 0.45 - y}, "top right": {x - 0.55, 0.45 - y},
		"bottom left": {0.45 - x, y - 0.55}, "bottom right": {x - 0.55, y - 0.55},
	}
	inside, ok := parts[place]
	if !ok || !slices.Contains(reflectionflow.Places(), place) {
		return 0
	}
	return soft(inside[0]) * soft(inside[1])
}
