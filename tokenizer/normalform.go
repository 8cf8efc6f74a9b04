package tokenizer

import (
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// graphemeJoiner is the combining grapheme joiner, which package norm puts into runs of more than 30 combining marks.
const graphemeJoiner = "\u034f"

// normalForm returns the step that brings a text into a Unicode form exactly. Package norm does so but for runs of more
// than 30 combining marks, into which it puts characters (Unicode Standard Annex 15, "Stream-Safe Text Format").
func normalForm(form norm.Form) func(string) string {
	return func(text string) string {
		normalized := form.String(text)
		if strings.Count(normalized, graphemeJoiner) == strings.Count(text, graphemeJoiner) {
			return normalized
		}
		return string(normalizeRunes(form, text))
	}
}

// normalizeRunes is the algorithm of Unicode Standard Annex 15 for a whole text: decompose, sort the marks of every
// character by their combining class, compose.
func normalizeRunes(form norm.Form, text string) []rune {
	decompose, composes := norm.NFD, form == norm.NFC || form == norm.NFKC
	if form == norm.NFKC || form == norm.NFKD {
		decompose = norm.NFKD
	}
	var runes []rune
	for _, r := range text {
		runes = append(runes, []rune(decompose.String(string(r)))...)
	}
	for at := 0; at < len(runes); at++ {
		end := at
		for end < len(runes) && combiningClass(runes[end]) > 0 {
			end++
		}
		slices.SortStableFunc(runes[at:end], func(a, b rune) int { return int(combiningClass(a)) - int(combiningClass(b)) })
		at = end
	}
	if !composes {
		return runes
	}
	return compose(runes)
}

// compose joins every mark with the starter before it, where there is a character for both and no mark of the same or a
// higher class between them.
func compose(runes []rune) []rune {
	composed := runes[:0]
	starter, last := -1, uint8(0)
	for _, r := range runes {
		class := combiningClass(r)
		adjoins := starter == len(composed)-1
		if starter >= 0 && (adjoins || last < class) {
			if pair := norm.NFC.String(string([]rune{composed[starter], r})); utf8.RuneCountInString(pair) == 1 {
				composed[starter], _ = utf8.DecodeRuneInString(pair)
				continue
			}
		}
		if class == 0 {
			starter = len(composed)
		}
		last = class
		composed = append(composed, r)
	}
	return composed
}

// combiningClass returns a character's canonical combining class, 0 for those that are no marks.
func combiningClass(r rune) uint8 { return norm.NFD.PropertiesString(string(r)).CCC() }
