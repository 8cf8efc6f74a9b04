package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"reflectionflow"
)

// Files of a tokenizer folder.
const (
	wholeFile      = "tokenizer.json"
	vocabularyFile = "vocab.json" // CLIP's or Qwen's, with
	mergesFile     = "merges.txt"
	pieceFile      = "spiece.model" // T5's
	configFile     = "tokenizer_config.json"
	specialFile    = "special_tokens_map.json"
)

// siglipClass is the class of SigLIP's first tokenizer, which transformers reads from the spiece.model alone.
const siglipClass = "SiglipTokenizer"

// folderConfig is the part of special_tokens_map.json and tokenizer_config.json that
// is used; the latter has precedence.
type folderConfig struct {
	Begin    specialToken          `json:"bos_token"`
	End      specialToken          `json:"eos_token"`
	Unknown  specialToken          `json:"unk_token"`
	Pad      specialToken          `json:"pad_token"`
	Added    map[string]addedToken `json:"added_tokens_decoder"` // by id
	ExtraIDs *int                  `json:"extra_ids"`            // T5's <extra_id_0> and so on
	Class    string                `json:"tokenizer_class"`      // of transformers
	AddBegin *bool                 `json:"add_bos_token"`        // Gemma's
	AddEnd   *bool                 `json:"add_eos_token"`
}

// specialToken is a token's text, or the token as an object.
type specialToken struct{ content string }

func (s *specialToken) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '{' {
		var token addedToken
		err := json.Unmarshal(text, &token)
		s.content = token.Content
		return err
	}
	return json.Unmarshal(text, &s.content)
}

// OpenFolder reads a tokenizer folder of a diffusers model as transformers does: its
// tokenizer.json, or else CLIP's or Qwen's vocab.json and merges.txt, or else T5's spiece.model,
// of which it makes a tokenizer.json. The pad token of [Tokenizer.Pad] is that of
// tokenizer_config.json or special_tokens_map.json. Errors are those of [Load].
func OpenFolder(fsys fs.FS, folder string) (*Tokenizer, error) {
	f := files{fsys: fsys, folder: folder}
	config := f.config()
	name := wholeFile
	var text []byte
	switch {
	case f.has(wholeFile) && (config.Class != siglipClass || !f.has(pieceFile)):
		text = f.read(wholeFile)
	case f.has(vocabularyFile):
		name = vocabularyFile
		text = f.build(name, func(vocabulary []byte) (document, error) {
			return pairDocument(vocabulary, f.read(mergesFile), config)
		})
	case f.has(pieceFile):
		name = pieceFile
		text = f.build(name, func(data []byte) (document, error) { return pieceDocument(data, config) })
	default:
		f.err = fmt.Errorf("%w: %sthe tokenizer is missing (%s, %s or %s): download the tokenizer's files of the model, from where its weights are", reflectionflow.ErrInvalid, f.prefix(), wholeFile, vocabularyFile, pieceFile)
	}
	if f.err != nil {
		return nil, f.err
	}
	t, err := FromBytes(path.Join(folder, name), text)
	if err != nil {
		return nil, err
	}
	if prefix, suffix, ok := config.gemmaEnds(); ok {
		if err := t.surround(prefix, suffix); err != nil {
			return nil, f.refuse(configFile, err)
		}
	}
	return t, t.setPad(folder, config.Pad.content)
}

func (t *Tokenizer) setPad(folder, token string) error {
	if token == "" {
		return nil
	}
	id, ok := t.ID(token)
	if !ok {
		return fmt.Errorf("%w: %s: the pad token %q is not in the vocabulary", reflectionflow.ErrInvalid, folder, token)
	}
	t.pad = &id
	return nil
}

// prefix names the folder in errors; that of a folder itself is known to callers.
func (f files) prefix() string {
	if f.folder == "." {
		return ""
	}
	return f.folder + ": "
}

// files reads files of a folder and keeps the first error.
type files struct {
	fsys   fs.FS
	folder string
	err    error
}

func (f *files) has(name string) bool {
	_, err := fs.Stat(f.fsys, path.Join(f.folder, name))
	return err == nil
}

func (f *files) read(name string) []byte {
	if f.err != nil {
		return nil
	}
	text, err := readFile(f.fsys, path.Join(f.folder, name))
	if err == nil && len(text) > maxFile {
		err = f.refuse(name, fmt.Errorf("the file has more than %d bytes", maxFile))
	}
	f.err = err
	return text
}

func (f *files) refuse(name string, err error) error {
	return fmt.Errorf("%w: %s: %w", reflectionflow.ErrInvalid, path.Join(f.folder, name), err)
}

