package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"unicode/utf8"

	"reflectionflow"
	"reflectionflow/internal/disk"
)

// maxFile bounds the size of a tokenizer.json, in bytes. Those of the largest
// vocabularies have about 30 MB.
const maxFile = 64 << 20

// document is a tokenizer.json. Its truncation, padding and decoder are not used.
type document struct {
	Version       string          `json:"version"`
	Truncation    json.RawMessage `json:"truncation"`
	Padding       json.RawMessage `json:"padding"`
	AddedTokens   []addedToken    `json:"added_tokens"`
	Normalizer    json.RawMessage `json:"normalizer"`
	PreTokenizer  json.RawMessage `json:"pre_tokenizer"`
	PostProcessor json.RawMessage `json:"post_processor"`
	Decoder       json.RawMessage `json:"decoder"`
	Model         json.RawMessage `json:"model"`
}

// Load reads a tokenizer.json of at most 64 MB. A file that is missing, damaged or not
// supported gives an error wrapping [reflectionflow.ErrInvalid].
func Load(path string) (*Tokenizer, error) {
	name := filepath.Base(path)
	text, err := readFile(os.DirFS(filepath.Dir(path)), name)
	if err != nil {
		return nil, err
	}
	return FromBytes(name, text)
}

// readFile reads at most maxFile bytes and one more.
func readFile(fsys fs.FS, name string) ([]byte, error) {
	file, err := fsys.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: %s: %w", reflectionflow.ErrInvalid, name, fs.ErrNotExist)
	case err != nil:
		return nil, fmt.Errorf("load tokenizer: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("load tokenizer: %w", err)
	}
	return text, nil
}

// FromBytes reads a tokenizer.json that is in memory, such as an embedded one. It
// keeps text, which must not be changed afterwards. Errors are those of [Load] and
// begin with name.
func FromBytes(name string, text []byte) (*Tokenizer, error) {
	t, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", reflectionflow.ErrInvalid, name, err)
	}
	return t, nil
}

func parse(text []byte) (*Tokenizer, error) {
	switch {
	case len(text) > maxFile:
		return nil, fmt.Errorf("the file has more than %d bytes", maxFile)
	case !utf8.Valid(text):
		return nil, errors.New("the file is not valid UTF-8")
	}
	var d *document
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, fmt.Errorf("this is no tokenizer.json: %w", err)
	}
	if d == nil {
		return nil, errors.New("this is no tokenizer.json: it is null")
	}
	t := &Tokenizer{source: text}
	var err error
	if t.normalizer, err = appendNormalizer(nil, d.Normalizer, 0); err != nil {
		return nil, err
	}
	if t.preTokenizer, err = appendPreTokenizer(nil, d.PreTokenizer, 0); err != nil {
		return nil, err
	}
	if at, _ := t.normalizer.apply(" a"); at == "a" && bytes.Contains(d.PreTokenizer, []byte(`"first"`)) {
		return nil, errors.New("the prepend_scheme first is not supported after a normalizer that strips what is on the left")
	}
	if t.prefix, t.suffix, err = parseTemplate(d.PostProcessor); err != nil {
		return nil, err
	}
	if t.model, err = parseModel(d.Model); err != nil {
		return nil, err
	}
	if err := t.insertAdded(d.AddedTokens); err != nil {
		return nil, err
	}
	return t, t.checkTemplate()
}

// parseModel reads the model of one of the supported types.
func parseModel(text json.RawMessage) (model, error) {
	kind, err := modelType(text)
	if err != nil {
		return nil, err
	}
	parse, ok := map[string]func(json.RawMessage) (model, error){
		"WordLevel": parseWordLevel, "BPE": parseBPE, "Unigram": parseUnigram,
	}[kind]
	if !ok {
		return nil, fmt.Errorf("the model %q is not supported: WordLevel, BPE and Unigram are", kind)
	}
	m, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	return m, nil
}

// modelType returns the member "type" of a model. It is the first one in most files, whose vocabularies are long: the rest
// is then not read.
func modelType(text json.RawMessage) (string, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err == nil {
		if key, err := d.Token(); err == nil && key == "type" {
			if value, err := d.Token(); err == nil {
				if kind, ok := value.(string); ok {
					return kind, nil
				}
			}
		}
	}
	var j struct {
		Type string `json:"type"`
	}
	isNull, err := decode(text, &j)
	switch {
	case err != nil:
		return "", fmt.Errorf("model: %w", err)
	case isNull:
		return "", errors.New("the model is missing")
	}
	return j.Type, nil
}

func (t *Tokenizer) insertAdded(tokens []addedToken) error {
	for _, token := range tokens {
		if err := token.check(); err != nil {
			return err
		}
		if !token.Normalized {
			t.added.insert(token.Content, token)
			continue
		}
		if content, _ := t.normalizer.apply(token.Content); content != "" {
			t.addedNorm.insert(content, token)
		}
	}
	return t.index(tokens)
}

// checkTemplate reports ids of the template that are not in the vocabulary.
func (t *Tokenizer) checkTemplate() error {
	for _, ids := range [][]int32{t.prefix, t.suffix} {
		for _, id := range ids {
			if _, ok := t.tokens[id]; !ok {
				return fmt.Errorf("post_processor: there is no token with the id %d", id)
			}
		}
	}
	return nil
}

// decode reads a part of the file and reports whether it is null or missing.
func decode(text json.RawMessage, value any) (isNull bool, err error) {
	if len(text) == 0 || string(text) == "null" {
		return true, nil
	}
	return false, json.Unmarshal(text, value)
}

// Save writes the tokenizer.json that the tokenizer was read from or made as. The file
// is written atomically.
func (t *Tokenizer) Save(path string) error {
	if err := disk.WriteFile(path, t.source); err != nil {
		return fmt.Errorf("save tokenizer: %w", err)
	}
	return nil
}
