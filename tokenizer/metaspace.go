package tokenizer

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// metaspace replaces spaces as SentencePiece does: each becomes a visible character
// (▁), at which a new word begins. The scheme says where the character is prepended:
// to every part of the text ("always"), to its beginning ("first") or not ("never").
func metaspace(j preTokenizerJSON) (func([]string, word) []string, error) {
	mark, scheme := j.Replacement, j.Scheme
	if scheme == "" {
		scheme = "always"
	}
	if j.AddSpace != nil && !*j.AddSpace {
		scheme = "never"
	}
	switch {
	case utf8.RuneCountInString(mark) != 1:
		return nil, fmt.Errorf("the pre-tokenizer Metaspace has the replacement %q, it must be one character", mark)
	case scheme != "always" && scheme != "first" && scheme != "never":
		return nil, fmt.Errorf("the pre-tokenizer Metaspace with the prepend_scheme %q is not supported: always, first and never are", scheme)
	}
	return func(words []string, w word) []string {
		text := strings.ReplaceAll(w.text, " ", mark)
		if !strings.HasPrefix(text, mark) && (scheme == "always" || scheme == "first" && w.isFirst) {
			text = mark + text
		}
		if j.Split != nil && !*j.Split {
			return append(words, text)
		}
		for text != "" {
			end := len(text)
			if i := strings.Index(text[1:], mark); i >= 0 {
				end = 1 + i
			}
			words = append(words, text[:end])
			text = text[end:]
		}
		return words
	}, nil
}
