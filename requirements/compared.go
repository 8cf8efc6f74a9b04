package requirements

import "reflectionflow"

// comparedNumbers reads "more dogs than cats" and "twice as many apples as oranges": both
// are there, and how many more stays in the prompt's words.
func (p *parser) comparedNumbers() bool {
	start := p.pos
	i, than := start, "than"
	switch w := p.word(i); w {
	case "more", "fewer", "less":
		i++
	default:
		for _, s := range []string{"twice", "half", "exactly", "just", "two times", "three times", "four times", "five times", "ten times", "not"} {
			i = p.phraseOr(i, s, i)
		}
		i, than = p.phrase(i, "as many"), "as"
		if i == 0 {
			return false
		}
	}
	first, ok := p.noun(i)
	if !ok || first.noun == "" || !first.bare || p.word(first.end) != than {
		return false
	}
	second, ok := p.noun(first.end + 1)
	if !ok || second.noun == "" {
		return false
	}
	p.joined = p.joined || len(p.group) > 0 && p.word(start-1) == "and"
	p.pos = second.end
	p.name(first)
	p.joined = true
	p.pos = second.end
	p.name(second)
	for k := start; k < second.end; k++ {
		p.unread[k] = true
	}
	return true
}

// roughly are words before a number that need not be met exactly.
var roughly = list("approximately, approx, roughly, about, around, circa, nearly, almost, some")

// approximate reads "about ten": from a fifth less to a fifth more, and one less or more at
// least.
func (p *parser) approximate(i int) (quantity, int, bool) {
	w := p.word(i)
	for _, r := range roughly {
		if w != r {
			continue
		}
		n, next, ok := p.number(p.phraseOr(i+1, "a", i+1))
		if !ok || n < 2 {
			return quantity{}, i, false
		}
		off := max(n/5, 1)
		q := bounded(reflectionflow.AtLeast, n-off)
		high := n + off
		if w == "nearly" || w == "almost" {
			high = n
		}
		q.most, q.cut = min(high, reflectionflow.MaxCount), high > reflectionflow.MaxCount
		return q, next, true
	}
	return quantity{}, i, false
}
