package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// preTokenizer is a sequence of steps, each of which splits words further. No step
// returns empty words.
type preTokenizer []preStep

// preStep appends the words that w is split into.
type preStep struct {
	split func(words []string, w word) []string
	// whole says that the regular expression that ByteLevel has by default does not split the words further.
	whole bool
}

// word is a word to split further.
type word struct {
	text    string
	isFirst bool // it is at the beginning of the text, without white space before it
}

func (p preTokenizer) apply(text string, isFirst bool) []string {
	words := []string{text}
	for _, step := range p {
		var split []string
		for i, w := range words {
			split = step.split(split, word{w, isFirst && i == 0})
		}
		isFirst = isFirst && len(split) > 0 && strings.HasPrefix(words[0], split[0])
		words = split
	}
	return words
}

// preTokenizerJSON holds the members of all kinds of pre-tokenizer.
type preTokenizerJSON struct {
	Type          string            `json:"type"`
	PreTokenizers []json.RawMessage `json:"pretokenizers,omitempty"`
	Behavior      string            `json:"behavior,omitempty"`
	Pattern       *patternJSON      `json:"pattern,omitempty"`
	Invert        bool              `json:"invert,omitempty"`
	UseRegex      *bool             `json:"use_regex,omitempty"`
	AddSpace      *bool             `json:"add_prefix_space,omitempty"`
	Replacement   string            `json:"replacement,omitempty"`
	Scheme        string            `json:"prepend_scheme,omitempty"`
	Split         *bool             `json:"split,omitempty"`
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
		return append(p, preStep{split: splitSpace}), nil
	case "Whitespace":
		return append(p, preStep{split: splitWords}), nil
	case "Punctuation":
		if j.Behavior != "" && j.Behavior != "Isolated" {
			return nil, fmt.Errorf("the pre-tokenizer Punctuation with the behavior %q is not supported: Isolated is", j.Behavior)
		}
		return append(p, preStep{split: splitPunctuation}), nil
	case "Split":
		step, err := j.split()
		return append(p, step), err
	case "ByteLevel":
		// ByteLevel's own regular expression does not split CLIP's words, but it would split Qwen's.
		if j.AddSpace == nil || *j.AddSpace || (j.UseRegex == nil || *j.UseRegex) && (len(p) == 0 || !p[len(p)-1].whole) {
			return nil, errors.New("the pre-tokenizer ByteLevel is supported with use_regex false or after CLIP's Split, and without add_prefix_space")
		}
		return append(p, preStep{split: spellBytes}), nil
	case "Metaspace":
		split, err := metaspace(j)
		return append(p, preStep{split: split}), err
	}
	return nil, fmt.Errorf("the pre-tokenizer %q is not supported: Whitespace, WhitespaceSplit, Punctuation, Split, ByteLevel, Metaspace and Sequence are", j.Type)
}

// split returns the step of a Split: by one of the regular expressions that are written out in this package, or after a text.
func (j preTokenizerJSON) split() (preStep, error) {
	if j.Pattern != nil && j.Pattern.Regex != nil {
		switch regex := *j.Pattern.Regex; {
		case slices.Contains(clipPatterns, regex) && j.Behavior == "Removed" && j.Invert:
			return preStep{split: splitCLIP, whole: true}, nil
		case regex == qwenPattern && j.Behavior == "Isolated" && !j.Invert:
			return preStep{split: splitQwen}, nil
		}
	}
	if j.Pattern != nil && j.Pattern.String != nil && *j.Pattern.String != "" && j.Behavior == "MergedWithPrevious" && !j.Invert {
		return splitAfter(*j.Pattern.String), nil
	}
	return preStep{}, errors.New("the pre-tokenizer Split is supported with CLIP's and with Qwen's regular expression, or by a text that is MergedWithPrevious")
}

// splitSpace splits at white space.
func splitSpace(words []string, w word) []string {
	return append(words, strings.Fields(w.text)...)
}

// splitWords appends the matches of \w+|[^\w\s]+.
func splitWords(words []string, w word) []string {
	text := w.text
	const space, letter, other = 0, 1, 2
	class := func(r rune) int {
		switch {
		case isWord(r):
			return letter
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
func splitPunctuation(words []string, w word) []string {
	text := w.text
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
