package clipart

import (
	"slices"
	"strings"

	"reflectionflow"
)

// Outline says in few words where what is asked for is to be, as lines are read: "red
// dog top left, cat bottom right". What the requirements do not speak of, objects of
// other classes and colours of these, is left out, so that an outline is about nothing
// that its prompt is not about.
func Outline(scene Scene, requirements []reflectionflow.Requirement) string {
	objects := slices.Clone(scene.Objects)
	slices.SortStableFunc(objects, byPlace)
	classes := requiredClasses(requirements)
	var parts []string
	for _, o := range objects {
		if !slices.Contains(classes, o.Class) {
			continue
		}
		name := o.Class
		if namesColor(requirements, o.Class) {
			name = colored(o.Color, o.Class)
		}
		parts = append(parts, name+" "+corner(place(o.X, o.Y)))
	}
	return strings.Join(parts, ", ")
}

// Describe is the [Outline] of objects that were seen in a picture, each in the corner
// that it is nearest to, as a caption: "dog top left, red cat bottom right." It is empty
// where nothing was seen that the requirements speak of.
func Describe(seen []reflectionflow.Object, requirements []reflectionflow.Requirement) string {
	var scene Scene
	for _, o := range inTheirCorners(seen) {
		x, y := centre(o)
		scene.Objects = append(scene.Objects, Placement{Class: o.Class, Color: o.Color, X: x, Y: y})
	}
	if outline := Outline(scene, requirements); outline != "" {
		return outline + "."
	}
	return ""
}

// corner shortens the four places that nearly all objects have: "top left" for "at the
// top left".
func corner(place string) string {
	if short := strings.TrimPrefix(place, "at the "); strings.Contains(short, " ") {
		return short
	}
	return place
}

func namesColor(requirements []reflectionflow.Requirement, class string) bool {
	return slices.ContainsFunc(requirements, func(r reflectionflow.Requirement) bool {
		return r.Object == class && r.Color != "" || r.Target == class && r.TargetColor != ""
	})
}

// Directions is an instruction after the [Outline] of the picture that it leads to. The
// outline comes first: a text encoder that cuts a long text off then misses words of
// the instruction, which the outline makes up for. Without an outline it is the
// instruction.
func Directions(outline, instruction string) string {
	if outline == "" || instruction == "" {
		return instruction
	}
	return outline + ". " + instruction
}
