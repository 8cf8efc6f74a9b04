package clipart

import (
	"slices"
	"strings"

	"reflectionflow"
)

// Outline lists the required objects of a scene with their places, in reading order: "red dog top
// left, cat bottom right". It leaves out other classes, and colors unless the requirements name
// one of the class.
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

// Describe is the [Outline] of objects detected in an image, each in its nearest corner, as a
// caption: "dog top left, red cat bottom right." It is empty if no required object was detected.
func Describe(seen []reflectionflow.Object, requirements []reflectionflow.Requirement) string {
	var scene Scene
	for _, o := range inTheirCorners(seen) {
		x, y := center(o)
		scene.Objects = append(scene.Objects, Placement{Class: o.Class, Color: o.Color, X: x, Y: y})
	}
	if outline := Outline(scene, requirements); outline != "" {
		return outline + "."
	}
	return ""
}

// corner shortens the names of the four corners: "top left" for "at the top left".
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

// Directions joins the [Outline] of the planned image and an instruction. The outline comes first:
// if a text encoder cuts the text off, the outline makes up for the lost end of the instruction.
// Without an outline it is the instruction.
func Directions(outline, instruction string) string {
	if outline == "" || instruction == "" {
		return instruction
	}
	return outline + ". " + instruction
}

// Undirected takes apart what [Directions] has joined. The outline is empty where there is none.
func Undirected(directions string) (outline, instruction string) {
	if outline, instruction, found := strings.Cut(directions, ". "); found {
		return outline, instruction
	}
	return "", directions
}
