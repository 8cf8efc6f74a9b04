package photo

import (
	"cmp"
	"image"
	"math"
	"slices"

	"reflectionflow"
	"reflectionflow/vision/colorname"
	"reflectionflow/vision/detection"
)

// scene is what was detected in one image.
type scene struct {
	*rules
	img     image.Image
	objects []*object // the most confident first
}

// object is a detection. present is the probability that there is such an object.
type object struct {
	class   string
	box     [4]float64
	present float64
	img     image.Image
	front   [][4]float64       // the boxes of what hides it
	colors  *colorname.Weights // nil until asked for
}

func newScene(k *rules, img image.Image, found []reflectionflow.Object) *scene {
	s := &scene{rules: k, img: img}
	for _, o := range found {
		s.objects = append(s.objects, &object{class: o.Class, box: o.Box, present: o.Confidence, img: img})
	}
	slices.SortStableFunc(s.objects, func(a, b *object) int { return cmp.Compare(b.present, a.present) })
	for _, o := range s.objects {
		for _, other := range s.objects {
			if other.hides(o) {
				o.front = append(o.front, other.box)
			}
		}
	}
	return s
}

// hides reports whether an object is surely there and mostly in the box of a larger one.
func (o *object) hides(larger *object) bool {
	const part, smaller = 0.5, 0.7
	area := detection.Area(o.box)
	return o != larger && o.present >= listed && area < smaller*detection.Area(larger.box) && detection.Shared(o.box, larger.box) > part*area
}

func (o *object) named() colorname.Weights {
	if o.colors == nil {
		w := colorname.Visible(o.img, o.box, o.front)
		o.colors = &w
	}
	return *o.colors
}

// seen is the object as evidence.
func (o *object) seen() reflectionflow.Object {
	return reflectionflow.Object{Class: o.class, Color: called(o.named(), ""), Box: o.box, Confidence: o.present}
}

// colored is the probability that people call the object by a color; 1 for any.
func (o *object) colored(color string) float64 {
	if color == "" {
		return 1
	}
	return shade.of(shares(o.named(), color))
}

// neighbors are colors that light and shadow, and people, confuse with a color.
var neighbors = map[string][]string{
	"black": {"gray"}, "gray": {"white", "black"}, "white": {"gray"}, "blue": {"purple"},
	"brown": {"orange", "red"}, "orange": {"brown", "yellow", "red"}, "yellow": {"orange", "green", "brown"}, "green": {"yellow"},
	"pink": {"red", "purple"}, "purple": {"pink", "blue"}, "red": {"brown", "pink", "orange"},
}

// called is the term that people most probably call a color by, but for one that is left out; empty for
// no color.
func called(w colorname.Weights, without string) (color string) {
	best := 0.0
	for _, term := range colorname.Terms() {
		if p := shade.of(shares(w, term)); term != without && w.Of(term) > 0 && p > best {
			color, best = term, p
		}
	}
	return color
}

// gray reports whether a term says nothing of hue.
func gray(term string) bool { return term == "black" || term == "gray" || term == "white" }

// leastHue is the share of an object that must have a hue for it to be of that color.
const leastHue = 0.25

// shares returns the share of a color and the share of its neighbors. What has no hue does not count
// against a hue: a red car has black tires and a blue cup is white inside. A hue counts against black,
// gray and white.
func shares(w colorname.Weights, color string) (own, near float64) {
	hue := 1 - w.Of("black") - w.Of("gray") - w.Of("white")
	scale := 1 / max(hue, leastHue)
	if gray(color) {
		scale = max(1-hue/(2*leastHue), 0)
	}
	for _, n := range neighbors[color] {
		near += w.Of(n)
	}
	return min(scale*w.Of(color), 1), min(scale*near, 1)
}

// listed are the objects that are more likely there than not.
func (s *scene) listed() []reflectionflow.Object {
	var list []reflectionflow.Object
	for _, o := range s.objects {
		if o.present >= listed {
			list = append(list, o.seen())
		}
	}
	return list
}

