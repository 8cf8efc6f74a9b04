package clipart

import (
	"slices"

	"reflectionflow"
)

// begin marks the start of a noun phrase.
func (p *parser) begin(t token) {
	// An article tells less than what follows it.
	if !p.pending.started || p.pending.at.entry.meaning == asIndefinite {
		p.pending.at, p.pending.started = t, true
	}
}

// count takes a number in.
func (p *parser) count(t token) error {
	switch {
	case p.pending.number >= 0:
		return parseErrorf(MissingObject, t, "two numbers in a row (%q): give one number an object", t.text)
	case p.pending.negative:
		return parseErrorf(Unsupported, t, "\"no %s\" cannot be checked: say \"no\" and an object", t.text)
	case t.entry.n > MaxCount:
		return parseErrorf(CountOutOfRange, t, "%s of one object: at most %d can be asked for", clip(t.text), MaxCount)
	}
	p.begin(t)
	p.pending.number, p.pending.pair = t.entry.n, t.entry.value == "pair"
	return nil
}

// object ends a noun phrase.
func (p *parser) object(t token) error {
	q := p.pending
	if t.entry.value == person && q.color != "" {
		return parseErrorf(Unsupported, t, "a person has no color here: say \"a person\"")
	}
	m := mention{at: t, class: t.entry.value, color: q.color, count: 1, definite: q.definite}
	// A pair of scissors is one thing.
	onePair := q.pair && (m.class == "scissors" || m.class == "skis")
	switch {
	case q.negative || q.number == 0 || (p.negative && (p.or || !q.started)):
		m.absent = true
	case q.number > 0 && !onePair:
		m.count, m.exact = q.number, !q.minimum
	case q.exactly:
		m.exact = true
	case t.entry.plural:
		m.count = 2
	}
	p.negative, p.or = m.absent, false
	index := len(p.mentions)
	p.mentions = append(p.mentions, m)
	p.pending = nothing
	if q.relation == "" {
		p.last = index
		return nil
	}
	if m.absent {
		return parseErrorf(Unsupported, t, "a position needs an object that is there, not \"no %s\"", m.class)
	}
	if q.subject < 0 {
		// "left of a cat is a dog": the subject is the next object.
		p.pending = pending{said: q.said, number: -1, relation: opposite(q.relation), subject: index, inverted: true}
		return nil
	}
	p.claims = append(p.claims, claim{q.said, q.subject, index, q.relation})
	p.last, p.related = index, q.subject
	return nil
}

// relate takes a relation in. Its subject is the object just before, or, right
// after "and", the subject of the relation before.
func (p *parser) relate(t token, joined bool) error {
	if err := p.drop(t); err != nil {
		return err
	}
	subject := p.last
	if joined && p.related >= 0 {
		subject = p.related
	}
	if subject >= 0 && p.mentions[subject].absent {
		return parseErrorf(Unsupported, t, "a position needs an object that is there, not \"no %s\"", p.mentions[subject].class)
	}
	p.pending = pending{said: t, number: -1, relation: reflectionflow.Relation(t.entry.value), subject: subject}
	return nil
}

// join takes a comma, an "and" or a "next to" in.
func (p *parser) join(t token) error {
	if err := p.drop(t); err != nil {
		return err
	}
	p.joined = t.entry.meaning == asConjunction
	switch {
	case t.text == "or" && !p.negative:
		return parseErrorf(Unsupported, t, "\"or\" leaves open what to draw: name one of them")
	case t.text == "or":
		p.or = true
	case t.text != ",":
		p.negative = false
	}
	return nil
}

// drop forgets what stands before a token that no noun phrase goes on with. What
// cannot be forgotten is an error: a colour, a number or "no" without an object, a
// relation without a target. Only in "two dogs, one at the left" a number stands
// for objects that were named.
func (p *parser) drop(t token) error {
	q := p.pending
	meaning := t.entry.meaning
	if q.inverted && !q.started && (meaning == asGlue || meaning == asConjunction) {
		return nil // "left of the cat there is a dog"
	}
	standsFor := meaning == asLocation && len(p.mentions) > 0
	if q.color != "" || q.negative || q.relation != "" || (q.number >= 0 && !standsFor) {
		return p.missing(q)
	}
	p.pending = nothing
	return nil
}

