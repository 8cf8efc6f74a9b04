package clipart

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"

	"reflectionflow"
)

// Repair makes the scene that a wrong picture should have been: what is seen in it,
// put right for a prompt as [Corrections] says, on the same background. What need not
// change keeps its corner and its colour, two that are the wrong way round change
// places, and what is added gets a corner that became free, or any free one; where
// the prompt says nothing of places, an order as sampled scenes have is preferred.
// It is a scene of at most four objects of the size that they are sampled in; what
// stands in one corner with something surer is not seen, and what nobody asked for
// makes room. Every class has its first drawing, as a generator that was trained on
// [Sampler.FirstDrawing] draws it. Of equally good scenes the seed chooses. The error
// wraps [reflectionflow.ErrInvalid] where there is no such scene.
func Repair(prompt reflectionflow.Prompt, seen []reflectionflow.Object, background int, seed uint64) (Scene, error) {
	for _, r := range slices.Concat(prompt.Requirements, requirementsOf(seen)) {
		if err := known(r); err != nil {
			return Scene{}, fmt.Errorf("repair %q: %w", prompt.Text, err)
		}
	}
	m := planCorrections(prompt.Requirements, onePerCorner(seen))
	things, err := makeRoom(m.things(), prompt.Requirements)
	if err != nil {
		return Scene{}, fmt.Errorf("repair %q: %w", prompt.Text, err)
	}
	arrangements := arrangementsOf(things, rand.New(rand.NewPCG(seed, repairStream))) //nolint:gosec // reproducible on purpose
	placed := slices.ContainsFunc(prompt.Requirements, isPosition)
	slices.SortStableFunc(arrangements, func(a, b arrangement) int {
		if order := cmp.Or(cmp.Compare(b.kept, a.kept), cmp.Compare(b.reused, a.reused)); order != 0 || placed {
			return order
		}
		return cmp.Compare(b.ordered(prompt.Requirements), a.ordered(prompt.Requirements))
	})
	for _, a := range arrangements {
		scene := Scene{Background: background, Objects: a.objects}
		truth, err := scene.Truth(truthSide, truthSide)
		if err != nil {
			return Scene{}, fmt.Errorf("repair %q: %w", prompt.Text, err)
		}
		if satisfies(truth, prompt.Requirements) {
			return scene, nil
		}
	}
	return Scene{}, fmt.Errorf("%w: no way of placing %d objects satisfies %q", reflectionflow.ErrInvalid, len(things), prompt.Text)
}

// repairStream sets the random numbers of a mended scene apart from others of a seed.
const repairStream = 0x6d656e64

// requirementsOf asks for objects one by one, for their classes and colours to be
// checked.
func requirementsOf(objects []reflectionflow.Object) []reflectionflow.Requirement {
	var asked []reflectionflow.Requirement
	for _, o := range objects {
		asked = append(asked, one(o.Class, o.Color))
	}
	return asked
}

// corners is how many objects of the size of up to four objects have room.
const corners = 4

// cornerAt is the place of a corner: left to right, then top to bottom.
func cornerAt(corner int) (x, y float64) {
	const low = objectCells / 2.0 / lattice
	x, y = low, low
	if corner%2 == 1 {
		x = 1 - low
	}
	if corner >= 2 {
		y = 1 - low
	}
	return x, y
}

// cornerOf is the corner that an object is in.
func cornerOf(o reflectionflow.Object) int {
	corner := 0
	if o.Box[0]+o.Box[2] > 1 {
		corner++
	}
	if o.Box[1]+o.Box[3] > 1 {
		corner += 2
	}
	return corner
}

// onePerCorner leaves out what is seen less surely in the corner of something else.
func onePerCorner(seen []reflectionflow.Object) []reflectionflow.Object {
	surest := make(map[int]float64)
	for _, o := range seen {
		surest[cornerOf(o)] = max(surest[cornerOf(o)], o.Confidence)
	}
	var kept []reflectionflow.Object
	for _, o := range seen {
		if c := cornerOf(o); o.Confidence == surest[c] {
			kept = append(kept, o)
			surest[c] = -1 // of two as sure, the first
		}
	}
	return kept
}

// thing is an object of a scene with the corner it has in the picture, -1 for one
// that is added.
type thing struct {
	Placement
	corner     int
	confidence float64
}

// things are the objects that are left, and those that the fixes add.
func (m fixer) things() []thing {
	size := latticeSize(objectCells / float64(lattice))
	var things []thing
	for _, o := range m.objects {
		things = append(things, thing{Placement{Class: o.Class, Color: o.Color, Size: size}, cornerOf(o), o.Confidence})
	}
	for _, f := range m.fixes {
		if f.Kind == AddObject {
			for range f.Count {
				things = append(things, thing{Placement{Class: f.Object, Color: f.Color, Size: size}, -1, 1})
			}
		}
	}
	for i := range things {
		if things[i].Class == person {
			things[i].Color = "" // one that was something else had a colour
		}
	}
	return things
}

// makeRoom takes away what is not needed while there are more things than corners.
func makeRoom(things []thing, requirements []reflectionflow.Requirement) ([]thing, error) {
	counts := slices.DeleteFunc(slices.Clone(requirements), isPosition)
	for len(things) > corners {
		spare := -1
		for i, t := range things {
			if t.corner < 0 || (spare >= 0 && t.confidence >= things[spare].confidence) {
				continue
			}
			if CheckAll(counts, objectsOf(slices.Delete(slices.Clone(things), i, i+1))) {
				spare = i
			}
		}
		if spare < 0 {
			return nil, fmt.Errorf("%w: there is room for %d objects, and %d are needed", reflectionflow.ErrInvalid, corners, len(things))
		}
		things = slices.Delete(things, spare, spare+1)
	}
	return things, nil
}

func objectsOf(things []thing) []reflectionflow.Object {
	var objects []reflectionflow.Object
	for _, t := range things {
		objects = append(objects, reflectionflow.Object{Class: t.Class, Color: t.Color, Confidence: t.confidence})
	}
	return objects
}

// arrangement is one way of placing things.
type arrangement struct {
	objects []Placement
	kept    int // how many stay where they are
	reused  int // how many stand where something was
}

// arrangementsOf are all ways of placing things in the corners, in random order.
func arrangementsOf(things []thing, rng *rand.Rand) []arrangement {
	var taken [corners]bool
	for _, t := range things {
		if t.corner >= 0 {
			taken[t.corner] = true
		}
	}
	found := []arrangement{{}}
	for i, t := range things {
		var longer []arrangement
		for _, a := range found {
			for corner := range corners {
				x, y := cornerAt(corner)
				if slices.ContainsFunc(a.objects, func(o Placement) bool { return o.X == x && o.Y == y }) {
					continue
				}
				next := arrangement{append(slices.Clone(a.objects), t.Placement), a.kept, a.reused}
				next.objects[i].X, next.objects[i].Y = x, y
				if t.corner == corner {
					next.kept++
				}
				if taken[corner] {
					next.reused++
				}
				longer = append(longer, next)
			}
		}
		found = longer
	}
	rng.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	return found
}

// ordered is how many neighbours, as lines are read, stand in the order in which
// the requirements mention their classes.
func (a arrangement) ordered(requirements []reflectionflow.Requirement) int {
	mentioned := requiredClasses(requirements)
	objects := slices.Clone(a.objects)
	slices.SortFunc(objects, byPlace)
	ordered := 0
	for i := 1; i < len(objects); i++ {
		if slices.Index(mentioned, objects[i-1].Class) <= slices.Index(mentioned, objects[i].Class) {
			ordered++
		}
	}
	return ordered
}
