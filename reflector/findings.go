package reflector

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"reflectionflow"
)

// Findings implements [reflectionflow.Reflector] for any objects: it words the findings of a verifier as
// instructions that say what is wrong, where it is, and what to do, for models that edit images:
//
//	There are three dogs, and there should be two. Remove the dog at the top left.
//	The couch is blue. Make it red.
//	There is no cup. Add a cup on the dining table.
//
// The same findings give the same text. The zero value is ready to use. It is safe for concurrent use.
type Findings struct{}

// NeedsFindings implements [reflectionflow.FindingsReflector].
func (Findings) NeedsFindings() bool { return true }

// maxFixes is the most instructions of a reflection: models that edit images follow few at a time.
const maxFixes = 4

// Reflect returns one reflection per observation: what must change for requirements that are not met, the
// weightier ones first, or what must become clear where only unsure ones remain. It is empty where every
// requirement is met and where nothing was judged.
func (f Findings) Reflect(ctx context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Reflection, error) {
	reflections := make([]reflectionflow.Reflection, len(observations))
	for i, o := range observations {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		start := time.Now()
		if err := o.Prompt.Validate(); err != nil {
			return nil, err
		}
		reflections[i].Text = strings.Join(fixes(o.Score), " ")
		reflections[i].Cost.Seconds = time.Since(start).Seconds()
	}
	return reflections, ctx.Err()
}

// fixes words what a score says must change.
func fixes(s reflectionflow.Score) []string {
	f := fixer{findings: s.Requirements, done: make([]bool, len(s.Requirements))}
	var list []string
	for _, weight := range []reflectionflow.Weight{reflectionflow.Must, reflectionflow.Should} {
		// Numbers come first: what is missing is added with its color and its place.
		for _, numbers := range []bool{true, false} {
			for i, finding := range s.Requirements {
				if finding.Verdict != reflectionflow.NotMet || f.done[i] || finding.Requirement.Weight != weight || finding.Requirement.Counts() != numbers {
					continue
				}
				if text := f.fix(i); text != "" {
					list = append(list, text)
				}
			}
		}
	}
	if len(list) == 0 {
		list = unclear(s)
	}
	return list[:min(len(list), maxFixes)]
}

// unclear words the requirements on which the verifier leans neither way.
func unclear(s reflectionflow.Score) (list []string) {
	for _, f := range s.Requirements {
		if f.Verdict == reflectionflow.Unsure && len(f.Evidence) > 0 {
			list = append(list, "It is not clear whether this is so: "+statement(f.Requirement)+" Make it clear.")
		}
	}
	return list
}

// fixer words fixes. done are the findings that a fix has taken care of.
type fixer struct {
	findings []reflectionflow.Finding
	done     []bool
}

// fix words what to do about a finding.
func (f *fixer) fix(i int) string {
	f.done[i] = true
	finding := f.findings[i]
	r := finding.Requirement
	switch r.Kind {
	case reflectionflow.AtLeast, reflectionflow.Exactly, reflectionflow.AtMost:
		return f.number(finding)
	case reflectionflow.Absent:
		return remove(r, finding.Evidence)
	case reflectionflow.Color:
		return f.recolor(finding)
	case reflectionflow.Position:
		return f.move(finding)
	case reflectionflow.Place:
		return relocate(r, finding.Evidence)
	case reflectionflow.Attribute:
		return fmt.Sprintf("The %s is not %s. Make it %s.", named(r.Color, r.Object), r.Value, r.Value)
	case reflectionflow.Interaction:
		return fmt.Sprintf("Show the %s %s the %s.", named(r.Color, r.Object), r.Relation, named(r.TargetColor, r.Target))
	case reflectionflow.Activity:
		return fmt.Sprintf("Show the %s %s.", named(r.Color, r.Object), r.Value)
	case reflectionflow.Text:
		if r.Object != "" {
			return fmt.Sprintf("Write %q on the %s, letter for letter.", r.Value, named(r.Color, r.Object))
		}
		return fmt.Sprintf("Write %q in the image, letter for letter.", r.Value)
	case reflectionflow.Scene:
		return fmt.Sprintf("Change the setting to %s.", r.Value)
	case reflectionflow.Style:
		return fmt.Sprintf("Change the style of the whole image to %s.", r.Value)
	case reflectionflow.Free:
		return fmt.Sprintf("Change the image so that it shows this: %s.", r.Value)
	}
	return ""
}

// number words a fix of how many objects there are. The evidence of a color's number may hold objects of
// other colors, which are painted before new ones are added.
func (f *fixer) number(finding reflectionflow.Finding) string {
	r, seen := finding.Requirement, finding.Evidence
	of := seen
	if r.Color != "" {
		of = slices.DeleteFunc(slices.Clone(seen), func(o reflectionflow.Object) bool { return o.Color != r.Color })
	}
	n := max(r.Count, 1)
	switch {
	case r.Kind == reflectionflow.AtMost:
		n = r.Count
	case len(of) == 0 && len(seen) >= n && r.Color != "":
		return f.recolor(finding)
	}
	what := named(r.Color, r.Object)
	switch {
	case len(of) > n && r.Kind != reflectionflow.AtLeast:
		extra := slices.Clone(of)
		slices.SortStableFunc(extra, func(a, b reflectionflow.Object) int { return cmp.Compare(a.Confidence, b.Confidence) })
		if extra = extra[:len(of)-n]; n == 0 {
			return remove(r, of)
		}
		return fmt.Sprintf("There %s, and there should be %s. Remove %s.", areThere(len(of), what), word(n), listing(what, extra))
	case len(of) == 0:
		return fmt.Sprintf("There is no %s. Add %s%s.", what, amount(n, f.described(r)), f.where(r.Object))
	case len(of) < n:
		more := "one more " + what
		if n-len(of) > 1 {
			more = word(n-len(of)) + " more " + plural(what)
		}
		return fmt.Sprintf("There %s, and there should be %s. Add %s.", areThere(len(of), what), word(n), more)
	}
	return "" // the evidence does not say what is wrong
}

