package clipart

import (
	"slices"

	"reflectionflow"
)

// Disambiguate returns what to remove from an image that meets a prompt by the rules of [Check]
// but would not if other objects of the same classes were the most confident ones: a second bear
// in another color, a second dog on the wrong side. It is empty if every object supports the
// prompt.
func Disambiguate(p reflectionflow.Prompt, objects []reflectionflow.Object) []Fix {
	return planDisambiguation(p.Requirements, objects).fixes
}

// planDisambiguation carries out [Disambiguate] on a copy of the objects.
func planDisambiguation(requirements []reflectionflow.Requirement, objects []reflectionflow.Object) fixer {
	m := fixer{objects: slices.Clone(objects), requirements: requirements}
	for _, class := range requiredClasses(requirements) {
		m.removeColors(class)
	}
	for _, r := range requirements {
		if r.Kind == reflectionflow.Position && r.Object != r.Target {
			m.removeStrays(r)
		}
	}
	return m
}

// removeColors removes the objects of a class whose color is not required, if only colors are
// required and none are counted: there Check ignores other colors. Objects without a color of
// [Colors] stay, because an instruction cannot name them.
func (m *fixer) removeColors(class string) {
	wanted := m.wanted(class)
	stays := func(color string) bool {
		return color == "" || slices.ContainsFunc(wanted, func(r reflectionflow.Requirement) bool {
			return r.Color == "" || r.Color == color || r.Kind != reflectionflow.AtLeast
		})
	}
	for _, o := range ranked(m.objects, class, "") {
		if n := m.count(class, o.Color); !stays(o.Color) && n > 0 {
			m.remove(class, o.Color, n)
		}
	}
}

// removeStrays removes the objects that are not in the relation to the pair that Check selects.
func (m *fixer) removeStrays(r reflectionflow.Requirement) {
	subjects, targets := pair(r, m.objects)
	strays := func(class string, astray func(reflectionflow.Object) bool) {
		n := 0
		for _, o := range ranked(m.objects, class, "") {
			if astray(o) {
				n++
			}
		}
		m.remove(class, "", n)
	}
	strays(r.Object, func(o reflectionflow.Object) bool {
		return !related(r.Relation, []reflectionflow.Object{o}, targets)
	})
	strays(r.Target, func(o reflectionflow.Object) bool {
		return !related(r.Relation, subjects, []reflectionflow.Object{o})
	})
}
