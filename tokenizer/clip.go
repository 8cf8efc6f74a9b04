package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// clipPatterns are the regular expressions whose matches are CLIP's words, in
// transformers 4 and 5. The special tokens in the second one change no ids: they are cut
// out before, or are no single tokens.
var clipPatterns = []string{clipPattern, `<\|startoftext\|>|<\|endoftext\|>|` + clipPattern}

const clipPattern = `'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+`

var contractions = []string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}

// splitCLIP appends the matches of clipPattern: contractions, runs of letters, single
// digits, and runs of other characters that are not white space.
func splitCLIP(words []string, w word) []string {
	for text := w.text; text != ""; {
		length := clipWord(text)
		if length > 0 {
			words = append(words, text[:length])
		} else { // white space
			_, length = utf8.DecodeRuneInString(text)
		}
		text = text[length:]
	}
	return words
}

// clipWord returns the length of the word at the beginning of text, 0 for none.
func clipWord(text string) int {
	for _, c := range contractions {
		if strings.HasPrefix(text, c) {
			return len(c)
		}
	}
	is := isSymbol
	switch first, size := utf8.DecodeRuneInString(text); {
	case unicode.IsSpace(first):
		return 0
	case unicode.IsNumber(first):
		return size
	case unicode.IsLetter(first):
		is = unicode.IsLetter
	}
	return runLength(text, is)
}

func isSymbol(r rune) bool {
	return !unicode.IsSpace(r) && !unicode.IsNumber(r) && !unicode.IsLetter(r)
}

// byteSymbols maps the 256 bytes to visible characters: visible ones of Latin-1 to
// themselves, the others to characters from U+0100 on.
var byteSymbols = func() (symbols [256]string) {
	next := rune(0x100)
	for b := range symbols {
		r := rune(b)
		if visible := r > ' ' && r <= '~' || r >= '\u00a1' && r <= '\u00ac' || r >= '\u00ae'; !visible {
			r = next
			next++
		}
		symbols[b] = string(r)
	}
	return symbols
}()

// spellBytes writes the bytes of the word in visible characters.
func spellBytes(words []string, w word) []string {
	var b strings.Builder
	for i := range len(w.text) {
		b.WriteString(byteSymbols[w.text[i]])
	}
	return append(words, b.String())
}
