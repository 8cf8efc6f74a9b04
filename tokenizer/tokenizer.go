package tokenizer

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxTextBytes is the length at which texts are cut off, in bytes.
const MaxTextBytes = 64 << 10

// Bounds: the bytes of a normalized text; the bytes of an added token or of one of a
// Unigram model; the tokens of a vocabulary, and the merges.
const (
	maxNormalized = 4 * MaxTextBytes
	maxTokenBytes = 256
	maxVocabulary = 1 << 20
)

// Tokenizer turns text into token ids. It is immutable and may be used from several
// goroutines.
type Tokenizer struct {
	source         []byte           // the tokenizer.json
	added          trie[addedToken] // added tokens that match in the text before normalization
	addedNorm      trie[addedToken] // added tokens that match in the normalized text
	normalizer     normalizer
	preTokenizer   preTokenizer
	model          model
	prefix, suffix []int32 // special tokens of the template
	ids            map[string]int32
	tokens         map[int32]string
	size           int
	pad            *int32
}

// model turns a word of the pre-tokenizer, which is never empty, into tokens.
type model interface {
	appendPieces(pieces []piece, word string) []piece
	// vocabulary returns the model's tokens and their ids.
	vocabulary() map[string]int32
	// unknown returns the id of words that the vocabulary lacks, if the model has such
	// words.
	unknown() (id int32, ok bool)
}

// piece is a token and the part of the normalized text that it encodes.
type piece struct {
	id   int32
	text string
}

// Encode returns the ids of the text's tokens with the special tokens of the
// template: "… </s>" for T5, "<|startoftext|> … <|endoftext|>" for CLIP. A run of bytes
// that are not UTF-8 is read as U+FFFD. If maxLength is above 0, at most so many ids
// are returned: the text is cut, the special tokens are kept. truncated reports whether
// something was cut.
func (t *Tokenizer) Encode(text string, maxLength int) (ids []int32, truncated bool) {
	pieces, truncated := t.pieces(text)
	if maxLength > 0 {
		room := max(0, maxLength-len(t.prefix)-len(t.suffix))
		if len(pieces) > room {
			pieces, truncated = pieces[:room], true
		}
	}
	ids = slices.Clone(t.prefix)
	for _, p := range pieces {
		ids = append(ids, p.id)
	}
	ids = append(ids, t.suffix...)
	if maxLength > 0 && len(ids) > maxLength {
		ids, truncated = ids[:maxLength], true
	}
	return ids, truncated
}

// EncodePadded is [Tokenizer.Encode] with pad ids appended up to length, which must be
// positive. The first used ids are those of Encode.
func (t *Tokenizer) EncodePadded(text string, length int, pad int32) (ids []int32, used int, truncated bool) {
	ids, truncated = t.Encode(text, max(length, 1))
	used = len(ids)
	for len(ids) < length {
		ids = append(ids, pad)
	}
	return ids, used, truncated
}

// Unknown returns the words of the text that the vocabulary lacks, normalized, each
// once, in the order of the text. With BPE and Unigram there are none.
func (t *Tokenizer) Unknown(text string) []string {
	id, ok := t.model.unknown()
	if !ok {
		return nil
	}
	pieces, _ := t.pieces(text)
	var words []string
	seen := map[string]bool{}
	for _, p := range pieces {
		if p.id == id && !seen[p.text] {
			seen[p.text] = true
			words = append(words, p.text)
		}
	}
	return words
}

// Pad returns the id of the pad token, if the tokenizer's folder names one.
func (t *Tokenizer) Pad() (id int32, ok bool) {
	if t.pad == nil {
		return 0, false
	}
	return *t.pad, true
}

// WordLevel reports that tokens are whole words, so that a word which the vocabulary
// lacks is lost. Others divide it into known parts.
func (t *Tokenizer) WordLevel() bool {
	_, ok := t.model.(wordLevel)
	return ok
}

// Size returns the highest id plus 1: the number of rows of an embedding.
func (t *Tokenizer) Size() int { return t.size }

// ID returns the id of a token, added ones included.
func (t *Tokenizer) ID(token string) (id int32, ok bool) {
	id, ok = t.ids[token]
	return id, ok
}

// Token returns the token of an id, added ones included.
func (t *Tokenizer) Token(id int32) (token string, ok bool) {
	token, ok = t.tokens[id]
	return token, ok
}

// pieces runs all stages but the template, and reports whether text was cut off.
func (t *Tokenizer) pieces(text string) (pieces []piece, truncated bool) {
	text, truncated = cut(strings.ToValidUTF8(text, "\ufffd"), MaxTextBytes)
	for i, outer := range splitAdded(&t.added, text) {
		if outer.added {
			pieces = append(pieces, outer.piece)
			continue
		}
		normalized, isCut := t.normalizer.apply(outer.text)
		truncated = truncated || isCut
		for j, part := range splitAdded(&t.addedNorm, normalized) {
			if part.added {
				pieces = append(pieces, part.piece)
				continue
			}
			for _, word := range t.preTokenizer.apply(part.text, i == 0 && j == 0) {
				pieces = t.model.appendPieces(pieces, word)
			}
		}
	}
	return pieces, truncated
}

// cut shortens text to at most limit bytes, at the boundary of a rune.
func cut(text string, limit int) (string, bool) {
	if len(text) <= limit {
		return text, false
	}
	for !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit], true
}

// index fills in the tables between tokens and ids, from the model's vocabulary and
// the added tokens.
func (t *Tokenizer) index(added []addedToken) error {
	t.ids = t.model.vocabulary()
	t.tokens = make(map[int32]string, len(t.ids)+len(added))
	for token, id := range t.ids {
		t.tokens[id] = token
		t.size = max(t.size, int(id)+1)
	}
	for _, a := range added {
		if id, ok := t.ids[a.Content]; ok && id != a.ID {
			return fmt.Errorf("the added token %q has the id %d, in the vocabulary it has %d", a.Content, a.ID, id)
		}
		if token, ok := t.tokens[a.ID]; ok && token != a.Content {
			return fmt.Errorf("the tokens %q and %q have the same id %d", token, a.Content, a.ID)
		}
		t.ids[a.Content], t.tokens[a.ID] = a.ID, a.Content
		t.size = max(t.size, int(a.ID)+1)
	}
	return nil
}
