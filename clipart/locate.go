package clipart

import (
	"math"
	"slices"

	"reflectionflow"
)

// Corrections returns what to change in an image with the given objects: its [Fixes], or, if the
// objects meet the prompt, what [Disambiguate] removes. It is empty if neither changes anything.
func Corrections(p reflectionflow.Prompt, seen []reflectionflow.Object) []Fix {
	return planCorrections(p.Requirements, seen).fixes
}

// planCorrections plans [Corrections] and carries them out on a copy of the objects, except additions and moves.
func planCorrections(requirements []reflectionflow.Requirement, seen []reflectionflow.Object) fixer {
	if CheckAll(requirements, seen) {
		return planDisambiguation(requirements, seen)
	}
	return planFixes(requirements, seen)
}

// LocatedCorrections is [Corrections] with the places that [Repair] plans for a seed, and the
// [Outline] of that plan. The outline is empty, and the corrections have no places, if an object
// has no box or nothing can be planned.
func LocatedCorrections(p reflectionflow.Prompt, seen []reflectionflow.Object, seed uint64) (fixes []Fix, outline string) {
	noBox := func(o reflectionflow.Object) bool { return o.Box == [4]float64{} }
	fixes = Corrections(p, seen)
	if slices.ContainsFunc(seen, noBox) {
		return fixes, ""
	}
	scene, err := Repair(p, seen, 0, seed)
	if err != nil {
		return fixes, ""
	}
	return Locate(fixes, inTheirCorners(seen), scene.Objects), Outline(scene, p.Requirements)
}

// inTheirCorners moves objects to the centers of their corners, as a plan that keeps them has
// them.
func inTheirCorners(seen []reflectionflow.Object) []reflectionflow.Object {
	snapped := slices.Clone(seen)
	for i := range snapped {
		x, y := cornerAt(cornerOf(snapped[i]))
		snapped[i].Box = [4]float64{x, y, x, y}
	}
	return snapped
}

func center(o reflectionflow.Object) (x, y float64) {
	return (o.Box[0] + o.Box[2]) / 2, (o.Box[1] + o.Box[3]) / 2
}

// Locate adds places to fixes, given the objects of the image and the planned scene: a generator
// follows "move the dog to the top right" better than "move the dog above the cat". Removals,
// which it follows less well with a place, and fixes of several objects stay unchanged. A move of
// the target, in addition or instead, becomes a fix of its own.
func Locate(fixes []Fix, before []reflectionflow.Object, after []Placement) []Fix {
	l := locator{}
	for _, b := range before {
		if !slices.ContainsFunc(after, func(a Placement) bool { return a.Class == b.Class && near(b, a) }) {
			l.gone = append(l.gone, b)
		}
	}
	for _, a := range after {
		if !slices.ContainsFunc(before, func(b reflectionflow.Object) bool { return a.Class == b.Class && near(b, a) }) {
			l.came = append(l.came, a)
		}
	}
	var located []Fix
	for _, f := range fixes {
		if f.Count != 1 {
			located = append(located, f)
			continue
		}
		switch f.Kind {
		case AddObject, MoveObject:
			f.Place = l.arrival(f.Object, f.Color)
		case ReplaceObject:
			l.takeOver(f)
			if place := l.departure(f.From); !f.All {
				f.Place = place
			}
		}
		target := ""
		if f.Kind == MoveObject {
			target = l.arrival(f.Target, f.TargetColor)
		}
		if target == "" || f.Place != "" {
			located = append(located, f)
		}
		if target != "" {
			located = append(located, Fix{Kind: MoveObject, Object: f.Target, Color: f.TargetColor, Count: 1, All: true, Place: target})
		}
	}
	return located
}

// nearby is how far the center of an object may be from that of its drawing, as a fraction of the
// side: a quarter of the distance between two corners.
const nearby = 0.16

func near(o reflectionflow.Object, p Placement) bool {
	x, y := center(o)
	return math.Abs(x-p.X) <= nearby && math.Abs(y-p.Y) <= nearby
}

// locator holds the objects that left a place and those that arrived at one. Each is used once.
type locator struct {
	gone []reflectionflow.Object
	came []Placement
}

func (l *locator) arrival(class, color string) string {
	for i, a := range l.came {
		if a.Class == class && (color == "" || a.Color == color) {
			l.came = slices.Delete(l.came, i, i+1)
			return place(a.X, a.Y)
		}
	}
	return ""
}

// takeOver removes the arrival that replaces another object.
func (l *locator) takeOver(f Fix) {
	i := slices.IndexFunc(l.gone, func(o reflectionflow.Object) bool { return o.Class == f.From })
	if i < 0 {
		return
	}
	j := slices.IndexFunc(l.came, func(a Placement) bool { return a.Class == f.Object && near(l.gone[i], a) })
	if j >= 0 {
		l.came = slices.Delete(l.came, j, j+1)
	}
}

func (l *locator) departure(class string) string {
	for i, o := range l.gone {
		if o.Class == class {
			l.gone = slices.Delete(l.gone, i, i+1)
			return place(center(o))
		}
	}
	return ""
}
