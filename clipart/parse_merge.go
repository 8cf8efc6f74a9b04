package clipart

import (
	"slices"

	"reflectionflow"
)

// requirements merges the mentions and checks that they can hold together.
func (p *parser) requirements() ([]reflectionflow.Requirement, error) {
	p.resolve()
	if err := p.placeClaims(); err != nil {
		return nil, err
	}
	merged, err := p.merge()
	if err != nil {
		return nil, err
	}
	tellApart(merged)
	if err := checkCounts(merged); err != nil {
		return nil, err
	}
	if !p.caption {
		if err := checkRoom(merged); err != nil {
			return nil, err
		}
		p.spread(merged)
		merged = p.dropTotals(merged)
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

// resolve gives "the dog" the color of the one dog mentioned before.
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

// merge joins the mentions of one class and color.
func (p *parser) merge() ([]mention, error) {
	var merged []mention
	placed := make([]bool, len(p.mentions))
	for _, c := range p.claims {
		placed[c.subject], placed[c.target] = true, true
	}
	var inPosition []bool // of merged
	for k, m := range p.mentions {
		i := slices.IndexFunc(merged, func(o mention) bool { return o.class == m.class && o.color == m.color })
		if i < 0 {
			merged, inPosition = append(merged, m), append(inPosition, placed[k])
			continue
		}
		var err error
		if p.caption || inPosition[i] || placed[k] {
			merged[i], err = same(merged[i], m)
		} else {
			merged[i], err = another(merged[i], m)
		}
		if err != nil {
			return nil, err
		}
		inPosition[i] = inPosition[i] || placed[k]
	}
	if p.caption {
		return merged, nil
	}
	for _, a := range merged {
		for _, b := range merged {
			vague := a.single || !a.exact && a.count == 1
			if vague && !a.absent && a.class == b.class && a.color == "" && b.color != "" && !b.absent {
				return nil, parseErrorf(Unsupported, b.at, "%s and %s may be one object: say how many there are in all, for example \"two %s, one %s\"",
					a.words(), b.words(), genEvalPlural(a.class), b.color)
			}
		}
	}
	return merged, nil
}

// spread gives all mentions of one class and color their merged count, so that a position speaks
// of all of them.
func (p *parser) spread(merged []mention) {
	for i := range p.mentions {
		m := &p.mentions[i]
		m.count = merged[slices.IndexFunc(merged, func(o mention) bool { return o.class == m.class && o.color == m.color })].count
	}
}

// same joins two mentions of the same objects.
func same(a, b mention) (mention, error) {
	if a.absent != b.absent || (a.exact && b.exact && a.count != b.count) ||
		(a.exact && b.count > a.count && !b.exact) || (b.exact && a.count > b.count && !a.exact) {
		return a, contradiction(a, b)
	}
	if b.exact {
		a.exact, a.count = true, b.count
	}
	a.count = max(a.count, b.count)
	a.single = a.single && b.single
	return a, nil
}

// another joins two mentions that are not in relations. "a bird and a bird" are two. A number
// that is repeated in one sentence may be a sum or a repetition, and is an error.
func another(a, b mention) (mention, error) {
	switch {
	case a.absent || b.absent || a.definite || b.definite || a.qualified || b.qualified:
		return same(a, b)
	case a.single && b.single:
		a.count, a.exact, a.at = a.count+1, true, b.at
		return a, nil
	case a.exact && b.exact && a.count != b.count:
		return a, contradiction(a, b)
	case a.sentence == b.sentence:
		total := mention{class: a.class, color: a.color, count: a.count + b.count, exact: true}
		return a, parseErrorf(Contradiction, b.at, "%s and %s count the same objects twice: say how many there are in all, for example %s",
			a.words(), b.words(), total.words())
	}
	return same(a, b)
}

func contradiction(a, b mention) error {
	return parseErrorf(Contradiction, b.at, "%s and %s cannot both hold: say one of them", a.words(), b.words())
}

// words is the mention in quotes as [ShortCaption] words it.
func (m mention) words() string {
	return `"` + wording{plural: englishPlural}.phrase(m.requirement()) + `"`
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

// tellApart makes counts exact where a class has several colors: "at least one red cup" is
// checked on the most confident cup alone, which may be the blue one.
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

// checkCounts compares the count of a class with those of its colors.
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

// checkRoom rejects more objects than a scene holds.
func checkRoom(merged []mention) error {
	colored, plain := make(map[string]int), make(map[string]int)
	total := 0
	for _, m := range merged {
		if m.absent {
			continue
		}
		before := max(colored[m.class], plain[m.class])
		if m.color != "" {
			colored[m.class] += m.count
		} else {
			plain[m.class] = m.count
		}
		total += max(colored[m.class], plain[m.class]) - before
	}
	if total <= MaxCount {
		return nil
	}
	last := 0
	for i, m := range merged {
		if !m.absent {
			last = i
		}
	}
	return parseErrorf(CountOutOfRange, merged[last].at, "the prompt asks for %d objects: a scene holds at most %d objects in all", total, MaxCount)
}

// dropTotals leaves out "two cups" where "one red cup" and "one blue cup" add up to it: models
// know prompts of that form only without the total.
func (p *parser) dropTotals(merged []mention) []mention {
	placed := make(map[string]bool)
	for _, c := range p.claims {
		for _, m := range []mention{p.mentions[c.subject], p.mentions[c.target]} {
			placed[m.class] = placed[m.class] || m.color == ""
		}
	}
	return slices.DeleteFunc(slices.Clone(merged), func(all mention) bool {
		sum := 0
		for _, m := range merged {
			if m.class == all.class && m.color != "" && !m.absent && m.exact {
				sum += m.count
			}
		}
		return all.color == "" && all.exact && !all.absent && !placed[all.class] && sum == all.count
	})
}
