package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// preTokenizer is a sequence of steps, each of which splits words further. No step
// hands out empty words.
type preTokenizer []func(words []string, text string) []string

func (p preTokenizer) apply(text string) []string {
	words := []string{text}
	for _, step := range p {
		var split []string
		for _, word := range words {
			split = step(split, word)
		}
		words = split
	}
	return words
}

// preTokenizerJSON holds the members of all kinds of pre-tokenizer.
type preTokenizerJSON struct {
	Type          string            `json:"type"`
	PreTokenizers []json.RawMessage `json:"pretokenizers,omitempty"`
	Behavior      string            `json:"behavior,omitempty"`
}

// appendPreTokenizer appends the steps of a pre-tokenizer in its JSON form.
func appendPreTokenizer(p preTokenizer, text json.RawMessage, depth int) (preTokenizer, error) {
	var j preTokenizerJSON
	switch isNull, err := decode(text, &j); {
	case err != nil:
		return nil, fmt.Errorf("pre_tokenizer: %w", err)
	case isNull:
		return p, nil
	case depth > maxDepth || len(p) >= maxSteps:
		return nil, errors.New("the pre-tokenizer has too many steps")
	}
	switch j.Type {
	case "Sequence":
		for _, text := range j.PreTokenizers {
			var err error
			if p, err = appendPreTokenizer(p, text, depth+1); err != nil {
				return nil, err
			}
		}
		return p, nil
	case "WhitespaceSplit":
		return append(p, splitSpace), nil
	case "Whitespace":
		return append(p, splitWords), nil
	case "Punctuation":
		if j.Behavior != "" && j.Behavior != "Isolated" {
			return nil, fmt.Errorf("the pre-tokenizer Punctuation with the behavior %q is not supported: Isolated is", j.Behavior)
		}
		return append(p, splitPunctuation), nil
	}
	return nil, fmt.Errorf("the pre-tokenizer %q is not supported: Whitespace, WhitespaceSplit, Punctuation and Sequence are", j.Type)
}

// splitSpace splits at white space.
func splitSpace(words []string, text string) []string {
	return append(words, strings.Fields(text)...)
}

// splitWords hands out the matches of \w+|[^\w\s]+.
func splitWords(words []string, text string) []string {
	const space, word, other = 0, 1, 2
	class := func(r rune) int {
		switch {
		case isWord(r):
			return word
		case unicode.IsSpace(r):
			return space
		}
		return other
	}
	start, current := 0, space
	for i, r := range text {
		if c := class(r); c != current {
			if current != space {
				words = append(words, text[start:i])
			}
			start, current = i, c
		}
	}
	if current != space {
		words = append(words, text[start:])
	}
	return words
}

// splitPunctuation makes every punctuation character a word of its own.
func splitPunctuation(words []string, text string) []string {
	start := 0
	for i, r := range text {
		if !isPunctuation(r) {
			continue
		}
		if start < i {
			words = append(words, text[start:i])
		}
		start = i + utf8.RuneLen(r)
		words = append(words, text[i:start])
	}
	if start < len(text) {
		words = append(words, text[start:])
	}
	return words
}

// isPunctuation is true for Unicode's punctuation and for ASCII's, to which symbols
// such as $ and + belong.
func isPunctuation(r rune) bool {
	return unicode.IsPunct(r) || r < utf8.RuneSelf && unicode.IsSymbol(r)
}
