package requirements

import (
	"strings"

	"reflectionflow"
)

// split makes colors of some of the objects out of those of "red and green apples". What is
// black and white, or has a pattern, has both, and so have objects in an exact number.
func (m *mention) split() {
	if !m.plural || m.q.kind == reflectionflow.Exactly {
		return
	}
	var props []property
	for _, prop := range m.props {
		if !prop.color && prop.aspect == reflectionflow.Pattern {
			return
		}
		if !prop.color || !strings.Contains(prop.value, " and ") || prop.value == "black and white" {
			props = append(props, prop)
			continue
		}
		for c := range strings.SplitSeq(strings.ReplaceAll(prop.value, " and ", ", "), ", ") {
			props = append(props, property{color: true, value: c, count: 1})
		}
	}
	m.props = props
}

// property reads one color or adjective, with the words that belong to it.
func (p *parser) property(i int) (property, int, bool) {
	w, start := p.word(i), i
	if intensifiers[w] {
		i++
		w = p.word(i)
	} else if strings.HasSuffix(w, "ly") && len(w) > 4 && isParticiple(p.word(i+1)) { // "freshly baked"
		return property{value: w + " " + p.word(i+1), aspect: reflectionflow.State}, i + 2, true
	}
	intensity := ""
	if i > start {
		intensity = p.word(start) + " "
	}
	if next := p.word(i + 1); next != "" && p.kind(i) == word {
		if aspect, ok := adjectives[w+"-"+next]; ok {
			return property{value: intensity + w + "-" + next, aspect: aspect}, i + 2, true
		}
	}
	if shades[w] && colors[p.word(i+1)] != "" {
		return property{color: true, value: w + " " + colors[p.word(i+1)]}, i + 2, true
	}
	if c := colorWord(w); c != "" {
		if second := colors[p.word(i+1)]; second != "" && second != c && (!nounsToo[p.word(i+1)] || p.nounFollows(i+2)) { // "emerald green"
			return property{color: true, value: w + " " + second}, i + 2, true
		}
		return property{color: true, value: c}, i + 1, true
	}
	if aspect, ok := adjective(w); ok && (known(w) || !p.name1(i)) {
		return property{value: intensity + w, aspect: aspect}, i + 1, true
	}
	return property{}, start, false
}

func known(w string) bool { _, ok := adjectives[w]; return ok }

// name1 reports whether a word begins with a capital within a sentence: it belongs to a
// name.
func (p *parser) name1(i int) bool {
	return i < len(p.tokens) && i > 0 && p.tokens[i].upper && !p.shouting && p.tokens[i-1].kind != stop
}

// colorWord is the color that a word names: "red", "red-colored", "dark-red".
func colorWord(w string) string {
	if c := colors[w]; c != "" {
		return c
	}
	if w == "black-and-white" {
		return "black and white"
	}
	for _, end := range []string{"-colored", "-coloured"} {
		if c, ok := strings.CutSuffix(w, end); ok && colors[c] != "" {
			return colors[c]
		}
	}
	if shade, c, ok := strings.Cut(w, "-"); ok && shades[shade] && colors[c] != "" {
		return shade + " " + colors[c]
	}
	return ""
}

// adjective is the aspect of a property: of a known one, or of a word that looks like one,
// such as "mysterious", "long-haired" or "carved".
func adjective(w string) (reflectionflow.Aspect, bool) {
	if a, ok := adjectives[w]; ok {
		return a, true
	}
	if strings.Contains(w, "-") {
		if strings.HasSuffix(w, "-shaped") {
			return reflectionflow.Shape, true
		}
		for _, end := range []string{"-year-old", "-years-old", "-story", "-storey", "-tier", "-piece", "-door", "-sided"} {
			if strings.HasSuffix(w, end) {
				return "", true
			}
		}
		_, second, _ := strings.Cut(w, "-")
		return "", isParticiple(second) || adjectives[second] != "" || strings.HasSuffix(w, "-like") || strings.HasSuffix(w, "-style")
	}
	if isParticiple(w) {
		return reflectionflow.State, true
	}
	if len(w) > 5 {
		for _, end := range []string{"ous", "ful", "less", "ive", "able", "ible", "ish", "ical"} {
			if strings.HasSuffix(w, end) && !notAdjectives[w] {
				return "", true
			}
		}
	}
	return "", false
}
