package clipart

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"reflectionflow"
)

// doubleFlawRate is the percentage of flawed scenes that have a second flaw.
const doubleFlawRate = 30

// Flaw returns a flawed variant of a scene that satisfies a prompt, and the instruction that
// corrects it. An object is missing, added, of the wrong color, class or place, or the same as
// another, or two colors are swapped; everything else is unchanged. At least one requirement does
// not hold by [Check]. The instruction is [Instruction] of the [Fixes] with their places. The
// error wraps [reflectionflow.ErrInvalid] if the scene is invalid or does not satisfy the prompt,
// or the prompt has no requirements.
func Flaw(scene Scene, prompt reflectionflow.Prompt, rng *rand.Rand) (flawed Scene, instruction string, err error) {
	return Sampler{}.Flaw(scene, prompt, rng)
}

// Flaw is the function [Flaw] with wrong objects of the sampler's classes only.
func (s Sampler) Flaw(scene Scene, prompt reflectionflow.Prompt, rng *rand.Rand) (flawed Scene, instruction string, err error) {
	truth, err := scene.Truth(truthSide, truthSide)
	if err != nil {
		return Scene{}, "", fmt.Errorf("flaw a scene: %w", err)
	}
	if len(prompt.Requirements) == 0 || !CheckAll(prompt.Requirements, truth) {
		return Scene{}, "", fmt.Errorf("%w: the scene to flaw does not satisfy %q", reflectionflow.ErrInvalid, prompt.Text)
	}
	flawed, instruction = s.flawOnce(scene, scene, prompt, rng)
	if instruction != "" && rng.IntN(100) < doubleFlawRate {
		if twice, both := s.flawOnce(flawed, scene, prompt, rng); both != "" {
			return twice, both, nil
		}
	}
	if instruction == "" {
		return Scene{}, "", fmt.Errorf("%w: no flaw of the scene misses %q", reflectionflow.ErrInvalid, prompt.Text)
	}
	return flawed, instruction, nil
}

// edit changes one part of a scene and reports whether it could.
type edit func(s *Scene, prompt reflectionflow.Prompt, rng *rand.Rand) bool

// flawOnce tries edits in random order until a requirement no longer holds. Common mistakes of
// generators come first more often: wrong places, one color for two objects, too many objects. The
// scene right has the correct places. Removing the only object comes last: an empty image is a
// poor example.
func (s Sampler) flawOnce(scene, right Scene, prompt reflectionflow.Prompt, rng *rand.Rand) (Scene, string) {
	edits := slices.Concat(
		slices.Repeat([]edit{wrongPlace}, 5), slices.Repeat([]edit{sameColor}, 3), slices.Repeat([]edit{swapColors, s.extraObject}, 2),
		[]edit{dropObject, wrongColor, s.wrongClass, sameObject},
	)
	rng.Shuffle(len(edits), func(i, j int) { edits[i], edits[j] = edits[j], edits[i] })
	if len(scene.Objects) == 1 {
		edits = append(edits, removeOnly)
	}
	for _, change := range edits {
		flawed := Scene{Background: scene.Background, Objects: slices.Clone(scene.Objects)}
		if !change(&flawed, prompt, rng) {
			continue
		}
		truth, err := flawed.Truth(truthSide, truthSide)
		if err != nil || len(truth) != len(flawed.Objects) {
			continue // an object is hidden, and the instruction would miss it
		}
		if fixes := Fixes(prompt, truth); len(fixes) > 0 {
			return flawed, Instruction(Locate(fixes, truth, right.Objects))
		}
	}
	return Scene{}, ""
}

// dropObject removes one object, and of more than three sometimes two.
func dropObject(s *Scene, _ reflectionflow.Prompt, rng *rand.Rand) bool {
	if len(s.Objects) < 2 {
		return false
	}
	n := 1
	if len(s.Objects) > 3 {
		n += rng.IntN(2)
	}
	for range n {
		i := rng.IntN(len(s.Objects))
		s.Objects = slices.Delete(s.Objects, i, i+1)
	}
	return true
}

func removeOnly(s *Scene, _ reflectionflow.Prompt, _ *rand.Rand) bool {
	s.Objects = nil
	return true
}

// extraObject adds one or two objects of a class that is counted or must be absent.
func (s Sampler) extraObject(scene *Scene, prompt reflectionflow.Prompt, rng *rand.Rand) bool {
	var candidates []Placement
	for _, r := range prompt.Requirements {
		if r.Kind == reflectionflow.Absent {
			size := 0.3 + 0.1*rng.Float64()
			if len(scene.Objects) > 0 {
				size = min(size, scene.Objects[0].Size)
			}
			candidates = append(candidates, Placement{Class: r.Object, Color: r.Color, Size: size})
		}
		for _, o := range scene.Objects {
			if r.Kind == reflectionflow.Exactly && o.Class == r.Object && (r.Color == "" || r.Color == o.Color) {
				candidates = append(candidates, o)
			}
		}
	}
	if len(candidates) == 0 {
		return false
	}
	extra := candidates[rng.IntN(len(candidates))]
	added := false
	for range 1 + rng.IntN(4)/3 {
		s.chooseDrawing(&extra, rng)
		if !addAnywhere(scene, extra, rng) {
			break
		}
		added = true
	}
	return added
}

