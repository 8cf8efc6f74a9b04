package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"reflectionflow"
)

// wordLevel is the model in which every word is a token.
type wordLevel struct {
	words     map[string]int32
	unknownID int32
}

func (w wordLevel) appendPieces(pieces []piece, word string) []piece {
	id, ok := w.words[word]
	if !ok {
		id = w.unknownID
	}
	return append(pieces, piece{id: id, text: word})
}

func (w wordLevel) vocabulary() map[string]int32 { return maps.Clone(w.words) }

func (w wordLevel) unknown() (int32, bool) { return w.unknownID, true }

func parseWordLevel(text json.RawMessage) (model, error) {
	var j struct {
		Vocabulary map[string]int64 `json:"vocab"`
		Unknown    string           `json:"unk_token"`
	}
	if _, err := decode(text, &j); err != nil {
		return nil, err
	}
	words, err := checkVocabulary(j.Vocabulary)
	if err != nil {
		return nil, err
	}
	unknown, ok := words[j.Unknown]
	if !ok {
		return nil, fmt.Errorf("the unknown token %q is not in the vocabulary", j.Unknown)
	}
	return wordLevel{words: words, unknownID: unknown}, nil
}

// checkVocabulary returns the ids of a file's tokens, which must differ.
func checkVocabulary(vocabulary map[string]int64) (map[string]int32, error) {
	if len(vocabulary) > maxVocabulary {
		return nil, fmt.Errorf("there are %d tokens, at most %d are allowed", len(vocabulary), maxVocabulary)
	}
	ids := make(map[string]int32, len(vocabulary))
	taken := make([]bool, len(vocabulary)) // the ids of most files are the numbers from 0
	for token, id := range vocabulary {
		if id < 0 || id >= int64(len(taken)) || taken[id] {
			return checkSparse(vocabulary)
		}
		taken[id] = true
		ids[token] = int32(id)
	}
	return ids, nil
}

// checkSparse is checkVocabulary for any ids.
func checkSparse(vocabulary map[string]int64) (map[string]int32, error) {
	ids := make(map[string]int32, len(vocabulary))
	owner := make(map[int64]string, len(vocabulary))
	for _, token := range slices.Sorted(maps.Keys(vocabulary)) {
		id := vocabulary[token]
		if id < 0 || id >= math.MaxInt32 {
			return nil, fmt.Errorf("the token %q has the id %d, it must be from 0 to %d", token, id, math.MaxInt32-1)
		}
		if other, ok := owner[id]; ok {
			return nil, fmt.Errorf("the tokens %q and %q have the same id %d", other, token, id)
		}
		owner[id] = token
		ids[token] = int32(id)
	}
	return ids, nil
}

// Options are the choices of [NewWordLevel]. All tokens that they name must be in
// the vocabulary.
type Options struct {
	// Unknown is the token of words that are not in the vocabulary; empty means
	// "<unk>".
	Unknown string
	// Prefix and Suffix are the special tokens before and after every text, such as
	// {"</s>"} after it.
	Prefix, Suffix []string
	// Special are further special tokens, such as "<pad>". Special tokens match
	// anywhere in a text, in their exact spelling.
	Special []string
	// KeepCase keeps upper and lower case apart. By default texts are lowercased.
	KeepCase bool
}

// NewWordLevel makes a tokenizer whose ids are the positions in the vocabulary. A text
// is normalized to Unicode form NFC and lowercased, then split at white space; every
// punctuation character is a word of its own. A vocabulary that is empty, has a word
// twice or one that splitting or lowercasing changes ("ice cream", "Cat"), or lacks a
// token of the options gives an error wrapping [reflectionflow.ErrInvalid].
func NewWordLevel(vocabulary []string, options Options) (*Tokenizer, error) {
	if options.Unknown == "" {
		options.Unknown = "<unk>"
	}
	t, err := newWordLevel(vocabulary, options)
	if err != nil {
		return nil, fmt.Errorf("%w: word-level tokenizer: %w", reflectionflow.ErrInvalid, err)
	}
	return t, nil
}

func newWordLevel(vocabulary []string, options Options) (*Tokenizer, error) {
	ids := make(map[string]int32, len(vocabulary))
	for i, word := range vocabulary {
		if _, ok := ids[word]; ok {
			return nil, fmt.Errorf("the word %q comes twice in the vocabulary", word)
		}
		if word == "" || !utf8.ValidString(word) {
			return nil, fmt.Errorf("the word %q of the vocabulary is empty or not valid UTF-8", word)
		}
		ids[word] = int32(i)
	}
	special := slices.Concat([]string{options.Unknown}, options.Prefix, options.Suffix, options.Special)
	for _, token := range special {
		if _, ok := ids[token]; !ok {
			return nil, fmt.Errorf("the special token %q is not in the vocabulary", token)
		}
	}
	var text bytes.Buffer
	if err := json.Indent(&text, toJSON(wordLevelDocument(vocabulary, ids, special, options)), "", "  "); err != nil {
		return nil, err
	}
	t, err := parse(text.Bytes())
	if err != nil {
		return nil, err
	}
	for i, word := range vocabulary {
		if got, _ := t.pieces(word); len(got) != 1 || got[0].id != int32(i) {
			return nil, fmt.Errorf("the word %q can never be found in a text: it is split up or spelled differently before it is looked up", word)
		}
	}
	return t, nil
}

// wordLevelDocument builds the tokenizer.json of NewWordLevel.
func wordLevelDocument(vocabulary []string, ids map[string]int32, special []string, options Options) document {
	d := document{Version: "1.0"}
	for _, word := range vocabulary {
		if slices.Contains(special, word) {
			d.AddedTokens = append(d.AddedTokens, addedToken{ID: ids[word], Content: word, Special: true})
		}
	}
	normalizers := []json.RawMessage{json.RawMessage(`{"type":"NFC"}`)}
	if !options.KeepCase {
		normalizers = append(normalizers, json.RawMessage(`{"type":"Lowercase"}`))
	}
	d.Normalizer = toJSON(normalizerJSON{Type: "Sequence", Normalizers: normalizers})
	d.PreTokenizer = json.RawMessage(`{"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"Punctuation","behavior":"Isolated"}]}`)
	d.PostProcessor = toJSON(newTemplate(options.Prefix, options.Suffix, ids))
	var words strings.Builder // in the order of ids
	for i, word := range vocabulary {
		if i > 0 {
			words.WriteByte(',')
		}
		fmt.Fprintf(&words, "%s:%d", toJSON(word), i)
	}
	d.Model = json.RawMessage(fmt.Sprintf(`{"type":"WordLevel","vocab":{%s},"unk_token":%s}`, words.String(), toJSON(options.Unknown)))
	return d
}

// toJSON returns the JSON form of text, numbers and structs of them, for which it
// cannot fail, and does not escape < and >.
func toJSON(value any) json.RawMessage {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value)
	return bytes.TrimSpace(text.Bytes())
}
