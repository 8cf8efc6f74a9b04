package chat

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"text/template"

	"reflectionflow"
)

// Template is a prompt in the syntax of text/template, with a name and version. Its
// functions are quote, which writes text as data ([Quote]), and plain ([Plain]).
type Template struct {
	id       string
	template *template.Template
}

// maxTemplate bounds the text of a template in bytes.
const maxTemplate = 64 << 10

// NewTemplate parses own, or builtin if own is empty, and executes it on sample, an
// example of the data for [Template.Fill]. A template that does not parse, names a field
// that does not exist or gives no text is an error wrapping [reflectionflow.ErrInvalid].
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

// ID returns the name and a checksum of the text, for records.
func (t *Template) ID() string { return t.id }

// Fill executes the template on data. White space at the ends is removed.
func (t *Template) Fill(data any) (string, error) {
	var b strings.Builder
	if err := t.template.Execute(&b, data); err != nil {
		return "", fmt.Errorf("prompt %w", err)
	}
	return strings.TrimSpace(b.String()), nil
}
