package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Bounds of a file's normalizer: the depth of nested sequences, the number of steps in
// all, and the bytes of a replacement.
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
	Charsmap    []byte            `json:"precompiled_charsmap,omitempty"`
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
		step = normalForm(norm.NFC)
	case "NFD":
		step = normalForm(norm.NFD)
	case "NFKC":
		step = normalForm(norm.NFKC)
	case "NFKD":
		step = normalForm(norm.NFKD)
	case "Lowercase":
		step = lowercase
	case "Strip":
		step = strip(j.StripLeft, j.StripRight)
	case "Replace":
		var err error
		if step, err = replace(j.Pattern, j.Content); err != nil {
			return nil, err
		}
	case "Precompiled":
		c, err := parseCharsmap(j.Charsmap)
		if err != nil {
			return nil, err
		}
		step = c.normalize
	default:
		return nil, fmt.Errorf("the normalizer %q is not supported: NFC, NFD, NFKC, NFKD, Lowercase, Strip, Replace, Precompiled and Sequence are", j.Type)
	}
	return append(n, step), nil
}

// lowercase maps every rune by Unicode's full mapping; only İ becomes two runes.
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

// replace substitutes content for literal text, or for the matches of one of two
// regular expressions: white space (CLIP's) and two or more spaces (T5's).
func replace(pattern *patternJSON, content string) (func(string) string, error) {
	switch {
	case len(content) > maxReplacement:
		return nil, fmt.Errorf("normalizer Replace: the content has %d bytes, at most %d are allowed", len(content), maxReplacement)
	case pattern != nil && pattern.Regex != nil && *pattern.Regex == `\s+`:
		return func(text string) string { return replaceRuns(text, content, 1, unicode.IsSpace) }, nil
	case pattern != nil && pattern.Regex != nil && *pattern.Regex == ` {2,}`:
		isBlank := func(r rune) bool { return r == ' ' }
		return func(text string) string { return replaceRuns(text, content, 2, isBlank) }, nil
	case pattern != nil && pattern.Regex != nil:
		return nil, fmt.Errorf(`normalizer Replace: the regular expression %q is not supported: \s+ and " {2,}" are`, *pattern.Regex)
	case pattern == nil || pattern.String == nil || *pattern.String == "":
		return nil, errors.New("normalizer Replace: the pattern is missing or empty")
	}
	old := *pattern.String
	return func(text string) string { return strings.ReplaceAll(text, old, content) }, nil
}

// replaceRuns substitutes content for every run of at least a number of characters of
// a kind.
func replaceRuns(text, content string, least int, belongs func(rune) bool) string {
	var b strings.Builder
	for text != "" {
		other := strings.IndexFunc(text, belongs)
		if other < 0 {
			other = len(text)
		}
		b.WriteString(text[:other])
		text = text[other:]
		rest := strings.TrimLeftFunc(text, belongs)
		run := text[:len(text)-len(rest)]
		if utf8.RuneCountInString(run) >= least {
			run = content
		}
		b.WriteString(run)
		text = rest
	}
	return b.String()
}
