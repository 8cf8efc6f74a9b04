package clipart

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// token is a word, a phrase of the lexicon, or a punctuation mark.
type token struct {
	text     string // lower case
	position int    // byte offset in the text
	entry    entry  // meaning 0: unknown
}

// tokens splits a text into phrases of the lexicon, the longest first. Captions have a smaller
// lexicon, see [parseCaption].
func tokens(text string, caption bool) []token {
	words := splitWords(text)
	for i := range words {
		if words[i].text == ":" && !caption {
			words[i].entry.meaning = asConjunction // "two dogs: one black, one white"
		}
		if words[i].entry.meaning == asNumber && !caption && !isCount(text, words[i]) {
			words[i].entry.meaning = asVague
		}
	}
	var found []token
	for i := 0; i < len(words); {
		t, n := longestPhrase(words[i:], caption)
		found = append(found, t)
		i += n
	}
	resolveOrange(found)
	return found
}

// isCount reports whether a numeral is not part of "-1" or "2.5".
func isCount(text string, numeral token) bool {
	before, after := text[:numeral.position], text[numeral.position+len(numeral.text):]
	digit := func(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }
	negative := strings.HasSuffix(before, "-") && (len(before) == 1 || before[len(before)-2] == ' ')
	fraction := len(after) > 1 && (after[0] == '.' || after[0] == ',') && digit(after[1:])
	return !negative && !fraction
}

// longestPhrase reads the first token and returns how many words it has.
func longestPhrase(words []token, caption bool) (token, int) {
	first := words[0]
	if first.entry.meaning != 0 {
		return first, 1 // punctuation and numerals have their meaning
	}
	for n := min(maxPhraseWords, len(words)); n > 0; n-- {
		texts := make([]string, n)
		for i, w := range words[:n] {
			texts[i] = w.text
		}
		phrase := strings.Join(texts, " ")
		if e, ok := lexicon()[phrase]; ok && (!caption || e.inCaptions != unknownInCaptions) {
			if caption && e.inCaptions != 0 {
				e.meaning = e.inCaptions
			}
			return token{phrase, first.position, e}, n
		}
	}
	return first, 1
}

// splitWords splits a text at spaces and punctuation, in lower case. Hyphens separate words,
// apostrophes do not.
func splitWords(text string) []token {
	var words []token
	start := -1
	flush := func(end int) {
		if start >= 0 {
			words = append(words, wordToken(strings.ToLower(text[start:end]), start))
			start = -1
		}
	}
	for i, r := range text {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || r == '\'' || r == '’' || r == '&' {
			if start < 0 {
				start = i
			}
			continue
		}
		flush(i)
		switch {
		case strings.ContainsRune(",;/+", r):
			words = append(words, token{string(r), i, entry{meaning: asConjunction}})
		case strings.ContainsRune(".:!?\n|", r):
			words = append(words, token{string(r), i, entry{meaning: asStop}})
		case unicode.IsSpace(r) || strings.ContainsRune("-–—_\"“”()[]*`", r):
		default:
			words = append(words, token{text: string(r), position: i})
		}
	}
	flush(len(text))
	return words
}

// wordToken is a word; a numeral already has its meaning.
func wordToken(word string, position int) token {
	t := token{text: word, position: position}
	n := 0
	for _, r := range word {
		if r < '0' || r > '9' {
			return t
		}
		n = min(10*n+int(r-'0'), 1<<20)
	}
	if utf8.RuneCountInString(word) > 0 {
		t.entry = entry{meaning: asNumber, n: n}
	}
	return t
}

// resolveOrange separates the fruit from the color: an orange is a fruit unless an object follows;
// "an orange orange" is both.
func resolveOrange(found []token) {
	for i := range found {
		t := &found[i]
		if t.text != "orange" || t.entry.meaning != asHue {
			continue
		}
		next := i + 1
		for next < len(found) && found[next].entry.meaning == asPraise {
			next++
		}
		followed := next < len(found) &&
			(found[next].entry.meaning == asNoun || found[next].entry.meaning == asBackdrop ||
				found[next].text == "orange" || found[next].entry.meaning == 0)
		if !followed {
			t.entry = entry{meaning: asNoun, value: "orange"}
		}
	}
}
