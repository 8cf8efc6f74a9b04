package chat

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"text/template"

	"reflectionflow"
)

// Template is a prompt in the language of text/template, under a name with a
// version. The function quote writes a text as data, see [Quote]; plain writes it as it
// is, see [Plain].
type Template struct {
	id       string
	template *template.Template
}

// maxTemplate bounds a prompt's text in bytes.
const maxTemplate = 64 << 10

// NewTemplate parses own, which a user may have written, or builtin where own is
// empty. It is tried on a sample of the data that it will get; what does not parse
// or names a field that is not there is an error wrapping
// [reflectionflow.ErrInvalid].
func NewTemplate(name, builtin, own string, sample any) (*Template, error) {
	text := builtin
	if own != "" {
		text, name = own, name+" (own)"
	}
	if len(text) > maxTemplate {
		return nil, fmt.Errorf("%w: prompt %s has %d bytes, at most %d are allowed", reflectionflow.ErrInvalid, name, len(text), maxTemplate)
	}
	parsed, err := template.New(name).Funcs(template.FuncMap{"quote": Quote, "plain": Plain}).Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: prompt %v", reflectionflow.ErrInvalid, err)
	}
	sum := sha256.Sum256([]byte(text))
	t := &Template{id: name + " sha256:" + hex.EncodeToString(sum[:6]), template: parsed}
	filled, err := t.Fill(sample)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %v", reflectionflow.ErrInvalid, err)
	case filled == "":
		return nil, fmt.Errorf("%w: prompt %s is empty", reflectionflow.ErrInvalid, name)
	}
	return t, nil
}

// ID names the template and its exact text, for records.
func (t *Template) ID() string { return t.id }

// Fill puts data in. White space at the ends is cut off.
func (t *Template) Fill(data any) (string, error) {
	var b strings.Builder
	if err := t.template.Execute(&b, data); err != nil {
		return "", fmt.Errorf("prompt %w", err)
	}
	return strings.TrimSpace(b.String()), nil
}
