// Package photocases gives tests prompts about photographs, each with an image that shows what it asks for and images that
// do not: composites of cut-outs, by rules that know nothing of what a detector sees.
//
//	for i, c := range photocases.Cases(29, 13, composite.CutOuts()) {
//		right, objects := c.Right.Render(uint64(i), composite.CutOuts())
//	}
//
// A case, and the image of a shot, follow from their seeds and the cut-outs.
package photocases

import (
	"image"
	"math/rand/v2"
	"slices"

	"reflectionflow"
	"reflectionflow/internal/english"
	"reflectionflow/vision/composite"
)

// Side is the side of the images, in pixels.
const Side = 384

// Group is some things of a class. An empty color is that of the cut-out.
type Group struct {
	N            int
	Class, Color string
}

// Shot is what an image shows: groups from left to right, all of them on what On names, where it names something.
type Shot struct {
	Groups []Group
	On     Group
}

// Case is a prompt with a shot that shows it and shots that do not. Its kind is count, color, two objects, relation or on
// a sofa.
type Case struct {
	Kind, Prompt string
	Right        Shot
	Wrong        []Shot
}

// Cases draws n prompts of each kind about the classes of the cut-outs. Where there is a dog and a sofa, the first one is
// "two dogs on a red sofa". No prompt is there twice.
func Cases(seed uint64, n int, cuts []composite.CutOut) []Case {
	d := drawer{rng: rand.New(rand.NewPCG(seed, 4))}
	for _, c := range cuts {
		switch {
		case c.Class == sofa:
			d.sofa = true
		case !slices.Contains(d.classes, c.Class):
			d.classes = append(d.classes, c.Class)
		}
		if Tinted(c) && !slices.Contains(d.tinted, c.Class) {
			d.tinted = append(d.tinted, c.Class)
		}
		if !c.Cut && slices.Contains(small, c.Class) && !slices.Contains(d.small, c.Class) {
			d.small = append(d.small, c.Class)
		}
	}
	var list []Case
	if d.sofa && slices.Contains(d.classes, "dog") {
		list = append(list, d.onSofa(2, "dog", "bird", "red"))
	}
	for _, draw := range []func(i int) Case{d.count, d.color, d.twoObjects, d.relation, d.seated} {
		for i := range n {
			c := draw(i)
			for try := 0; try < 1000 && slices.ContainsFunc(list, func(other Case) bool { return other.Prompt == c.Prompt }); try++ {
				c = draw(i)
			}
			if c.Prompt != "" {
				list = append(list, c)
			}
		}
	}
	return list
}

const sofa = "couch"

// small are classes of things that are seen on sofas.
var small = []string{"apple", "banana", "bird", "broccoli", "carrot", "cat", "cup", "dog", "orange", "scissors", "sports ball", "teddy bear", "tennis racket"}

// tiny are classes of things that are small in life.
var tiny = []string{"apple", "banana", "bird", "broccoli", "carrot", "cup", "orange", "scissors", "sports ball", "teddy bear", "tennis racket"}

// outside are classes of things that are seen outdoors.
var outside = []string{"airplane", "bear", "bird", "bus", "car", "cow", "elephant", "giraffe", "horse", "sheep", "sports ball", "stop sign", "truck", "zebra"}

// Tinted reports whether a cut-out is one of a thing that is made in any color, and takes a color.
func Tinted(c composite.CutOut) bool {
	return slices.Contains([]string{"bus", "car", "couch", "cup", "truck"}, c.Class) && c.Tintable()
}

// drawer draws cases.
type drawer struct {
	rng                    *rand.Rand
	classes, tinted, small []string
	sofa                   bool
}

func (d drawer) two() (a, b string) {
	i := d.rng.Perm(len(d.classes))
	return d.classes[i[0]], d.classes[i[1]]
}

func (d drawer) colors() (a, b string) {
	i := d.rng.Perm(len(composite.Tints()))
	return composite.Tints()[i[0]], composite.Tints()[i[1]]
}

func row(groups ...Group) Shot { return Shot{Groups: groups} }

func one(class string) Group { return Group{1, class, ""} }

// count asks for two or three things.
func (d drawer) count(i int) Case {
	a, b := d.two()
	n := 2 + i%2
	return Case{"count", several(n, a), row(Group{n, a, ""}), []Shot{row(Group{n - 1, a, ""}), row(Group{n, b, ""}), row(one(a), one(b))}}
}

// color asks for a thing of a color.
func (d drawer) color(i int) Case {
	if len(d.tinted) == 0 {
		return Case{}
	}
	class := d.tinted[i%len(d.tinted)]
	color, other := d.colors()
	a, b := d.two()
	if a == class {
		a = b
	}
	return Case{"color", article(color + " " + noun(class)), row(Group{1, class, color}), []Shot{row(Group{1, class, other}), row(one(a))}}
}

func (d drawer) twoObjects(int) Case {
	a, b := d.two()
	return Case{"two objects", article(noun(a)) + " and " + article(noun(b)), row(one(a), one(b)), []Shot{row(one(a)), row(one(b))}}
}