// config reads the optional files.
func (f *files) config() (c folderConfig) {
	for _, name := range []string{specialFile, configFile} {
		if !f.has(name) {
			continue
		}
		text := f.read(name)
		if f.err != nil {
			return c
		}
		if err := json.Unmarshal(text, &c); err != nil {
			f.err = f.refuse(name, err)
		}
	}
	return c
}

// build makes a tokenizer.json of the file.
func (f *files) build(name string, build func(data []byte) (document, error)) []byte {
	data := f.read(name)
	if f.err != nil {
		return nil
	}
	d, err := build(data)
	var text []byte
	if err == nil {
		text, err = json.Marshal(d)
	}
	if err != nil && f.err == nil {
		f.err = f.refuse(name, err)
	}
	return text
}

// orDefault returns the special token's text.
func (s specialToken) orDefault(content string) string {
	if s.content == "" {
		return content
	}
	return s.content
}

// added returns the added tokens that the folder lists, in the order of their ids, or
// the defaults given.
func (c folderConfig) added(otherwise ...addedToken) ([]addedToken, error) {
	if len(c.Added) == 0 {
		return otherwise, nil
	}
	if len(c.Added) > maxVocabulary {
		return nil, fmt.Errorf("there are %d added tokens, at most %d are allowed", len(c.Added), maxVocabulary)
	}
	byID := map[int32]addedToken{}
	for text, token := range c.Added {
		id, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%s: the added token %q has the id %q", configFile, token.Content, text)
		}
		token.ID = int32(id)
		byID[token.ID] = token
	}
	tokens := make([]addedToken, 0, len(byID))
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		tokens = append(tokens, byID[id])
	}
	return tokens, nil
}

// pairDocument makes a tokenizer.json of vocab.json and merges.txt, which CLIP's and Qwen's tokenizers have.
func pairDocument(vocabulary, merges []byte, config folderConfig) (document, error) {
	var ids map[string]int32
	if err := json.Unmarshal(vocabulary, &ids); err != nil {
		return document{}, err
	}
	pairs, err := readMerges(string(merges))
	if err != nil {
		return document{}, err
	}
	if isQwen(ids, config) {
		return qwenDocument(vocabulary, ids, pairs, config)
	}
	return clipDocument(vocabulary, ids, pairs, config)
}

// clipDocument makes CLIP's tokenizer.json, as transformers' CLIPTokenizer of version
// 5 and CLIPTokenizerFast of version 4 do.
func clipDocument(vocabulary []byte, ids map[string]int32, pairs []mergeJSON, config folderConfig) (document, error) {
	const begin, end = "<|startoftext|>", "<|endoftext|>"
	var err error
	special := func(s specialToken, content string) addedToken {
		content = s.orDefault(content)
		id, ok := ids[content]
		if !ok && err == nil {
			err = fmt.Errorf("the special token %q is not in the vocabulary", content)
		}
		return addedToken{ID: id, Content: content, Special: true}
	}
	first, last, unknown := special(config.Begin, begin), special(config.End, end), special(config.Unknown, end)
	if err != nil {
		return document{}, err
	}
	added, err := config.added(first, last)
	return document{
		Version:     "1.0",
		AddedTokens: added,
		Normalizer:  json.RawMessage(`{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Replace","pattern":{"Regex":"\\s+"},"content":" "},{"type":"Lowercase"}]}`),
		PreTokenizer: json.RawMessage(`{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":` + string(toJSON(clipPattern)) +
			`},"behavior":"Removed","invert":true},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}]}`),
		PostProcessor: toJSON(map[string]any{
			"type": "RobertaProcessing", "cls": []any{first.Content, first.ID}, "sep": []any{last.Content, last.ID}, "trim_offsets": false, "add_prefix_space": false,
		}),
		Decoder: json.RawMessage(`{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}`),
		Model: toJSON(map[string]any{
			"type": "BPE", "dropout": nil, "unk_token": unknown.Content, "continuing_subword_prefix": "", "end_of_word_suffix": "</w>",
			"fuse_unk": false, "byte_fallback": false, "ignore_merges": false, "vocab": json.RawMessage(vocabulary), "merges": pairs,
		}),
	}, err
}

// readMerges reads merges.txt: a line with the version, then one pair of tokens per
// line.
func readMerges(text string) ([]mergeJSON, error) {
	var pairs []mergeJSON
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if line == "" || strings.HasPrefix(line, "#version") {
			continue
		}
		pair, ok := cutMerge(line)
		if !ok {
			return nil, fmt.Errorf("%s: line %d is not two tokens with a space between", mergesFile, number)
		}
		pairs = append(pairs, pair)
		if len(pairs) > maxVocabulary {
			return nil, fmt.Errorf("%s: there are more than %d merges", mergesFile, maxVocabulary)
		}
	}
	if pairs == nil {
		return nil, errors.New(mergesFile + ": there are no merges")
	}
	return pairs, nil
}
