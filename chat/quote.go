package chat

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// Quote returns text as a JSON string, for prompts: the model reads it as data, and the
// text cannot end the string. Tokens with which chat templates begin and end turns and
// place images, such as <|im_end|>, </s>, <__media__> and [INST], are escaped, because
// servers interpret them inside a message too.
func Quote(text string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(visible(text)) != nil { // a string always encodes
		return `""`
	}
	return controlToken.ReplaceAllStringFunc(strings.TrimSuffix(b.String(), "\n"), func(m string) string {
		return fmt.Sprintf(`\u%04x`, m[0]) + m[1:]
	})
}

// controlToken matches the beginning of what chat templates may interpret.
var controlToken = regexp.MustCompile(`<([\pL\pN_/|])|\[(/?[A-Z_]+\])`)

// Plain returns text without quotes, for prompts with which a model was trained: a quoted
// text would be another question. Control and format characters are removed, and a space
// is put into control tokens, see [Quote].
func Plain(text string) string {
	return controlToken.ReplaceAllStringFunc(visible(text), func(m string) string { return m[:1] + " " + m[1:] })
}

// visible removes control and format characters, in which a text can hide instructions.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\u200c' || r == '\u200d': // the last two shape letters and emoji
			return r
		case unicode.In(r, unicode.Cc, unicode.Cf):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

// shorten returns at most limit bytes of text, cut between runes.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "")
}