func (d drawer) relation(i int) Case {
	a, b := d.two()
	words := []string{" to the left of ", " to the right of ", " next to "}[i%3]
	right, wrong := row(one(a), one(b)), row(one(b), one(a))
	switch i % 3 {
	case 1:
		right, wrong = wrong, right
	case 2:
		wrong = row(Group{2, b, ""})
	}
	return Case{"relation", article(noun(a)) + words + article(noun(b)), right, []Shot{wrong, row(one(a)), row(one(b))}}
}

// seated asks for one or two things on a sofa.
func (d drawer) seated(i int) Case {
	if !d.sofa || len(d.small) < 2 {
		return Case{}
	}
	k := d.rng.Perm(len(d.small))
	color, _ := d.colors()
	return d.onSofa(1+i%3/2, d.small[k[0]], d.small[k[1]], color)
}

// onSofa asks for n things of a class on a sofa of a color.
func (d drawer) onSofa(n int, class, otherClass, color string) Case {
	otherColor := color
	for otherColor == color {
		otherColor, _ = d.colors()
	}
	on := func(n int, class, color string) Shot {
		return Shot{Groups: []Group{{n, class, ""}}, On: Group{1, sofa, color}}
	}
	wrong := []Shot{on(n, class, otherColor), on(n, otherClass, color), row(Group{n, class, ""})}
	if n > 1 {
		wrong = append(wrong, on(n-1, class, color))
	}
	return Case{"on a sofa", several(n, class) + " on " + article(color+" sofa"), on(n, class, color), wrong}
}

// noun is what people call a thing of a class.
func noun(class string) string {
	switch class {
	case sofa:
		return "sofa"
	case "sports ball":
		return "ball"
	}
	return class
}

func article(phrase string) string { return english.Article(phrase) }

// several are n things of a class in words.
func several(n int, class string) string {
	switch {
	case n == 1:
		return article(noun(class))
	case class == "person":
		return english.Number(n) + " people"
	}
	return english.Number(n) + " " + english.Plural(noun(class))
}

// Render renders the shot with the cut-outs of its classes, a square image of [Side], and lists the objects that are seen.
//
// The things share the width, each as large as its share and three fifths of the height allow, and stand on the ground, outdoors where
// one is seen there;
// what is small in life is smaller beside what is not.
// What stands on a sofa stands on its seat, in the middle three quarters of its width; it is a whole thing and not a bust.
// A thing whose lower edge is that of the photograph stands at the lower edge of the image.
func (s Shot) Render(seed uint64, cuts []composite.CutOut) (*image.NRGBA, []reflectionflow.Object) {
	p := painter{rng: rand.New(rand.NewPCG(seed, 5)), cuts: cuts}
	left, width, ground, height := 0.02, 0.96, 0.95, 0.6
	if s.On.N > 0 {
		top, h := p.put(s.On, place{x: 0.5, ground: ground, width: 0.9, height: 0.6})
		left, width, ground, height = 0.5-0.75*0.9/2, 0.75*0.9, top+0.6*h, 0.45
	}
	n := 0
	large, outdoors := s.On.N > 0, false
	for _, g := range s.Groups {
		outdoors = outdoors || s.On.N == 0 && slices.Contains(outside, g.Class)
		n += g.N
		large = large || !slices.Contains(tiny, g.Class)
	}
	share, at := width/float64(n), 0
	for _, g := range s.Groups {
		for range g.N {
			x := left + (float64(at)+0.5)*share + 0.04*share*(p.rng.Float64()-0.5)
			spot := place{x: x, ground: ground - 0.03*p.rng.Float64(), width: 0.92 * share, height: height, whole: s.On.N > 0}
			if large && slices.Contains(tiny, g.Class) {
				spot.width, spot.height = 0.7*spot.width, 0.7*spot.height
			}
			p.put(g, spot)
			at++
		}
	}
	return composite.Scene{Seed: seed, Outdoors: outdoors, Items: p.items}.Render(Side, Side)
}

// painter collects the items of a scene.
type painter struct {
	rng   *rand.Rand
	cuts  []composite.CutOut
	items []composite.Item
}

// place is where a thing stands and how large it may be. Where it is whole, it is no bust.
type place struct {
	x, ground, width, height float64
	whole                    bool
}

// put adds a thing, and returns its upper edge and its height.
func (p *painter) put(g Group, at place) (top, h float64) {
	var of []composite.CutOut
	for _, c := range p.cuts {
		if c.Class == g.Class && (!at.whole || !c.Cut) && (g.Color == "" || Tinted(c)) {
			of = append(of, c)
		}
	}
	c := of[p.rng.IntN(len(of))]
	size := c.Image.Bounds().Size()
	h = min(at.height, at.width*float64(size.Y)/float64(size.X))
	if c.Cut {
		at.ground = 1
	}
	p.items = append(p.items, composite.Item{CutOut: c, Color: g.Color, Center: [2]float64{at.x, at.ground - h/2}, Height: h, Mirror: p.rng.IntN(2) == 0})
	return at.ground - h, h
}
