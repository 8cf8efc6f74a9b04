package tokenizer

import (
	"fmt"
	"strings"
)

// spellMissing returns the tokens of the 256 bytes, <0x00> to <0xFF>, with which a vocabulary with byte fallback spells
// the characters that it lacks.
func spellMissing(ids map[string]int32) (*[256]int32, error) {
	var bytes [256]int32
	for b := range bytes {
		token := fmt.Sprintf("<0x%02X>", b)
		id, ok := ids[token]
		if !ok {
			return nil, fmt.Errorf("byte_fallback without the token %q is not supported", token)
		}
		bytes[b] = id
	}
	return &bytes, nil
}

// splitAfter ends words after a separator (MergedWithPrevious).
func splitAfter(separator string) preStep {
	return preStep{split: func(words []string, w word) []string {
		for part := range strings.SplitAfterSeq(w.text, separator) {
			if part != "" {
				words = append(words, part)
			}
		}
		return words
	}}
}

// gemmaEnds are the special tokens around a text that tokenizer_config.json of Gemma's tokenizers asks for, which have
// precedence over the template of tokenizer.json. ok is false where it asks for none.
func (c folderConfig) gemmaEnds() (prefix, suffix []string, ok bool) {
	isGemma := strings.HasPrefix(c.Class, "Gemma") || strings.HasPrefix(c.Class, "Siglip2")
	if !isGemma || c.AddBegin == nil && c.AddEnd == nil {
		return nil, nil, false
	}
	if c.AddBegin != nil && *c.AddBegin && c.Begin.content != "" {
		prefix = []string{c.Begin.content}
	}
	if c.AddEnd != nil && *c.AddEnd && c.End.content != "" {
		suffix = []string{c.End.content}
	}
	return prefix, suffix, true
}

// surround replaces the special tokens around texts.
func (t *Tokenizer) surround(prefix, suffix []string) error {
	id := func(tokens []string) (ids []int32, err error) {
		for _, token := range tokens {
			id, ok := t.ID(token)
			if !ok {
				return nil, fmt.Errorf("the special token %q is not in the vocabulary", token)
			}
			ids = append(ids, id)
		}
		return ids, nil
	}
	var err error
	if t.prefix, err = id(prefix); err != nil {
		return err
	}
	t.suffix, err = id(suffix)
	return err
}
