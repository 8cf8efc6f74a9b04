package photo

import (
	"cmp"
	"image"
	"slices"

	"reflectionflow"
	"reflectionflow/vision/detection"
)

// When an image gets no further look.
const (
	// settled is the probability from which on a requirement is taken for met.
	settled = 0.9
	// rounds is how often an image may get further looks, and together how many at a time.
	rounds, together = 2, 2
	// faintly is how many detections of a class that is asked for are considered in a look even if they are faint.
	faintly = 2
)

// sight is what the network has seen in an image up to now.
type sight struct {
	img    image.Image
	prompt reflectionflow.Prompt
	asked  asking
	things []*thing
	looks  []look // after the first one
}

// add adds what a further look shows.
func (s *sight) add(l look, found []reflectionflow.Object) {
	found = s.relevant(found)
	more := surprises(s.things, l, found, s.asked)
	addLook(s.things, l, found)
	s.things = append(s.things, more...)
}

// relevant leaves out what is faint, but for the clearest of each class that is asked for. It takes the most confident first.
func (s *sight) relevant(found []reflectionflow.Object) []reflectionflow.Object {
	kept := map[string]int{}
	return slices.DeleteFunc(slices.Clone(found), func(o reflectionflow.Object) bool {
		out := o.Confidence < faint && (!s.asked(o.Class) || kept[o.Class] >= faintly)
		if !out {
			kept[o.Class]++
		}
		return out
	})
}

// next are the looks of the next round: at what may decide a requirement that is open. There is none where all are settled.
// Without requirements, things are looked at closer, once.
func (s *sight) next() (looks []look) {
	if len(s.prompt.Requirements) == 0 {
		if len(s.looks) > 0 {
			return nil
		}
		return further(s.img.Bounds(), s.things, s.asked)
	}
	open := s.open()
	if len(open) == 0 {
		return nil
	}
	is := func(class string) bool { return slices.Contains(open, geneval(class)) }
	add := func(l look) {
		same := func(other look) bool {
			return other.mirror == l.mirror && (len(other.painted) > 0) == (len(l.painted) > 0) && detection.Overlap(other.part, l.part) > 0.6
		}
		if len(looks) < together && !slices.ContainsFunc(s.looks, same) && !slices.ContainsFunc(looks, same) {
			looks = append(looks, l)
		}
	}
	if front := s.front(open); len(front) > 0 {
		add(look{part: first.part, painted: front})
	}
	for _, l := range further(s.img.Bounds(), s.things, is) {
		add(l)
	}
	add(look{part: first.part, mirror: true})
	return looks
}

// open are the classes, as [geneval] names them, that requirements are about which are not settled. Colors do not count: no look changes them.
func (s *sight) open() (classes []string) {
	seen := newScene(&coco, s.img, objectsOf(s.things))
	for _, r := range s.prompt.Requirements {
		if r.Kind == reflectionflow.Color {
			r.Kind = reflectionflow.AtLeast
		}
		r.Color, r.TargetColor = "", ""
		p, _, known := seen.judge(r)
		if !known || p >= settled {
			continue
		}
		for _, noun := range []string{r.Object, r.Target, r.Second} {
			if name, _, known := class(noun); known && !slices.Contains(classes, name) {
				classes = append(classes, name)
			}
		}
	}
	return classes
}

// front are the boxes of what may hide things of the open classes: what is surely there, of another class that is asked for
// or of none that is. There are none where all open classes are seen.
func (s *sight) front(open []string) (boxes [][4]float64) {
	seen := map[string]float64{}
	for _, t := range s.things {
		for class, p := range t.classes(sure, wanted) {
			seen[geneval(class)] = max(seen[geneval(class)], p)
		}
	}
	hidden := slices.ContainsFunc(open, func(class string) bool { return seen[class] < listed })
	if !hidden {
		return nil
	}
	for _, t := range s.things {
		for class, p := range t.classes(sure, wanted) {
			if p >= listed && s.asked(class) {
				boxes = append(boxes, clipped(t.box))
				break
			}
		}
	}
	return boxes
}

// objectsOf are the objects that things may be, with calibrated confidences, the most confident first. Where things of
// different classes are nearly in one place, there is only one: the less confident one is there as far as the other is not.
func objectsOf(things []*thing) (list []reflectionflow.Object) {
	for _, t := range things {
		list = append(list, t.objects()...)
	}
	slices.SortStableFunc(list, func(a, b reflectionflow.Object) int { return cmp.Compare(b.Confidence, a.Confidence) })
	for i := range list {
		for _, other := range list[:i] {
			if other.Class != list[i].Class && other.Box != list[i].Box && detection.Overlap(other.Box, list[i].Box) >= rivalry {
				list[i].Confidence *= 1 - other.Confidence
			}
		}
	}
	return list
}
