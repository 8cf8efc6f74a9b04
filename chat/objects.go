package chat

import (
	"encoding/json"
	"strings"
)

// Bounds on the work for one answer, which may be hostile. An honest answer has one
// object, or a few with its drafts.
const (
	maxAnswer  = 256 << 10 // bytes that are read
	maxTries   = 1000      // opening brackets that are tried
	maxObjects = 16
)

// Objects returns the JSON objects in a model's answer, in order. It skips prose, code
// fences and reasoning in <think> around them, and removes trailing commas and line
// comments inside them. Nested objects are not listed. At most 16 objects in the first
// 256 KiB are returned.
func Objects(text string) []json.RawMessage {
	if _, after, ok := strings.Cut(text, "</think>"); ok {
		text = after
	}
	text = shorten(text, maxAnswer)
	var found []json.RawMessage
	for tries := 0; tries < maxTries && len(found) < maxObjects; tries++ {
		start := strings.IndexByte(text, '{')
		if start < 0 {
			break
		}
		text = text[start:]
		end := closing(text)
		if end < 0 {
			text = text[1:]
			continue
		}
		object := text[:end]
		if !json.Valid([]byte(object)) {
			object = tidy(object)
		}
		if !json.Valid([]byte(object)) {
			text = text[1:]
			continue
		}
		found = append(found, json.RawMessage(object))
		text = text[end:]
	}
	return found
}

// maxDepth bounds nesting: no form is that deep.
const maxDepth = 64

// closing returns the index after the bracket that closes text[0], or -1.
func closing(text string) int {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return -1
			}
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// tidy removes trailing commas and line comments outside of strings.
func tidy(object string) string {
	var out strings.Builder
	quoted := false
	for i := 0; i < len(object); i++ {
		c := object[i]
		switch {
		case quoted && c == '\\' && i+1 < len(object):
			out.WriteByte(c)
			i++
			c = object[i]
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == ',':
			rest := strings.TrimLeft(object[i+1:], " \t\r\n")
			if strings.HasPrefix(rest, "}") || strings.HasPrefix(rest, "]") {
				continue
			}
		case c == '/' && strings.HasPrefix(object[i:], "//"):
			if end := strings.IndexByte(object[i:], '\n'); end >= 0 {
				i += end
			} else {
				i = len(object)
			}
			continue
		}
		out.WriteByte(c)
	}
	return out.String()
}
