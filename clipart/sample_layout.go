package clipart

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"reflectionflow"
)

// maxLayout is the largest number of objects in a layout.
const maxLayout = 16

// truthSide is the side in pixels at which scenes are checked. Visibility hardly depends on it.
const truthSide = 128

// relationMargin is the least reduced offset over distance for the relations of a scene; GenEval
// asks for more than 0.5.
const relationMargin = 0.6

// Layout returns a random scene that satisfies the requirements. Objects are inside the frame and
// hardly overlap; they have natural colors unless others are required, and mostly places that a
// caption tells apart. The error wraps [reflectionflow.ErrInvalid] if the requirements ask for no
// object, for more than 16, or for unknown classes or colors, or exclude each other.
func Layout(requirements []reflectionflow.Requirement, rng *rand.Rand) (Scene, error) {
	var scene Scene
	var err error
	for range 8 {
		scene, err = Sampler{}.layout(requirements, 0, rng)
		if err != nil {
			return Scene{}, err
		}
		if distinctPlaces(scene) {
			return scene, nil
		}
	}
	return scene, nil
}

// distinctPlaces reports whether words tell all objects' places apart.
func distinctPlaces(scene Scene) bool {
	seen := make(map[string]bool, len(scene.Objects))
	for _, o := range scene.Objects {
		seen[place(o.X, o.Y)] = true
	}
	return len(seen) == len(scene.Objects)
}

// layout is [Layout] that tints the given percentage of the objects without a required color.
func (s Sampler) layout(requirements []reflectionflow.Requirement, tintRate int, rng *rand.Rand) (Scene, error) {
	things, err := objectsFor(requirements)
	if err != nil {
		return Scene{}, err
	}
	tries, shrink := 60, 1.0
	if len(things) > 2 && slices.ContainsFunc(requirements, isPosition) {
		// Random places rarely have the relation, and it needs room.
		tries, shrink = 1500, 0.8
	}
	for try := range tries {
		scene := Scene{Background: rng.IntN(len(backgrounds)), Objects: slices.Clone(things)}
		s.chooseLooks(scene.Objects, tintRate, rng)
		size(scene.Objects, shrink)
		if try < tries*2/3 {
			if !arrange(scene.Objects, requirements, rng) {
				continue
			}
		} else {
			arrangeGrid(scene.Objects, rng)
		}
		if !slices.ContainsFunc(requirements, isPosition) {
			inReadingOrder(scene.Objects)
		}
		truth, err := scene.Truth(truthSide, truthSide)
		if err != nil {
			return Scene{}, fmt.Errorf("check layout: %w", err)
		}
		if satisfies(truth, requirements) {
			return scene, nil
		}
	}
	return Scene{}, fmt.Errorf("%w: no layout satisfies %q", reflectionflow.ErrInvalid, ShortCaption(requirements))
}

func isPosition(r reflectionflow.Requirement) bool { return r.Kind == reflectionflow.Position }

// objectsFor lists the objects that satisfy the counts, without places, by first mention of their
// class. Colored objects come first in a class, because a color is checked on the first objects.
func objectsFor(requirements []reflectionflow.Requirement) ([]Placement, error) {
	type kind struct{ class, color string }
	counts := make(map[kind]int)
	var kinds []kind
	add := func(class, color string, n int) {
		k := kind{class, color}
		if _, known := counts[k]; !known {
			kinds = append(kinds, k)
		}
		counts[k] = max(counts[k], n)
	}
	for _, r := range requirements {
		if err := known(r); err != nil {
			return nil, err
		}
		switch r.Kind {
		case reflectionflow.Position:
			add(r.Object, r.Color, max(r.Count, 1))
			add(r.Target, r.TargetColor, 1)
		case reflectionflow.AtLeast, reflectionflow.Exactly:
			add(r.Object, r.Color, max(r.Count, 1))
		}
	}
	var objects []Placement
	for _, plain := range []bool{false, true} {
		for _, k := range kinds {
			if (k.color == "") != plain {
				continue
			}
			n := counts[k]
			if plain {
				// "two dogs and a red dog" are two dogs, one of them red.
				n -= countClass(objects, k.class)
			}
			if n > maxLayout-len(objects) {
				return nil, fmt.Errorf("%w: more than %d objects in one scene", reflectionflow.ErrInvalid, maxLayout)
			}
			for range n {
				objects = append(objects, Placement{Class: k.class, Color: k.color})
			}
		}
	}
	if len(objects) == 0 {
		return nil, fmt.Errorf("%w: the requirements ask for no object", reflectionflow.ErrInvalid)
	}
	mentioned := requiredClasses(requirements)
	slices.SortStableFunc(objects, func(a, b Placement) int {
		return slices.Index(mentioned, a.Class) - slices.Index(mentioned, b.Class)
	})
	return objects, nil
}