func (p *parser) missing(q pending) error {
	if q.relation != "" {
		q.at = q.said
	}
	return parseErrorf(MissingObject, q.at, "no object after %q: name one, for example \"a red cup\"", clip(q.at.text))
}

// requirements merges the mentions and checks that they can hold together.
func (p *parser) requirements() ([]reflectionflow.Requirement, error) {
	p.resolve()
	var merged []mention
	for _, m := range p.mentions {
		i := slices.IndexFunc(merged, func(o mention) bool { return o.class == m.class && o.color == m.color })
		if i < 0 {
			merged = append(merged, m)
			continue
		}
		both, err := merge(merged[i], m)
		if err != nil {
			return nil, err
		}
		merged[i] = both
	}
	tellApart(merged)
	if err := checkCounts(merged); err != nil {
		return nil, err
	}
	positions, err := p.positions()
	if err != nil {
		return nil, err
	}
	requirements := make([]reflectionflow.Requirement, 0, len(merged)+len(positions))
	for _, m := range merged {
		requirements = append(requirements, m.requirement())
	}
	return append(requirements, positions...), nil
}

// resolve gives "the dog" the colour of the one dog mentioned before.
func (p *parser) resolve() {
	for i := range p.mentions {
		m := &p.mentions[i]
		if !m.definite || m.color != "" || m.absent {
			continue
		}
		color, several := "", false
		for _, o := range p.mentions[:i] {
			if o.class == m.class && !o.absent {
				several = several || (color != "" && o.color != color) || o.color == ""
				color = o.color
			}
		}
		if !several {
			m.color = color
		}
	}
}

// merge joins two mentions of one class and colour.
func merge(a, b mention) (mention, error) {
	if a.absent != b.absent || (a.exact && b.exact && a.count != b.count) ||
		(a.exact && b.count > a.count && !b.exact) || (b.exact && a.count > b.count && !a.exact) {
		return a, contradiction(a, b)
	}
	if b.exact {
		a.exact, a.count = true, b.count
	}
	a.count = max(a.count, b.count)
	return a, nil
}

func contradiction(a, b mention) error {
	return parseErrorf(Contradiction, b.at, "%s and %s cannot both hold", a.requirement(), b.requirement())
}

func (m mention) requirement() reflectionflow.Requirement {
	r := reflectionflow.Requirement{Kind: reflectionflow.AtLeast, Object: m.class, Color: m.color, Count: m.count}
	switch {
	case m.absent:
		r.Kind, r.Count = reflectionflow.Absent, 0
	case m.exact:
		r.Kind = reflectionflow.Exactly
	}
	return r
}

// tellApart makes counts exact where a class has several colours: "at least one
// red cup" looks at the most confident cup alone, and that may be the blue one.
func tellApart(merged []mention) {
	for i := range merged {
		for j := range merged {
			a, b := &merged[i], merged[j]
			if a.class == b.class && a.color != "" && b.color != "" && a.color != b.color && !a.absent && !b.absent {
				a.exact = true
			}
		}
	}
}

// checkCounts compares what is said of a class with what is said of its colours.
func checkCounts(merged []mention) error {
	for _, all := range merged {
		if all.color != "" {
			continue
		}
		sum := 0
		for _, m := range merged {
			if m.class != all.class || m.color == "" || m.absent {
				continue
			}
			sum += m.count
			if all.absent || (all.exact && sum > all.count) {
				return contradiction(all, m)
			}
		}
	}
	return nil
}

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
			if !slices.Contains(found, s) {
				found = append(found, s)
			}
		}
		if circular(found) {
			return nil, parseErrorf(Contradiction, c.at, "%s cannot hold with the positions before it", r)
		}
	}
	return found, nil
}

// claimSides says a position from the side that has more than one object: a
// requirement's target is always one.
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

// circular reports whether some object would have to be left of, or above, itself.
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
