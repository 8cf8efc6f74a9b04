package requirements

import (
	"regexp"
	"strings"
)

// settings are the marks of other programs within a prompt, none of which asks for anything
// in the image: a network to load, the weight of words, parameters, and tags of quality.
var settings = []struct {
	mark    string // a text without which the expression finds nothing
	pattern *regexp.Regexp
}{
	{"<", regexp.MustCompile(`<[a-z]{2,12}:[^<>\n]{1,200}>`)},
	{"score_", regexp.MustCompile(`\bscore_\d{1,2}(?:_up)?\b`)},
	{"--", regexp.MustCompile(`(?:^|\s)--(?:(?:ar|aspect|v|version|s|stylize|q|quality|c|chaos|seed|niji|iw|w|weird|stop|sref|cref|oref|cw|sw|ow|p|profile|exp|r|repeat|steps|cfg|width|height|n|W|H|S)\s+[^\s,;-][^\s,;]*|(?:style\s+(?:raw|cute|scenic|expressive|original))|(?:tile|hd|raw|fast|relax|turbo|draft|video|test|testp|upbeta|uplight|p|niji|stylize)\b)`)},
	{"::", regexp.MustCompile(`::\s*-?\d*(?:\.\d+)?`)},
	{":", regexp.MustCompile(`:\s*[+-]?(?:\d+\.\d+|\.\d+)\b|:\s*\d\s*\)`)},
}

// without is a text of the same length in which spaces stand for the settings of other
// programs, and those settings. A text in quotes is left as it is.
func without(text string) (plain string, found []string) {
	text = unwished(text)
	masked := []byte(nil)
	for _, s := range settings {
		if !strings.Contains(text, s.mark) {
			continue
		}
		for _, at := range s.pattern.FindAllStringIndex(text, -1) {
			start, end := at[0], at[1]
			if strings.Count(text[:start], `"`)%2 == 1 || s.mark == ":" && !weighs(text, start) || masked != nil && masked[start] == 0 {
				continue
			}
			if masked == nil {
				masked = []byte(text)
			}
			found = append(found, strings.TrimSpace(strings.TrimSuffix(text[start:end], ")")))
			if s.mark == "::" && strings.TrimSpace(text[end:]) != "" { // parts of a prompt
				masked[start] = ','
				start++
			}
			clear(masked[start:end])
			if s.mark == ":" {
				unbracket(masked, start, end)
			}
		}
	}
	if masked == nil && !strings.Contains(text, "BREAK") {
		return text, nil
	}
	if masked == nil {
		masked = []byte(text)
	}
	for i, c := range masked {
		if c == 0 {
			masked[i] = ' '
		}
	}
	return breaks(string(masked)), found
}

// openings stand before a prompt in other programs; negatives before what must not be there.
var (
	openings  = regexp.MustCompile(`(?i)^\s*(?:/imagine\s+)?(?:positive\s+)?prompt\s*:`)
	negatives = regexp.MustCompile(`(?i)(?:^|[\s.,;])(?:negative(?: prompt)?\s*:|--no\s)`)
)

// unwished is a text of the same length in which a list after "Negative prompt:" or "--no"
// says "no … or …", and the name of a prompt is left out.
func unwished(text string) string {
	lower := strings.Contains(text, "--no ") || strings.Contains(text, "rompt") || strings.Contains(text, "egative")
	if !lower {
		return text
	}
	b := []byte(text)
	if at := openings.FindStringIndex(text); at != nil {
		for i := at[0]; i < at[1]; i++ {
			b[i] = ' '
		}
	}
	for _, at := range negatives.FindAllStringIndex(string(b), -1) {
		start := at[0]
		if c := b[start]; c != '-' && c != 'n' && c != 'N' {
			b[start] = ';'
			start++
		}
		for i := start; i < at[1]; i++ {
			b[i] = ' '
		}
		copy(b[start:], "no")
		end := len(text)
		if k := strings.Index(text[at[1]:], "--"); k >= 0 {
			end = at[1] + k
		}
		for i := at[1]; i < end && b[i] != '\n' && b[i] != '.'; i++ {
			if b[i] == ',' {
				b[i] = orMark
			}
		}
	}
	return string(b)
}

// orMark stands for "or" in a list of what must not be there.
const orMark = 1

// weighs reports whether a colon stands after a word or a bracket: "cat:1.5", not "3:15.5".
func weighs(text string, colon int) bool {
	if colon == 0 {
		return false
	}
	c := text[colon-1]
	return c == ')' || c == '"' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// unbracket removes the brackets of weighted words: "(red:1.3)", of which the number from
// start to end is removed.
func unbracket(masked []byte, start, end int) {
	if end <= len(masked) {
		for end < len(masked) && masked[end] == ' ' {
			end++
		}
		if end < len(masked) && masked[end] == ')' {
			masked[end] = 0
		}
	}
	for depth, i := 0, start-1; i >= 0; i-- {
		switch masked[i] {
		case ')':
			depth++
		case '(':
			if depth == 0 {
				masked[i] = 0
				return
			}
			depth--
		}
	}
}

// breaks ends a sentence at the word that separates the parts of a prompt.
func breaks(text string) string {
	const word = "BREAK"
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return text
		}
		i += from
		from = i + len(word)
		before := i == 0 || strings.ContainsRune(" \t\n,", rune(text[i-1]))
		after := from == len(text) || strings.ContainsRune(" \t\n,", rune(text[from]))
		if before && after && i > 0 && from < len(text) && strings.Count(text[:i], `"`)%2 == 0 {
			text = text[:i] + ".    " + text[from:]
		}
	}
}

// unbracketed are tokens without the brackets that stress a property: "a (red) dress".
func unbracketed(list []token, text string) []token {
	mark := func(i int, m string) bool { return list[i].kind == comma && text[list[i].start:list[i].end] == m }
	var kept []token
	for i := 0; i < len(list); i++ {
		if i+3 < len(list) && mark(i, "(") && list[i+1].kind == word && mark(i+2, ")") && list[i+3].kind == word &&
			(colorWord(list[i+1].text) != "" || known(list[i+1].text)) && !ends[list[i+3].text] {
			if kept == nil {
				kept = append(make([]token, 0, len(list)), list[:i]...)
			}
			kept = append(kept, list[i+1])
			i += 2
			continue
		}
		if kept != nil {
			kept = append(kept, list[i])
		}
	}
	if kept == nil {
		return list
	}
	return kept
}