// known reports classes and colors outside the vocabulary, and counts outside the bounds.
func known(r reflectionflow.Requirement) error {
	named := []string{r.Object}
	if r.Target != "" || r.Kind == reflectionflow.Position {
		named = append(named, r.Target)
	}
	for _, class := range named {
		if !slices.Contains(classes().names, class) {
			return fmt.Errorf("%w: unknown class %q", reflectionflow.ErrInvalid, class)
		}
	}
	for _, color := range []string{r.Color, r.TargetColor} {
		if color != "" && !slices.Contains(colorNames[:], color) {
			return fmt.Errorf("%w: unknown color %q", reflectionflow.ErrInvalid, color)
		}
	}
	if r.Count < 0 || r.Count > maxLayout {
		return fmt.Errorf("%w: %d of %s: a scene holds at most %d objects", reflectionflow.ErrInvalid, r.Count, r.Object, maxLayout)
	}
	return nil
}

func countClass(objects []Placement, class string) int {
	n := 0
	for _, o := range objects {
		if o.Class == class {
			n++
		}
	}
	return n
}

// chooseLooks chooses drawings, and for the given percentage of classes without a required color
// one color for all objects.
func (s Sampler) chooseLooks(objects []Placement, tintRate int, rng *rand.Rand) {
	tints := make(map[string]string)
	for _, o := range objects {
		if o.Color != "" {
			tints[o.Class] = "" // a color is required: the other objects keep their natural colors
		}
	}
	for i := range objects {
		o := &objects[i]
		s.chooseDrawing(o, rng)
		if o.Color != "" {
			continue
		}
		if _, chosen := tints[o.Class]; !chosen {
			tints[o.Class] = sometimesColor(o.Class, tintRate, rng)
		}
		o.Color = tints[o.Class]
	}
}

// objectCells is the side of an object in cells of the lattice. It is the same for one to four
// objects, so that a model learns each class at one size.
const objectCells = 3

// size sets the sides of the objects, smaller only if a grid of them needs it.
func size(objects []Placement, shrink float64) {
	cells := math.Floor(min(objectCells, lattice/gridSide(len(objects))))
	side := latticeSize(shrink * cells / lattice)
	for i := range objects {
		objects[i].Size = side
	}
}

func gridSide(n int) float64 { return math.Ceil(math.Sqrt(float64(n))) }

// arrange places the objects at random and reports whether there was room for all.
func arrange(objects []Placement, requirements []reflectionflow.Requirement, rng *rand.Rand) bool {
	if len(objects) == 2 && objects[0].Class != objects[1].Class {
		for _, r := range requirements {
			if r.Kind == reflectionflow.Position {
				arrangePair(objects, r, rng)
				return !overlapsAny(objects[1], objects[:1])
			}
		}
	}
	for i := range objects {
		placed := false
		for range 16 {
			half := objects[i].Size / 2
			objects[i].X, objects[i].Y = between(half, 1-half, rng), between(half, 1-half, rng)
			objects[i].snap()
			if placed = !overlapsAny(objects[i], objects[:i]); placed {
				break
			}
		}
		if !placed {
			return false
		}
	}
	return true
}