// of lists the detections of a noun's class.
func (s *scene) of(noun string) []*object {
	name, _, _ := s.class(noun)
	var list []*object
	for _, o := range s.objects {
		if o.class == name {
			list = append(list, o)
		}
	}
	return list
}

// likely are the objects that are more likely there than not, or else the most likely one.
func likely(objects []*object) []*object {
	var list []*object
	for _, o := range objects {
		if o.present >= listed {
			list = append(list, o)
		}
	}
	return list
}

// judge returns the probability that a requirement is met, and the objects that this rests on. known is
// false for a requirement that cannot be judged.
func (s *scene) judge(r reflectionflow.Requirement) (p float64, evidence []*object, known bool) {
	if !s.judges(r) {
		return 0, nil, false
	}
	color, _ := colorname.Term(r.Color)
	objects := s.of(r.Object)
	switch r.Kind {
	case reflectionflow.AtLeast, reflectionflow.Exactly, reflectionflow.AtMost, reflectionflow.Absent:
		p = within(r, s.numbers(s.of(r.Object), color))
		evidence = likely(objects)
		if color != "" && r.Kind != reflectionflow.AtLeast {
			evidence = slices.DeleteFunc(evidence, func(o *object) bool { return o.colored(color) < 0.5 })
		}
	case reflectionflow.Color:
		p, evidence = s.shaded(objects, color, r.Count), likely(objects)
	case reflectionflow.Place:
		p = s.placed.of(s.share(r, func(o *object) float64 { return inPlace(r.Value, o.box) }))
		evidence = likely(objects)
	case reflectionflow.Position:
		p, evidence = s.position(r)
	}
	return min(max(p, 0), 1), evidence, true
}

// have lists the probabilities that detections are there and of a color.
func have(objects []*object, color string) []float64 {
	var list []float64
	for _, o := range objects {
		list = append(list, o.present*o.colored(color))
	}
	return list
}

// distribution returns the probabilities of 0 to n successes among independent trials, n standing for n
// or more, by recurrence over the trials.
func distribution(trials []float64, n int) []float64 {
	p := make([]float64, n+1)
	p[0] = 1
	for _, success := range trials {
		p[n] += p[n-1] * success
		for k := n - 1; k > 0; k-- {
			p[k] = p[k]*(1-success) + p[k-1]*success
		}
		p[0] *= 1 - success
	}
	return p
}

// shaded is the probability that n objects have a color; all of them for 0. Errors about the colors of
// like objects go together, so the least of the probabilities counts and not their product.
func (k *rules) shaded(objects []*object, color string, n int) float64 {
	seen := likely(objects)
	if len(seen) < max(n, 1) {
		seen = objects[:min(max(n, 1), len(objects))]
	}
	is := k.some(objects, "", max(n, 1))
	if len(seen) == 0 {
		return is * k.tinted.of(0)
	}
	var colors []float64
	for _, o := range seen {
		colors = append(colors, o.colored(color))
	}
	slices.Sort(colors)
	if n > 0 {
		colors = colors[max(len(colors)-n, 0):]
	}
	return is * k.tinted.of(colors[0])
}

func sum(list []float64) (s float64) {
	for _, v := range list {
		s += v
	}
	return s
}

// share is the probability that the objects of a requirement are there and that one, weighed by its
// presence, has a property; all Count of them where there are several.
func (s *scene) share(r reflectionflow.Requirement, holds func(*object) float64) float64 {
	color, _ := colorname.Term(r.Color)
	n := max(r.Count, 1)
	all, held := 0.0, 0.0
	objects := s.of(r.Object)
	for _, o := range objects {
		p := o.present * o.colored(color)
		all += p
		held += p * holds(o)
	}
	if all == 0 {
		return 0
	}
	return s.some(objects, color, n) * math.Pow(held/all, float64(n))
}