// described is an object that must be added, in its color if another requirement names it.
func (f *fixer) described(r reflectionflow.Requirement) string {
	color := r.Color
	for i, other := range f.findings {
		o := other.Requirement
		if color == "" && o.Kind == reflectionflow.Color && o.Object == r.Object && (o.Count == 0 || o.Count >= r.Count) {
			color, f.done[i] = o.Color, true
		}
	}
	return named(color, r.Object)
}

// where says where an object that is added belongs, if another requirement does.
func (f *fixer) where(object string) string {
	text := ""
	for i, other := range f.findings {
		r := other.Requirement
		switch {
		case r.Object != object || f.done[i]:
		case r.Kind == reflectionflow.Position:
			f.done[i] = true
			if text == "" {
				text = " " + string(r.Relation) + " the " + target(r)
			}
		case r.Kind == reflectionflow.Place:
			f.done[i] = true
			if text == "" {
				text = " " + at(r.Value)
			}
		}
	}
	return text
}

// recolor words a fix of a color.
func (f *fixer) recolor(finding reflectionflow.Finding) string {
	r := finding.Requirement
	wrong := slices.DeleteFunc(slices.Clone(finding.Evidence), func(o reflectionflow.Object) bool { return o.Color == r.Color })
	if r.Count > 0 {
		wrong = wrong[:min(len(wrong), r.Count)]
	}
	switch {
	case len(wrong) == 0 && len(finding.Evidence) == 0:
		return fmt.Sprintf("Make the %s %s.", r.Object, r.Color)
	case len(wrong) == 0:
		return fmt.Sprintf("Make the %s clearly %s.", plainly(r.Object, len(finding.Evidence)), r.Color)
	case len(wrong) == 1 && wrong[0].Color != "":
		return fmt.Sprintf("%s is %s. Make it %s.", upper(listing(r.Object, nth(wrong, finding.Evidence))), wrong[0].Color, r.Color)
	case len(wrong) == 1:
		return fmt.Sprintf("%s is not %s. Make it %s.", upper(listing(r.Object, nth(wrong, finding.Evidence))), r.Color, r.Color)
	}
	return fmt.Sprintf("%s are not %s. Make them %s.", upper(listing(r.Object, wrong)), r.Color, r.Color)
}

// nth is the wrong object, without a place where it is the only one.
func nth(wrong, all []reflectionflow.Object) []reflectionflow.Object {
	if len(all) > 1 {
		return wrong
	}
	return []reflectionflow.Object{{Class: wrong[0].Class}}
}

// move words a fix of a relation, from where the objects are.
func (f *fixer) move(finding reflectionflow.Finding) string {
	r := finding.Requirement
	subject, object := named(r.Color, r.Object), target(r)
	to := fmt.Sprintf("Move the %s so that it is %s the %s.", subject, r.Relation, object)
	way := map[reflectionflow.Relation]string{
		reflectionflow.LeftOf: "to the left of", reflectionflow.RightOf: "to the right of", reflectionflow.Above: "above", reflectionflow.Below: "below",
		reflectionflow.On: "onto", reflectionflow.Under: "under", reflectionflow.Inside: "into", reflectionflow.NextTo: "next to",
		reflectionflow.Behind: "behind", reflectionflow.InFrontOf: "in front of", reflectionflow.Between: "between",
	}[r.Relation]
	if way != "" {
		to = fmt.Sprintf("Move it %s the %s.", way, object)
	}
	if e := finding.Evidence; len(e) == 2 && e[0].Class != e[1].Class {
		if now := relation(e[0].Box, e[1].Box); now != string(r.Relation) {
			return fmt.Sprintf("The %s is %s the %s. %s", subject, now, object, to)
		}
	}
	return fmt.Sprintf("The %s is not %s the %s. %s", subject, r.Relation, object, to)
}

// relocate words a fix of a place.
func relocate(r reflectionflow.Requirement, seen []reflectionflow.Object) string {
	what := named(r.Color, r.Object)
	if len(seen) == 1 {
		if now := at(placeOf(seen[0].Box)); now != at(r.Value) {
			return fmt.Sprintf("The %s is %s. Move it %s of the image.", what, now, toward(r.Value))
		}
	}
	return fmt.Sprintf("Move the %s %s of the image.", what, toward(r.Value))
}

// remove words a fix of objects that must not be there.
func remove(r reflectionflow.Requirement, seen []reflectionflow.Object) string {
	what := named(r.Color, r.Object)
	switch len(seen) {
	case 0:
		return fmt.Sprintf("There should be no %s. Remove every %s.", what, what)
	case 1:
		return fmt.Sprintf("There is %s %s. Remove it.", amount(1, what), at(placeOf(seen[0].Box)))
	}
	return fmt.Sprintf("There %s. Remove them.", areThere(len(seen), what))
}