// arrangePair places two objects in a relation: well apart along its axis, nearly level across it.
func arrangePair(objects []Placement, r reflectionflow.Requirement, rng *rand.Rand) {
	first, second := &objects[0], &objects[1]
	if first.Class != r.Object {
		first, second = second, first
	}
	if r.Relation == reflectionflow.RightOf || r.Relation == reflectionflow.Below {
		first, second = second, first
	}
	// From here first is left of or above second.
	room := 1 - (first.Size+second.Size)/2
	apart := between(min(0.98*(first.Size+second.Size)/2, room), room, rng)
	start := between(first.Size/2, 1-second.Size/2-apart, rng)
	half := max(first.Size, second.Size) / 2
	level := between(half, 1-half, rng)
	shift := between(-0.3, 0.3, rng) * apart
	across := min(max(level+shift, second.Size/2), 1-second.Size/2)
	if r.Relation == reflectionflow.LeftOf || r.Relation == reflectionflow.RightOf {
		first.X, first.Y, second.X, second.Y = start, level, start+apart, across
	} else {
		first.X, first.Y, second.X, second.Y = level, start, across, start+apart
	}
	first.snap()
	second.snap()
}

// arrangeGrid places the objects in random cells of a grid, slightly off the cells' centers. It
// always has room.
func arrangeGrid(objects []Placement, rng *rand.Rand) {
	side := int(gridSide(len(objects)))
	rows := (len(objects) + side - 1) / side
	cells := rng.Perm(side * rows)
	for i := range objects {
		half := objects[i].Size / 2
		slackX := max(0.5/float64(side)-half, 0)
		slackY := max(0.5/float64(rows)-half, 0)
		x := (float64(cells[i]%side)+0.5)/float64(side) + between(-slackX, slackX, rng)
		y := (float64(cells[i]/side)+0.5)/float64(rows) + between(-slackY, slackY, rng)
		objects[i].X, objects[i].Y = x, y
		objects[i].snap()
	}
}

// inReadingOrder swaps the places of the objects, all of one size, so that the first object comes
// first in reading order. Without positions, the place of an object then follows from the text and
// the other places and not from chance.
func inReadingOrder(objects []Placement) {
	places := slices.Clone(objects)
	slices.SortFunc(places, byPlace)
	for i, p := range places {
		objects[i].X, objects[i].Y = p.X, p.Y
	}
}

// byPlace compares places in reading order: top to bottom, then left to right.
func byPlace(a, b Placement) int { return cmp.Or(cmp.Compare(a.Y, b.Y), cmp.Compare(a.X, b.X)) }

func between(low, high float64, rng *rand.Rand) float64 {
	return low + (max(high, low)-low)*rng.Float64()
}

// overlapTolerance is how far two squares may overlap, as a fraction of the smaller side: drawings
// seldom fill their corners.
const overlapTolerance = 0.06

func overlapsAny(o Placement, others []Placement) bool {
	return slices.ContainsFunc(others, func(p Placement) bool {
		apart := max(math.Abs(o.X-p.X), math.Abs(o.Y-p.Y))
		return (o.Size+p.Size)/2-apart > overlapTolerance*min(o.Size, p.Size)
	})
}

// satisfies reports whether the objects of a scene meet the requirements, with a margin for
// relations.
func satisfies(truth []reflectionflow.Object, requirements []reflectionflow.Requirement) bool {
	if !CheckAll(requirements, truth) {
		return false
	}
	for _, r := range requirements {
		if r.Kind != reflectionflow.Position {
			continue
		}
		subjects, targets := pair(r, truth)
		for _, s := range subjects {
			if RelationStrength(r.Relation, s.Box, targets[0].Box) < relationMargin {
				return false
			}
		}
	}
	return true
}

// RelationStrength is how clearly box a has a relation to box b: the reduced offset over the
// distance, from -1 to 1. [Relations] contains the relation if it is above 0.5.
func RelationStrength(relation reflectionflow.Relation, a, b [4]float64) float64 {
	dx, dy := direction(a, b)
	switch relation {
	case reflectionflow.LeftOf:
		return -dx
	case reflectionflow.RightOf:
		return dx
	case reflectionflow.Above:
		return -dy
	default:
		return dy
	}
}
