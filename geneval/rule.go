package geneval

import (
	"cmp"
	"fmt"
	"image"
	"maps"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/clipart"
)

// Thresholds say which detections count: those of a confidence strictly above
// the figure. They are a property of the judge.
type Thresholds struct {
	Score    float64 `json:"score"`    // for all other tasks
	Counting float64 `json:"counting"` // for counting and counting_attr
}

// OfficialThresholds are those of GenEval's evaluate_images.py, made for its
// Mask2Former.
func OfficialThresholds() Thresholds { return Thresholds{Score: 0.3, Counting: 0.9} }

// Calibrated is a [Detector] that knows the thresholds that suit it. They must
// have been fitted on images that no evaluation uses.
type Calibrated interface {
	Thresholds() Thresholds
}

// ThresholdsOf are the judge's own where it has some, and the official ones
// otherwise.
func ThresholdsOf(judge Detector) Thresholds {
	if c, ok := judge.(Calibrated); ok {
		return c.Thresholds()
	}
	return OfficialThresholds()
}

// counted lists what [Thresholds.Keep] returns, by class name.
func (t Thresholds) counted(tag string, objects []reflectionflow.Object) []reflectionflow.Object {
	kept := t.Keep(tag, objects)
	var list []reflectionflow.Object
	for _, class := range slices.Sorted(maps.Keys(kept)) {
		list = append(list, kept[class]...)
	}
	return list
}

// Result is the verdict on one image.
type Result struct {
	Correct bool
	Reason  string // what is wrong, one line a fault, in GenEval's wording; empty when correct
}

// Keep returns the detections that count for a tag, by class and by falling
// confidence, at most [PerClass] of a class; ties keep their order.
func (t Thresholds) Keep(tag string, objects []reflectionflow.Object) map[string][]reflectionflow.Object {
	least := t.Score
	if tag == string(clipart.Counting) || tag == string(clipart.CountingAttr) {
		least = t.Counting
	}
	kept := make(map[string][]reflectionflow.Object)
	for _, o := range objects {
		if o.Confidence > least {
			kept[o.Class] = append(kept[o.Class], o)
		}
	}
	for class, list := range kept {
		slices.SortStableFunc(list, func(a, b reflectionflow.Object) int { return cmp.Compare(b.Confidence, a.Confidence) })
		kept[class] = list[:min(len(list), PerClass)]
	}
	return kept
}

// Evaluate applies GenEval's rules (evaluate_images.py, evaluate) to the objects
// that a judge found in an image of the given size in pixels. Boxes are
// fractions of the sides. Where two relations hold, the reason names left, right,
// above, below in this order.
func Evaluate(m Metadata, t Thresholds, size image.Point, objects []reflectionflow.Object) Result {
	e := evaluator{objects: t.Keep(m.Tag, objects), size: size}
	for _, c := range m.Include {
		e.include(c)
	}
	for _, x := range m.Exclude {
		if n := len(e.objects[x.Class]); n >= x.Count {
			e.wrong("expected %s<%d, found %d", x.Class, x.Count, n)
		}
	}
	return Result{Correct: len(e.reasons) == 0, Reason: strings.Join(e.reasons, "\n")}
}

type evaluator struct {
	objects map[string][]reflectionflow.Object
	size    image.Point
	groups  [][]reflectionflow.Object // what each include found; nil where it failed
	reasons []string
}

func (e *evaluator) wrong(format string, args ...any) {
	e.reasons = append(e.reasons, fmt.Sprintf(format, args...))
}

// include checks one clause; the Count most confident objects of the class
// represent it.
func (e *evaluator) include(c Include) {
	before := len(e.reasons)
	found := e.objects[c.Class]
	found = found[:min(len(found), c.Count)]
	if len(found) < c.Count {
		e.wrong("expected %s>=%d, found %d", c.Class, c.Count, len(found))
	} else {
		e.color(c, found)
		if c.Position != nil && len(e.reasons) == before {
			e.position(c, found)
		}
	}
	if len(e.reasons) > before {
		found = nil
	}
	e.groups = append(e.groups, found)
}

func (e *evaluator) color(c Include, found []reflectionflow.Object) {
	if c.Color == "" {
		return
	}
	count := make(map[string]int)
	for _, o := range found {
		count[o.Color]++
	}
	if count[c.Color] >= c.Count {
		return
	}
	var seen []string
	for _, color := range clipart.Colors() {
		if count[color] > 0 {
			seen = append(seen, fmt.Sprintf("%d %s", count[color], color))
		}
	}
	e.wrong("expected %s %s>=%d, found %d %s; and %s", c.Color, c.Class, c.Count, count[c.Color], c.Color, strings.Join(seen, ", "))
}

func (e *evaluator) position(c Include, found []reflectionflow.Object) {
	target := e.groups[c.Position.Target]
	if target == nil {
		e.wrong("no target for %s to be %s", c.Class, c.Position.Relation)
		return
	}
	for _, o := range found {
		for _, t := range target {
			relations := clipart.Relations(e.scaled(o.Box), e.scaled(t.Box))
			if slices.Contains(relations, c.Position.Relation) {
				continue
			}
			var names []string
			for _, r := range relations {
				names = append(names, string(r))
			}
			e.wrong("expected %s %s target, found %s target", c.Class, c.Position.Relation, strings.Join(names, " and "))
			return
		}
	}
}

// scaled is the box in thousands of pixels: in these, the offset under which
// [clipart.Relations] sees none is GenEval's thousandth of a pixel, and directions
// are those of the pixels for images of any shape.
func (e *evaluator) scaled(box [4]float64) [4]float64 {
	x, y := float64(max(e.size.X, 1))/1000, float64(max(e.size.Y, 1))/1000
	return [4]float64{box[0] * x, box[1] * y, box[2] * x, box[3] * y}
}
