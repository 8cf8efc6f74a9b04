package clipart

import (
	"cmp"
	"math"
	"slices"

	"reflectionflow"
)

// positionThreshold is the share of both boxes' sizes that GenEval takes off an
// offset before it counts as a relation (GenEval, POSITION_THRESHOLD).
const positionThreshold = 0.1

// minOffset is the reduced offset, as a fraction of the picture's side, under
// which two boxes are in no relation. GenEval says 1e-3 pixels; this is that at
// 1024 pixels.
const minOffset = 1e-6

// Check reports whether a requirement holds for the objects found in a picture,
// by GenEval's rules, with the objects the answer rests on as evidence.
//
// Of a class, the most confident objects count (ties go to the earlier one):
//   - AtLeast: the Count most confident of the class are there, all of the colour.
//   - Exactly: the class (of the colour) is there Count times.
//   - Absent: the class (of the colour) is not there; evidence is what is.
//   - Position: every one of the Count (0 means 1) most confident Objects is in
//     the relation to the most confident Target, and colours are as stated. Only
//     where both are of one class do the colours choose the objects.
//
// A requirement of another kind is never met.
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

// CheckAll reports whether all requirements hold. It is true for none.
func CheckAll(requirements []reflectionflow.Requirement, objects []reflectionflow.Object) bool {
	for _, r := range requirements {
		if met, _ := Check(r, objects); !met {
			return false
		}
	}
	return true
}

// Relations lists the relations that box a has to box b (both x0, y0, x1, y1,
// y pointing down), none, one or two of them: GenEval's relative_position. The
// offset of the centres is reduced per axis by a tenth of both sizes and divided
// by the unreduced distance; more than a half is a relation. On fractions of the
// sides this equals GenEval's rule on pixels for square pictures.
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

// direction is the reduced offset of a from b over their distance, per axis.
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

// pair picks the objects and the target that a position speaks of.
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

// ranked lists the objects of a class, and of a colour unless it is empty, most
// confident first.
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