// addAnywhere places an object where there is room, smaller if necessary.
func addAnywhere(s *Scene, o Placement, rng *rand.Rand) bool {
	for try := range 90 {
		if try == 30 || try == 60 {
			o.Size *= 0.85
		}
		o.X, o.Y = between(o.Size/2, 1-o.Size/2, rng), between(o.Size/2, 1-o.Size/2, rng)
		o.snap()
		if !overlapsAny(o, s.Objects) {
			s.Objects = append(s.Objects, o)
			return true
		}
	}
	return false
}

// colorsAsked are the indices of the objects whose color was asked for.
func colorsAsked(s *Scene, prompt reflectionflow.Prompt) (indices []int) {
	for i, o := range s.Objects {
		if o.Color != "" && slices.ContainsFunc(prompt.Requirements, func(r reflectionflow.Requirement) bool {
			return r.Object == o.Class && r.Color == o.Color
		}) {
			indices = append(indices, i)
		}
	}
	return indices
}

// wrongColor gives an object another color than was asked for.
func wrongColor(s *Scene, prompt reflectionflow.Prompt, rng *rand.Rand) bool {
	asked := colorsAsked(s, prompt)
	if len(asked) == 0 {
		return false
	}
	o := &s.Objects[asked[rng.IntN(len(asked))]]
	wrong := o.Color
	for wrong == o.Color {
		wrong = anyColor(rng)
	}
	o.Color = wrong
	return true
}

// sameColor gives an object the color that was asked for of another.
func sameColor(s *Scene, prompt reflectionflow.Prompt, rng *rand.Rand) bool {
	asked := colorsAsked(s, prompt)
	rng.Shuffle(len(asked), func(i, j int) { asked[i], asked[j] = asked[j], asked[i] })
	for _, j := range asked {
		if a, b := &s.Objects[asked[0]], s.Objects[j]; a.Color != b.Color {
			a.Color = b.Color
			return true
		}
	}
	return false
}

// swapColors exchanges two colors that were asked for.
func swapColors(s *Scene, prompt reflectionflow.Prompt, rng *rand.Rand) bool {
	asked := colorsAsked(s, prompt)
	rng.Shuffle(len(asked), func(i, j int) { asked[i], asked[j] = asked[j], asked[i] })
	for _, j := range asked {
		a, b := &s.Objects[asked[0]], &s.Objects[j]
		if a.Color != b.Color {
			a.Color, b.Color = b.Color, a.Color
			return true
		}
	}
	return false
}

// wrongPlace swaps the two objects of a position, or moves one of them.
func wrongPlace(s *Scene, prompt reflectionflow.Prompt, rng *rand.Rand) bool {
	for _, r := range prompt.Requirements {
		if r.Kind != reflectionflow.Position {
			continue
		}
		i := slices.IndexFunc(s.Objects, func(o Placement) bool {
			return o.Class == r.Object && (r.Color == "" || r.Color == o.Color)
		})
		j := slices.IndexFunc(s.Objects, func(o Placement) bool {
			return o.Class == r.Target && (r.TargetColor == "" || r.TargetColor == o.Color)
		})
		if i < 0 || j < 0 {
			continue
		}
		if rng.IntN(2) == 0 {
			moved := s.Objects[i]
			rest := Scene{Objects: slices.Delete(slices.Clone(s.Objects), i, i+1)}
			if addAnywhere(&rest, moved, rng) {
				s.Objects[i] = rest.Objects[len(rest.Objects)-1]
				s.Objects[i].Size = min(moved.Size, s.Objects[i].Size)
				return true
			}
		}
		a, b := &s.Objects[i], &s.Objects[j]
		a.X, a.Y, b.X, b.Y = b.X, b.Y, a.X, a.Y
		a.snap()
		b.snap()
		return true
	}
	return false
}

// sameObject replaces an object by a copy of another.
func sameObject(s *Scene, _ reflectionflow.Prompt, rng *rand.Rand) bool {
	if len(s.Objects) < 2 {
		return false
	}
	i := rng.IntN(len(s.Objects))
	for _, j := range rng.Perm(len(s.Objects)) {
		if o, twin := &s.Objects[i], s.Objects[j]; o.Class != twin.Class {
			o.Class, o.Color, o.Drawing = twin.Class, twin.Color, twin.Drawing
			return true
		}
	}
	return false
}

// wrongClass changes the class of an object to one that is not required.
func (s Sampler) wrongClass(scene *Scene, prompt reflectionflow.Prompt, rng *rand.Rand) bool {
	if len(scene.Objects) == 0 {
		return false
	}
	required := requiredClasses(prompt.Requirements)
	o := &scene.Objects[rng.IntN(len(scene.Objects))]
	wrong := slices.DeleteFunc(s.Known(), func(class string) bool {
		return class == o.Class || slices.Contains(required, class) || (class == person && o.Color != "")
	})
	if len(wrong) == 0 {
		return false
	}
	o.Class = wrong[rng.IntN(len(wrong))]
	s.chooseDrawing(o, rng)
	return true
}
