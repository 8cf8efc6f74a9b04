package requirements

import (
	"fmt"
	"slices"

	"reflectionflow"
)

// opposites are properties that no object has at once.
var opposites = list(`big small, large small, huge tiny, tall short, long short, open closed, empty full, old new, old young, wet dry, clean dirty, hot cold,
happy sad, thick thin, wide narrow, smooth rough, hard soft, lit unlit, light dark, alive dead, round square`)

// inverse are relations that exclude one another between the same objects.
var inverse = map[reflectionflow.Relation]reflectionflow.Relation{
	reflectionflow.LeftOf: reflectionflow.RightOf, reflectionflow.RightOf: reflectionflow.LeftOf,
	reflectionflow.Above: reflectionflow.Below, reflectionflow.Below: reflectionflow.Above,
	reflectionflow.On: reflectionflow.Under, reflectionflow.Under: reflectionflow.On,
	reflectionflow.Behind: reflectionflow.InFrontOf, reflectionflow.InFrontOf: reflectionflow.Behind,
}

// Contradictions says which requirements exclude each other, in words. Requirements of
// [Parse] and of a language model are checked alike.
func Contradictions(requirements []reflectionflow.Requirement) []string {
	one := func(object string) bool { // such an object is there once
		return slices.ContainsFunc(requirements, func(r reflectionflow.Requirement) bool {
			return r.Object == object && r.Count == 1 && (r.Kind == reflectionflow.AtLeast || r.Kind == reflectionflow.Exactly)
		})
	}
	var found []string
	for i, a := range requirements {
		for _, b := range requirements[i+1:] {
			if excludes(a, b, one) || excludes(b, a, one) {
				found = append(found, contradiction(a, b))
			}
		}
	}
	return found
}

func contradiction(a, b reflectionflow.Requirement) string {
	return fmt.Sprintf("a contradiction: %s, and %s", clip(a.String()), clip(b.String()))
}

// excludes reports whether a rules out b.
func excludes(a, b reflectionflow.Requirement, one func(string) bool) bool {
	same := a.Object == b.Object && a.Color == b.Color
	switch a.Kind {
	case reflectionflow.Absent:
		about := func(object, color string) bool { return object == a.Object && (a.Color == "" || color == a.Color) }
		return b.Kind != reflectionflow.Absent && b.Kind != reflectionflow.AtMost && b.Kind != reflectionflow.Text && (about(b.Object, b.Color) || about(b.Target, b.TargetColor) || about(b.Second, ""))
	case reflectionflow.AtMost:
		return same && (b.Kind == reflectionflow.AtLeast || b.Kind == reflectionflow.Exactly) && b.Count > a.Count
	case reflectionflow.Exactly:
		return same && (b.Kind == reflectionflow.AtLeast && b.Count > a.Count || b.Kind == reflectionflow.Exactly && b.Count != a.Count)
	case reflectionflow.Color:
		return b.Kind == reflectionflow.Color && a.Object == b.Object && a.Color != b.Color && (a.Count == 0 || one(a.Object))
	case reflectionflow.Attribute:
		return b.Kind == reflectionflow.Attribute && same && (a.Count == 0 || one(a.Object)) && opposite(a.Value, b.Value)
	case reflectionflow.Place:
		return b.Kind == reflectionflow.Place && same && one(a.Object) && apart(a.Value, b.Value)
	case reflectionflow.Position:
		if b.Kind != reflectionflow.Position || inverse[a.Relation] == "" || a.Object == a.Target && a.Color == a.TargetColor {
			return false
		}
		swapped := a.Object == b.Target && a.Color == b.TargetColor && a.Target == b.Object && a.TargetColor == b.Color
		equal := same && a.Target == b.Target && a.TargetColor == b.TargetColor
		return swapped && a.Relation == b.Relation || equal && b.Relation == inverse[a.Relation]
	}
	return false
}

func opposite(a, b string) bool {
	return slices.Contains(opposites, a+" "+b) || slices.Contains(opposites, b+" "+a)
}

// apart reports whether two places of the image share nothing.
func apart(a, b string) bool {
	has := func(s, side string) bool {
		return s == side || len(s) > len(side) && (s[:len(side)] == side || s[len(s)-len(side):] == side)
	}
	for _, pair := range [][2]string{{"left", "right"}, {"top", "bottom"}, {"background", "foreground"}} {
		if has(a, pair[0]) && has(b, pair[1]) || has(a, pair[1]) && has(b, pair[0]) {
			return true
		}
	}
	return false
}
