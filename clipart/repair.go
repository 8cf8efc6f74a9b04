package clipart

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"

	"reflectionflow"
)

// Repair plans the scene that a wrong image should have been: the objects seen in it, corrected as
// [Corrections] says, on the same background.
//
// What need not change keeps its corner and its color. Two objects in the wrong order swap places,
// and an added object gets a corner that became free, or any free one. If the prompt has no
// positions, an order as in sampled scenes is preferred. The scene has at most four objects of the
// size of sampled scenes: of two objects seen in one corner the less confident is dropped, and
// objects that are not required make room. Every class has its first drawing, as in
// [Sampler.FirstDrawing]. The seed chooses among equally good scenes.
//
// The error wraps [reflectionflow.ErrInvalid] if there is no such scene.
func Repair(prompt reflectionflow.Prompt, seen []reflectionflow.Object, background int, seed uint64) (Scene, error) {
	for _, r := range slices.Concat(prompt.Requirements, requirementsOf(seen)) {
		if err := known(r); err != nil {
			return Scene{}, fmt.Errorf("repair %q: %w", prompt.Text, err)
		}
	}
	m := planCorrections(prompt.Requirements, onePerCorner(seen))
	items, err := makeRoom(m.items(), prompt.Requirements)
	if err != nil {
		return Scene{}, fmt.Errorf("repair %q: %w", prompt.Text, err)
	}
	arrangements := arrangementsOf(items, rand.New(rand.NewPCG(seed, repairStream))) //nolint:gosec // reproducible on purpose
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
	return Scene{}, fmt.Errorf("%w: no way of placing %d objects satisfies %q", reflectionflow.ErrInvalid, len(items), prompt.Text)
}

// repairStream separates the random numbers of a repaired scene from others of the same seed.
const repairStream = 0x6d656e64

// requirementsOf asks for each object alone, to check its class and color.
func requirementsOf(objects []reflectionflow.Object) []reflectionflow.Requirement {
	var asked []reflectionflow.Requirement
	for _, o := range objects {
		asked = append(asked, one(o.Class, o.Color))
	}
	return asked
}

// corners is the number of places for objects of the usual size: one per quarter of the scene.
const corners = 4

// cornerAt is the center of a corner; corners are numbered in reading order.
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

// onePerCorner drops the less confident of two objects in one corner.
func onePerCorner(seen []reflectionflow.Object) []reflectionflow.Object {
	best := make(map[int]float64)
	for _, o := range seen {
		best[cornerOf(o)] = max(best[cornerOf(o)], o.Confidence)
	}
	var kept []reflectionflow.Object
	for _, o := range seen {
		if c := cornerOf(o); o.Confidence == best[c] {
			kept = append(kept, o)
			best[c] = -1 // of two equally confident objects, keep the first
		}
	}
	return kept
}

// item is an object of a scene with its corner in the image, -1 if it is added.
type item struct {
	Placement
	corner     int
	confidence float64
}

// items returns the remaining objects and those that the fixes add.
func (m fixer) items() []item {
	size := latticeSize(objectCells / float64(lattice))
	var items []item
	for _, o := range m.objects {
		items = append(items, item{Placement{Class: o.Class, Color: o.Color, Size: size}, cornerOf(o), o.Confidence})
	}
	for _, f := range m.fixes {
		if f.Kind == AddObject {
			for range f.Count {
				items = append(items, item{Placement{Class: f.Object, Color: f.Color, Size: size}, -1, 1})
			}
		}
	}
	for i := range items {
		if items[i].Class == person {
			items[i].Color = "" // it may have been recolored as another class
		}
	}
	return items
}

// makeRoom removes objects that are not required until each has a corner.
func makeRoom(items []item, requirements []reflectionflow.Requirement) ([]item, error) {
	counts := slices.DeleteFunc(slices.Clone(requirements), isPosition)
	for len(items) > corners {
		spare := -1
		for i, t := range items {
			if t.corner < 0 || (spare >= 0 && t.confidence >= items[spare].confidence) {
				continue
			}
			if CheckAll(counts, objectsOf(slices.Delete(slices.Clone(items), i, i+1))) {
				spare = i
			}
		}
		if spare < 0 {
			return nil, fmt.Errorf("%w: there is room for %d objects, and %d are needed", reflectionflow.ErrInvalid, corners, len(items))
		}
		items = slices.Delete(items, spare, spare+1)
	}
	return items, nil
}

func objectsOf(items []item) []reflectionflow.Object {
	var objects []reflectionflow.Object
	for _, t := range items {
		objects = append(objects, reflectionflow.Object{Class: t.Class, Color: t.Color, Confidence: t.confidence})
	}
	return objects
}

// arrangement is one assignment of items to corners.
type arrangement struct {
	objects []Placement
	kept    int // items that stay in their corner
	reused  int // items in a corner that had an object
}

// arrangementsOf returns all arrangements in random order.
func arrangementsOf(items []item, rng *rand.Rand) []arrangement {
	var taken [corners]bool
	for _, t := range items {
		if t.corner >= 0 {
			taken[t.corner] = true
		}
	}
	found := []arrangement{{}}
	for i, t := range items {
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

// ordered counts the pairs of neighbors, in reading order, that are in the order in which the
// requirements mention their classes.
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
