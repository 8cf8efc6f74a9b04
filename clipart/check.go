package clipart

import (
	"cmp"
	"math"
	"slices"

	"reflectionflow"
)

// positionThreshold is the share of the sizes of both boxes by which an offset is reduced
// (GenEval, POSITION_THRESHOLD).
const positionThreshold = 0.1

// minOffset is the reduced offset, as a fraction of the image's side, below which two boxes have
// no relation. GenEval uses 1e-3 pixels; this is that at 1024 pixels.
const minOffset = 1e-6

// Check reports whether a requirement holds for the objects detected in an image, by GenEval's
// rules, and returns the objects that decide it as evidence.
//
// Of a class, the most confident objects count (on ties, the earlier one):
//   - AtLeast: the Count most confident objects of the class exist, and all have the color.
//   - Exactly: exactly Count objects have the class and, if set, the color.
//   - Absent: no object has the class and, if set, the color; the evidence lists those that do.
//   - Position: each of the Count (0 means 1) most confident Objects has the relation to the most
//     confident Target, and colors match. The colors select the objects only if both have the same
//     class.
//
// A requirement of another kind never holds.
func Check(r reflectionflow.Requirement, objects []reflectionflow.Object) (met bool, evidence []reflectionflow.Object) {
	switch r.Kind {
	case reflectionflow.AtLeast:
		found := top(ranked(objects, r.Object, ""), max(r.Count, 1))
		return len(found) >= max(r.Count, 1) && allColored(found, r.Color), found
	case reflectionflow.Exactly:
		found := ranked(objects, r.Object, r.Color)
		return len(found) == r.Count, found
	case reflectionflow.Absent:
		found := ranked(objects, r.Object, r.Color)
		return len(found) == 0, found
	case reflectionflow.Position:
		subjects, targets := pair(r, objects)
		evidence = slices.Concat(subjects, targets)
		if len(subjects) < max(r.Count, 1) || len(targets) == 0 ||
			!allColored(subjects, r.Color) || !allColored(targets, r.TargetColor) {
			return false, evidence
		}
		return related(r.Relation, subjects, targets), evidence
	}
	return false, nil
}

// CheckAll reports whether all requirements hold. It is true for no requirements.
func CheckAll(requirements []reflectionflow.Requirement, objects []reflectionflow.Object) bool {
	for _, r := range requirements {
		if met, _ := Check(r, objects); !met {
			return false
		}
	}
	return true
}

// Relations returns the relations of box a to box b: none, one or two. Boxes are x0, y0, x1, y1
// with y pointing down. It is GenEval's relative_position: the offset of the centers is reduced
// per axis by a tenth of both sizes and divided by the unreduced distance; more than 0.5 is a
// relation. For square images, boxes in fractions of the sides give the same result as boxes in
// pixels.
func Relations(a, b [4]float64) []reflectionflow.Relation {
	dx, dy := direction(a, b)
	var relations []reflectionflow.Relation
	if dx < -0.5 {
		relations = append(relations, reflectionflow.LeftOf)
	}
	if dx > 0.5 {
		relations = append(relations, reflectionflow.RightOf)
	}
	if dy < -0.5 {
		relations = append(relations, reflectionflow.Above)
	}
	if dy > 0.5 {
		relations = append(relations, reflectionflow.Below)
	}
	return relations
}

// direction is the reduced offset of a from b divided by their distance, per axis.
func direction(a, b [4]float64) (dx, dy float64) {
	offsetX := (a[0]+a[2])/2 - (b[0]+b[2])/2
	offsetY := (a[1]+a[3])/2 - (b[1]+b[3])/2
	x := reduce(offsetX, math.Abs(a[2]-a[0])+math.Abs(b[2]-b[0]))
	y := reduce(offsetY, math.Abs(a[3]-a[1])+math.Abs(b[3]-b[1]))
	if math.Abs(x) < minOffset && math.Abs(y) < minOffset {
		return 0, 0
	}
	distance := math.Hypot(offsetX, offsetY)
	return x / distance, y / distance
}

func reduce(offset, sizes float64) float64 {
	return math.Copysign(max(math.Abs(offset)-positionThreshold*sizes, 0), offset)
}

// pair selects the objects and the target of a position.
func pair(r reflectionflow.Requirement, objects []reflectionflow.Object) (subjects, targets []reflectionflow.Object) {
	color, targetColor := "", ""
	if r.Object == r.Target {
		color, targetColor = r.Color, r.TargetColor
	}
	return top(ranked(objects, r.Object, color), max(r.Count, 1)), top(ranked(objects, r.Target, targetColor), 1)
}

func related(relation reflectionflow.Relation, subjects, targets []reflectionflow.Object) bool {
	for _, s := range subjects {
		for _, t := range targets {
			if !slices.Contains(Relations(s.Box, t.Box), relation) {
				return false
			}
		}
	}
	return true
}

// ranked returns the objects of a class, and of a color unless it is empty, most confident first.
func ranked(objects []reflectionflow.Object, class, color string) []reflectionflow.Object {
	var found []reflectionflow.Object
	for _, o := range objects {
		if o.Class == class && (color == "" || o.Color == color) {
			found = append(found, o)
		}
	}
	slices.SortStableFunc(found, func(a, b reflectionflow.Object) int { return cmp.Compare(b.Confidence, a.Confidence) })
	return found
}

func top(objects []reflectionflow.Object, n int) []reflectionflow.Object {
	return objects[:min(n, len(objects))]
}

func allColored(objects []reflectionflow.Object, color string) bool {
	return color == "" || !slices.ContainsFunc(objects, func(o reflectionflow.Object) bool { return o.Color != color })
}
