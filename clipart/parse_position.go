package clipart

import (
	"slices"

	"reflectionflow"
)

// positions turns claims into requirements, each once.
func (p *parser) positions() ([]reflectionflow.Requirement, error) {
	var found []reflectionflow.Requirement
	for _, c := range p.claims {
		subject, target := p.mentions[c.subject], p.mentions[c.target]
		if subject.class == target.class && (subject.color == target.color || subject.color == "" || target.color == "") {
			return nil, parseErrorf(Unsupported, c.at, "one %s cannot be told from another: give them different colors or name another object", subject.class)
		}
		r := reflectionflow.Requirement{
			Kind: reflectionflow.Position, Object: subject.class, Color: subject.color,
			Relation: c.relation, Target: target.class, TargetColor: target.color,
		}
		if subject.count > 1 {
			r.Count = subject.count
		}
		for _, s := range claimSides(r, target.count) {
			said := slices.Contains(found, s) || !p.caption && s.Count <= 1 && slices.Contains(found, inverse(s))
			if !said {
				found = append(found, s)
			}
		}
		if circular(found) {
			return nil, parseErrorf(Contradiction, c.at, "\"%s\" contradicts the positions before it: leave one of them out", r)
		}
	}
	return found, nil
}

// claimSides states a position from the side that has more than one object: the target of a
// requirement is always one object.
func claimSides(r reflectionflow.Requirement, targets int) []reflectionflow.Requirement {
	if targets <= 1 {
		return []reflectionflow.Requirement{r}
	}
	other := inverse(r)
	other.Count = targets
	if r.Count <= 1 {
		return []reflectionflow.Requirement{other}
	}
	return []reflectionflow.Requirement{r, other}
}

// circular reports whether an object would have to be left of, or above, itself.
func circular(positions []reflectionflow.Requirement) bool {
	for _, axis := range []reflectionflow.Relation{reflectionflow.LeftOf, reflectionflow.Above} {
		after := make(map[string][]string)
		var start []string
		for _, r := range positions {
			if r.Relation == opposite(axis) {
				r = inverse(r)
			}
			if r.Relation != axis {
				continue
			}
			from, to := colored(r.Color, r.Object), colored(r.TargetColor, r.Target)
			after[from] = append(after[from], to)
			start = append(start, from)
		}
		state := make(map[string]int) // 1: on the way, 2: no circle from here
		for _, s := range start {
			if onCircle(s, after, state) {
				return true
			}
		}
	}
	return false
}

func onCircle(at string, after map[string][]string, state map[string]int) bool {
	switch state[at] {
	case 1:
		return true
	case 2:
		return false
	}
	state[at] = 1
	if slices.ContainsFunc(after[at], func(next string) bool { return onCircle(next, after, state) }) {
		return true
	}
	state[at] = 2
	return false
}
