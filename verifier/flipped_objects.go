package verifier

import (
	"math/rand/v2"
	"slices"

	"reflectionflow"
	"reflectionflow/clipart"
)

// pretend changes a list of objects so that a requirement seems to be met or not, by one change
// where that is enough. Requirements of kinds that [clipart.Check] does not know leave the objects
// as they are.
func pretend(r reflectionflow.Requirement, objects []reflectionflow.Object, met bool, random *rand.Rand) []reflectionflow.Object {
	if holds, _ := clipart.Check(r, objects); holds == met {
		return objects
	}
	switch r.Kind {
	case reflectionflow.AtLeast, reflectionflow.Exactly:
		if met {
			return supply(r, objects, random)
		}
		return misscount(r, objects, random)
	case reflectionflow.Absent:
		if met {
			return slices.DeleteFunc(slices.Clone(objects), matching(r.Object, r.Color))
		}
		return append(slices.Clone(objects), imagined(r.Object, r.Color, random))
	case reflectionflow.Position:
		return displace(r, objects, met, random)
	}
	return objects
}

// matching returns whether an object is of a class and, unless it is empty, a color.
func matching(class, color string) func(reflectionflow.Object) bool {
	return func(o reflectionflow.Object) bool { return o.Class == class && (color == "" || o.Color == color) }
}

// imagined is an object somewhere in the image.
func imagined(class, color string, random *rand.Rand) reflectionflow.Object {
	const size = 0.25
	x, y := (1-size)*random.Float64(), (1-size)*random.Float64()
	return reflectionflow.Object{Class: class, Color: color, Box: [4]float64{x, y, x + size, y + size}, Confidence: FlippedConfidence}
}

// supply makes as many objects of a class and color seem to be there as are asked for.
func supply(r reflectionflow.Requirement, objects []reflectionflow.Object, random *rand.Rand) []reflectionflow.Object {
	objects = slices.Clone(objects)
	wanted, have := max(r.Count, 1), 0
	for i, o := range objects {
		if o.Class != r.Object || r.Kind == reflectionflow.Exactly && have == wanted {
			continue
		}
		if r.Color != "" && have < wanted {
			objects[i].Color = r.Color
		}
		have++
	}
	if r.Kind == reflectionflow.Exactly {
		seen := 0
		objects = slices.DeleteFunc(objects, func(o reflectionflow.Object) bool {
			if !matching(r.Object, r.Color)(o) {
				return false
			}
			seen++
			return seen > wanted
		})
	}
	for ; have < wanted; have++ {
		objects = append(objects, imagined(r.Object, r.Color, random))
	}
	return objects
}

// misscount makes a requirement on a number of objects seem to fail: one object has another
// color, or is not there, or, for an exact number, is there twice.
func misscount(r reflectionflow.Requirement, objects []reflectionflow.Object, random *rand.Rand) []reflectionflow.Object {
	objects = slices.Clone(objects)
	at := slices.IndexFunc(objects, matching(r.Object, r.Color))
	switch {
	case at < 0:
		return objects
	case r.Color != "":
		objects[at].Color = another(r.Color, random)
	case r.Kind == reflectionflow.Exactly && random.IntN(2) == 0:
		objects = append(objects, imagined(r.Object, r.Color, random))
	case r.Kind == reflectionflow.AtLeast: // of those that are more than enough, none may be left
		left := max(r.Count, 1) - 1
		objects = slices.DeleteFunc(objects, func(o reflectionflow.Object) bool {
			if o.Class != r.Object {
				return false
			}
			left--
			return left < 0
		})
	default:
		objects = slices.Delete(objects, at, at+1)
	}
	return objects
}

// another is a color other than the given one.
func another(color string, random *rand.Rand) string {
	others := slices.DeleteFunc(clipart.Colors(), func(c string) bool { return c == color })
	return others[random.IntN(len(others))]
}

// displace makes a position seem to hold, or not to: the object is seen on the one side of its
// target or on the other.
func displace(r reflectionflow.Requirement, objects []reflectionflow.Object, met bool, random *rand.Rand) []reflectionflow.Object {
	objects = slices.Clone(objects)
	find := func(class, color string) int {
		if i := slices.IndexFunc(objects, matching(class, color)); i >= 0 || !met {
			return i
		}
		objects = append(objects, imagined(class, color, random))
		return len(objects) - 1
	}
	subject, target := find(r.Object, r.Color), find(r.Target, r.TargetColor)
	if subject < 0 || target < 0 || subject == target {
		return objects
	}
	relation := r.Relation
	if !met {
		relation = opposite[relation]
	}
	const size, low, high = 0.25, 0.05, 0.7
	x, y := 0.375, 0.375 // of the object
	u, v := 0.375, 0.375 // of the target
	switch relation {
	case reflectionflow.LeftOf:
		x, u = low, high
	case reflectionflow.RightOf:
		x, u = high, low
	case reflectionflow.Above:
		y, v = low, high
	case reflectionflow.Below:
		y, v = high, low
	}
	objects[subject].Box = [4]float64{x, y, x + size, y + size}
	objects[target].Box = [4]float64{u, v, u + size, v + size}
	return objects
}

var opposite = map[reflectionflow.Relation]reflectionflow.Relation{
	reflectionflow.LeftOf: reflectionflow.RightOf, reflectionflow.RightOf: reflectionflow.LeftOf,
	reflectionflow.Above: reflectionflow.Below, reflectionflow.Below: reflectionflow.Above,
}
