package clipart

import (
	"slices"

	"reflectionflow"
)

// FixKind is what a [Fix] does.
type FixKind string

// The kinds of fix.
const (
	AddObject     FixKind = "add"     // Count of Object (of Color), perhaps in Relation to Target
	RemoveObject  FixKind = "remove"  // Count of Object (of Color)
	RecolorObject FixKind = "recolor" // Count of Object (of color From) become Color
	MoveObject    FixKind = "move"    // Object (of Color) goes to Relation of Target
	ReplaceObject FixKind = "replace" // the From becomes an Object (of Color)
)

// Fix is one change of an image.
type Fix struct {
	Kind   FixKind
	Object string // class
	Color  string // wanted, or, of what is removed or moved, the one it has; may be empty
	// From is the class that is replaced, or the color that is changed if it tells the object
	// from others of its class.
	From  string
	Count int
	// All is set if Count is every object of the description: "the dog", "all dogs".
	All bool
	// More is set if there are such objects already: "one more dog".
	More        bool
	Relation    reflectionflow.Relation // of MoveObject, and of AddObject if required
	Target      string
	TargetColor string // if it tells the target from others of its class
	// Place is a place in the image, such as "at the top left": the new place of an object that is
	// added or moved, the present one of an object that is replaced (see [Locate]). It is worded
	// instead of the relation. Empty if unknown.
	Place string
}

// Fixes returns the changes after which the objects detected in an image meet a prompt by the
// rules of [Check], or nil if they already do. Objects of a wrong color are recolored, objects
// that are not required are replaced before new ones are added, and the least confident objects
// are removed first.
func Fixes(p reflectionflow.Prompt, objects []reflectionflow.Object) []Fix {
	if CheckAll(p.Requirements, objects) {
		return nil
	}
	return planFixes(p.Requirements, objects).fixes
}

// planFixes plans [Fixes] and carries them out on a copy of the objects, except additions and moves.
func planFixes(requirements []reflectionflow.Requirement, objects []reflectionflow.Object) fixer {
	m := fixer{objects: slices.Clone(objects), requirements: requirements}
	for _, class := range requiredClasses(requirements) {
		m.fixColors(class)
		m.fixCounts(class)
	}
	m.replaceSpare()
	m.fixPositions()
	return m
}

// fixer plans fixes and carries them out on a list of objects.
type fixer struct {
	objects      []reflectionflow.Object
	requirements []reflectionflow.Requirement
	fixes        []Fix
}

// requiredClasses lists the classes in requirements by first mention.
func requiredClasses(requirements []reflectionflow.Requirement) []string {
	var found []string
	for _, r := range requirements {
		for _, class := range []string{r.Object, r.Target} {
			if class != "" && !slices.Contains(found, class) {
				found = append(found, class)
			}
		}
	}
	return found
}

// wanted returns the requirements on the number of objects of a class.
func (m *fixer) wanted(class string) (counts []reflectionflow.Requirement) {
	for _, r := range m.requirements {
		if r.Kind != reflectionflow.Position && r.Object == class {
			counts = append(counts, r)
		}
	}
	for _, r := range m.requirements {
		for _, side := range [][2]string{{r.Object, r.Color}, {r.Target, r.TargetColor}} {
			mentioned := slices.ContainsFunc(counts, func(c reflectionflow.Requirement) bool { return c.Color == side[1] })
			if r.Kind == reflectionflow.Position && side[0] == class && !mentioned {
				counts = append(counts, one(class, side[1]))
			}
		}
	}
	return counts
}

// fixColors recolors objects of a class whose color is not required, until every required color
// has its objects or none are left to recolor.
func (m *fixer) fixColors(class string) {
	wanted := m.wanted(class)
	type change struct{ from, to string }
	var changes []change
	for _, r := range wanted {
		if r.Color == "" || r.Kind == reflectionflow.Absent {
			continue
		}
		for range m.lacking(r) {
			i := m.spareColor(class, wanted)
			if i < 0 {
				break
			}
			changes = append(changes, change{m.objects[i].Color, r.Color})
			m.objects[i].Color = r.Color
		}
	}
	total := m.count(class, "")
	for i, c := range changes {
		if slices.Index(changes, c) < i {
			continue // part of the first fix of its kind
		}
		same, sameTarget := 0, 0
		for _, d := range changes {
			if d == c {
				same++
			}
			if d.to == c.to {
				sameTarget++
			}
		}
		f := Fix{Kind: RecolorObject, Object: class, Color: c.to, From: c.from, Count: same}
		if sameTarget == total {
			if slices.IndexFunc(changes, func(d change) bool { return d.to == c.to }) < i {
				continue
			}
			f.From, f.Count, f.All = "", total, true
		} else if c.from != "" {
			f.All = m.count(class, c.from) == 0
		}
		m.fixes = append(m.fixes, f)
	}
}

// lacking is the number of objects of its color that a requirement is short of.
func (m *fixer) lacking(r reflectionflow.Requirement) int {
	if r.Kind == reflectionflow.AtLeast {
		// Only the most confident ones count.
		found := top(ranked(m.objects, r.Object, ""), max(r.Count, 1))
		return max(r.Count, 1) - len(ranked(found, r.Object, r.Color))
	}
	return r.Count - m.count(r.Object, r.Color)
}

// spareColor finds the most confident object of a class whose color may change, or -1.
func (m *fixer) spareColor(class string, wanted []reflectionflow.Requirement) int {
	best := -1
	for i, o := range m.objects {
		if o.Class != class || (best >= 0 && o.Confidence <= m.objects[best].Confidence) {
			continue
		}
		needed := slices.ContainsFunc(wanted, func(r reflectionflow.Requirement) bool {
			return r.Color != "" && r.Color == o.Color && r.Kind != reflectionflow.Absent &&
				(r.Kind == reflectionflow.AtLeast || m.count(class, o.Color) <= r.Count)
		})
		if !needed {
			best = i
		}
	}
	return best
}

