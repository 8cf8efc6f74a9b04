package requirements

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// tokenKind is what a token is.
type tokenKind uint8

const (
	word   tokenKind = iota
	comma            // also an opening or closing bracket
	stop             // the end of a sentence
	quoted           // a text in quotes
)

// token is a word, a mark or a text in quotes. Text is in lower case for words, and the
// content for a text in quotes. Start and end are offsets into the prompt in bytes.
type token struct {
	kind       tokenKind
	text       string
	start, end int
	upper      bool // a word that begins with an upper case letter
}

// quotes are the marks that enclose a text, opening and closing.
var quotes = map[rune]string{'"': `"`, '“': "”", '„': "“”", '«': "»", '「': "」", '‘': "’"}

// tokens splits a prompt. Open is the offset of a quote that is never closed, -1 for none:
// such a mark is left out. Symbols are the runs of emoji and the like, which no rule reads.
func tokens(text string) (list []token, open int, symbols []string) {
	open = -1
	list = make([]token, 0, len(text)/5+2)
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case symbol(r):
			end := i + len(text[i:]) - len(strings.TrimLeftFunc(text[i:], inSymbols))
			symbols = append(symbols, text[i:end])
			i = end
			continue
		case inWord(r):
			end := wordEnd(text, i)
			if n := tagNumber(text[i:end]); n > 0 { // "1girl"
				list = append(list, token{word, text[i : i+n], i, i + n, false})
				i += n
			}
			list = append(list, token{word, plainWord(text[i:end]), i, end, unicode.IsUpper(r)})
			i = end
			continue
		case quotes[r] != "" || r == '\'':
			if t, ok := quotation(text, i, r, size); ok {
				list = append(list, t)
				i = t.end
				continue
			}
			if r == '"' || r == '“' {
				open = i
			}
		case r == orMark:
			list = append(list, token{word, "or", i, i + size, false})
		case r == '&' || r == '+':
			list = append(list, token{word, "and", i, i + size, false})
		case strings.ContainsRune(".!?;\n", r):
			list = append(list, token{stop, "", i, i + size, false})
		case strings.ContainsRune(",:()[]{}|–—…/-−，。、", r):
			list = append(list, token{comma, "", i, i + size, false})
		}
		i += size
	}
	return list, open, symbols
}

// quotation is a text in quotes that begins at i. A single quote begins one only where a
// word would, and ends one only where a word does.
func quotation(text string, i int, mark rune, size int) (token, bool) {
	closing := quotes[mark]
	if mark == '\'' {
		closing = "'"
	}
	for at := i + size; at < len(text); {
		k := strings.IndexAny(text[at:], closing)
		if k < 0 {
			return token{}, false
		}
		at += k
		_, n := utf8.DecodeRuneInString(text[at:])
		next, _ := utf8.DecodeRuneInString(text[at+n:])
		if (mark != '\'' && mark != '‘') || !unicode.IsLetter(next) {
			content := strings.Join(strings.Fields(text[i+size:at]), " ")
			return token{quoted, content, i, at + n, false}, content != ""
		}
		at += n
	}
	return token{}, false
}

// keycap puts the character before it on a key.
const keycap = 0x20e3

// visible is a text without characters that show nothing: zero-width ones, byte order marks, and marks of
// direction; a digit on a key is a digit. Inside says whether one stands in a word.
func visible(text string) (shown string, inside bool) {
	hidden := func(r rune) bool { return unicode.Is(unicode.Cf, r) || r == keycap || r == 0xfe0f }
	if strings.IndexFunc(text, hidden) < 0 {
		return text, false
	}
	var b strings.Builder
	last, skipped := rune(0), false
	for _, r := range text {
		switch digit := last >= '0' && last <= '9'; {
		case unicode.Is(unicode.Cf, r):
			skipped = true
			continue
		case digit && (r == keycap || r == 0xfe0f):
			continue
		}
		inside = inside || skipped && inWord(last) && inWord(r)
		b.WriteRune(r)
		last, skipped = r, false
	}
	return b.String(), inside
}

// symbol reports whether a rune is an emoji, an arrow or the like.
func symbol(r rune) bool { return r >= 0x2190 && unicode.Is(unicode.So, r) }

// inSymbols reports whether a rune is a symbol or modifies one: its color, its form.
func inSymbols(r rune) bool {
	return symbol(r) || r >= 0x1f3fb && r <= 0x1f3ff || r == 0xfe0e || r == 0xfe0f || r == keycap
}

func inWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }

// plainWord is a word in lower case, with the apostrophe of typewriters.
func plainWord(w string) string {
	w = strings.ToLower(w)
	if strings.Contains(w, "’") {
		w = strings.ReplaceAll(w, "’", "'")
	}
	return w
}

// tagNumber is how many digits a tag such as "1girl" and "2boys" begins with, 0 for another
// word.
func tagNumber(w string) int {
	rest := strings.TrimLeft(w, "0123456789")
	switch rest {
	case "girl", "girls", "boy", "boys", "woman", "women", "man", "men", "other", "others":
		return len(w) - len(rest)
	}
	return 0
}

// owns reports whether a space and a word follow an apostrophe, and no quotation that it would end.
func owns(rest string) bool {
	after, found := strings.CutPrefix(rest, " ")
	r, _ := utf8.DecodeRuneInString(after)
	return found && unicode.IsLetter(r)
}

// wordEnd is the end of the word that begins at i. Hyphens and apostrophes between letters
// belong to it, and so do points and commas between digits.
func wordEnd(text string, i int) int {
	previous := rune(0)
	for i < len(text) {
		r, size := utf8.DecodeRuneInString(text[i:])
		if !inWord(r) {
			next, _ := utf8.DecodeRuneInString(text[i+size:])
			joins := (strings.ContainsRune("-'’‑", r) && inWord(next)) ||
				(strings.ContainsRune(".,:", r) && unicode.IsDigit(previous) && unicode.IsDigit(next))
			if !joins && previous == 's' && (r == '\'' || r == '’') && owns(text[i+size:]) {
				return i + size // "the dogs' bowls"
			}
			if !joins {
				return i
			}
		}
		previous = r
		i += size
	}
	return i
}
