package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Bounds on what a file may ask of a text: how deep sequences may nest, how many
// steps they may have in all and how long the text of a replacement may be.
const (
	maxDepth       = 8
	maxSteps       = 64
	maxReplacement = 256
)

// normalizer is a sequence of steps that rewrite a text.
type normalizer []func(string) string

func (n normalizer) apply(text string) (normalized string, truncated bool) {
	for _, step := range n {
		var isCut bool
		text, isCut = cut(step(text), maxNormalized)
		truncated = truncated || isCut
	}
	return text, truncated
}

// normalizerJSON holds the members of all kinds of normalizer.
type normalizerJSON struct {
	Type        string            `json:"type"`
	Normalizers []json.RawMessage `json:"normalizers,omitempty"`
	StripLeft   bool              `json:"strip_left,omitempty"`
	StripRight  bool              `json:"strip_right,omitempty"`
	Pattern     *patternJSON      `json:"pattern,omitempty"`
	Content     string            `json:"content,omitempty"`
}

// patternJSON is literal text or a regular expression.
type patternJSON struct {
	String *string
	Regex  *string
}

// appendNormalizer appends the steps of a normalizer in its JSON form.
func appendNormalizer(n normalizer, text json.RawMessage, depth int) (normalizer, error) {
	var j normalizerJSON
	switch isNull, err := decode(text, &j); {
	case err != nil:
		return nil, fmt.Errorf("normalizer: %w", err)
	case isNull:
		return n, nil
	case depth > maxDepth || len(n) >= maxSteps:
		return nil, errors.New("the normalizer has too many steps")
	}
	var step func(string) string
	switch j.Type {
	case "Sequence":
		for _, text := range j.Normalizers {
			var err error
			if n, err = appendNormalizer(n, text, depth+1); err != nil {
				return nil, err
			}
		}
		return n, nil
	case "NFC":
		step = norm.NFC.String
	case "NFD":
		step = norm.NFD.String
	case "NFKC":
		step = norm.NFKC.String
	case "NFKD":
		step = norm.NFKD.String
	case "Lowercase":
		step = lowercase
	case "Strip":
		step = strip(j.StripLeft, j.StripRight)
	case "Replace":
		var err error
		if step, err = replace(j.Pattern, j.Content); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("the normalizer %q is not supported: NFC, NFD, NFKC, NFKD, Lowercase, Strip, Replace and Sequence are", j.Type)
	}
	return append(n, step), nil
}

// lowercase maps every rune by itself, in full: İ is the one that becomes two.
func lowercase(text string) string {
	return strings.ReplaceAll(strings.Map(func(r rune) rune {
		if r == 'İ' {
			return r
		}
		return unicode.ToLower(r)
	}, text), "İ", "i\u0307")
}

func strip(left, right bool) func(string) string {
	return func(text string) string {
		if left {
			text = strings.TrimLeftFunc(text, unicode.IsSpace)
		}
		if right {
			text = strings.TrimRightFunc(text, unicode.IsSpace)
		}
		return text
	}
}

// replace puts content in the place of literal text, or of every run of white space,
// which is the one regular expression that it knows (CLIP's).
func replace(pattern *patternJSON, content string) (func(string) string, error) {
	switch {
	case len(content) > maxReplacement:
		return nil, fmt.Errorf("normalizer Replace: the content has %d bytes, at most %d are allowed", len(content), maxReplacement)
	case pattern != nil && pattern.Regex != nil && *pattern.Regex == `\s+`:
		return func(text string) string { return replaceSpace(text, content) }, nil
	case pattern != nil && pattern.Regex != nil:
		return nil, fmt.Errorf(`normalizer Replace: the regular expression %q is not supported: only \s+ is`, *pattern.Regex)
	case pattern == nil || pattern.String == nil || *pattern.String == "":
		return nil, errors.New("normalizer Replace: the pattern is missing or empty")
	}
	old := *pattern.String
	return func(text string) string { return strings.ReplaceAll(text, old, content) }, nil
}

func replaceSpace(text, content string) string {
	var b strings.Builder
	inSpace := false
	for _, r := range text {
		space := unicode.IsSpace(r)
		switch {
		case !space:
			b.WriteRune(r)
		case !inSpace:
			b.WriteString(content)
		}
		inSpace = space
	}
	return b.String()
}