func (m *fixer) count(class, color string) int { return len(ranked(m.objects, class, color)) }

// fixCounts removes surplus objects of a class and adds missing ones, colors first.
func (m *fixer) fixCounts(class string) {
	wanted := m.wanted(class)
	added := 0
	for _, plain := range []bool{false, true} {
		for _, r := range wanted {
			if (r.Color == "") != plain {
				continue
			}
			have := m.count(class, r.Color)
			if plain {
				have += added
			}
			switch {
			case r.Kind == reflectionflow.Absent:
				m.remove(class, r.Color, have)
			case r.Kind == reflectionflow.Exactly && have > r.Count:
				m.remove(class, r.Color, have-r.Count)
			case have < max(r.Count, 1):
				n := max(r.Count, 1) - have
				added += n
				m.fixes = append(m.fixes, Fix{Kind: AddObject, Object: class, Color: r.Color, Count: n, More: have > 0})
			}
		}
	}
}

// remove removes the n least confident objects of a class and color.
func (m *fixer) remove(class, color string, n int) {
	found := ranked(m.objects, class, color)
	n = min(n, len(found))
	if n == 0 {
		return
	}
	m.fixes = append(m.fixes, Fix{Kind: RemoveObject, Object: class, Color: color, Count: n, All: n == len(found)})
	for _, o := range found[len(found)-n:] {
		if i := slices.Index(m.objects, o); i >= 0 {
			m.objects = slices.Delete(m.objects, i, i+1)
		}
	}
}

// replaceSpare turns additions into replacements of objects whose class is not required, the most
// confident first.
func (m *fixer) replaceSpare() {
	required := requiredClasses(m.requirements)
	for i := 0; i < len(m.fixes); i++ {
		f := m.fixes[i]
		if f.Kind != AddObject {
			continue
		}
		spare := -1
		for k, o := range m.objects {
			if !slices.Contains(required, o.Class) && (spare < 0 || o.Confidence > m.objects[spare].Confidence) {
				spare = k
			}
		}
		if spare < 0 {
			return
		}
		replace := Fix{Kind: ReplaceObject, Object: f.Object, Color: f.Color, From: m.objects[spare].Class, Count: 1}
		replace.All = m.count(replace.From, "") == 1
		m.objects[spare].Class = f.Object
		if f.Color != "" {
			m.objects[spare].Color = f.Color
		}
		if f.Count--; f.Count == 0 {
			m.fixes[i] = replace
		} else {
			f.More = true
			m.fixes[i] = f
			m.fixes = slices.Insert(m.fixes, i, replace)
		}
	}
}

// fixPositions moves misplaced objects and gives added ones their relation.
func (m *fixer) fixPositions() {
	for _, r := range m.requirements {
		if r.Kind != reflectionflow.Position {
			continue
		}
		met, _ := Check(r, m.objects)
		if met || m.addInRelation(r) || m.addInRelation(inverse(r)) || m.keepPair(r) {
			continue
		}
		f := Fix{
			Kind: MoveObject, Object: r.Object, Count: max(r.Count, 1), All: true,
			Relation: r.Relation, Target: r.Target,
		}
		if m.count(r.Object, "") > f.Count {
			f.Color = r.Color
		}
		if m.count(r.Target, "") > 1 {
			f.TargetColor = r.TargetColor
		}
		m.fixes = append(m.fixes, f)
	}
}

// addInRelation gives the relation to an object that is added. It reports whether there is such a
// fix.
func (m *fixer) addInRelation(r reflectionflow.Requirement) bool {
	i := slices.IndexFunc(m.fixes, func(f Fix) bool {
		return f.Kind == AddObject && f.Object == r.Object && f.Color == r.Color
	})
	if i < 0 {
		return false
	}
	if m.fixes[i].Relation == "" {
		m.fixes[i].Relation, m.fixes[i].Target = r.Relation, r.Target
		if m.count(r.Target, "") > 1 {
			m.fixes[i].TargetColor = r.TargetColor
		}
	}
	return true
}

// keepPair removes the other objects of two classes if one pair already has the relation: of two
// horses, one above the clock and one below, the one below. It reports whether there is such a
// pair and no removed object is required.
func (m *fixer) keepPair(r reflectionflow.Requirement) bool {
	for _, class := range []string{r.Object, r.Target} {
		if wanted := m.wanted(class); len(wanted) > 1 || wanted[0].Count > 1 {
			return false
		}
	}
	if r.Object == r.Target || r.Count > 1 {
		return false
	}
	for _, subject := range ranked(m.objects, r.Object, r.Color) {
		for _, target := range ranked(m.objects, r.Target, r.TargetColor) {
			if related(r.Relation, []reflectionflow.Object{subject}, []reflectionflow.Object{target}) {
				m.removeOthers(subject)
				m.removeOthers(target)
				return true
			}
		}
	}
	return false
}

// removeOthers removes all objects of a class but one, named by their color if it tells them from
// the kept one.
func (m *fixer) removeOthers(kept reflectionflow.Object) {
	var others []reflectionflow.Object
	m.objects = slices.DeleteFunc(m.objects, func(o reflectionflow.Object) bool {
		if o.Class != kept.Class || o == kept {
			return false
		}
		others = append(others, o)
		return true
	})
	if len(others) == 0 {
		return
	}
	f := Fix{Kind: RemoveObject, Object: kept.Class, Count: len(others)}
	if color := others[0].Color; color != kept.Color && allColored(others, color) {
		f.Color, f.All = color, true
	}
	m.fixes = append(m.fixes, f)
}
