// Package wording makes one text of the prompt and the reflection of a correction. Each
// kind of model reads its own; see the functions.
package wording

import (
	"strings"

	"reflectionflow"
)

// Instruction words the reflection as an instruction: what to change, and what the
// result must show. It is for models that edit by instruction, such as FLUX.1 Kontext
// and FLUX.2. Without a reference there is nothing to edit: the text is [Appended].
func Instruction(r reflectionflow.Request) string {
	if empty(r) || r.Reference == nil {
		return Appended(r)
	}
	return "Edit the image: " + sentence(r.Reflection) + " Keep everything else as it is. The edited image must show: " + sentence(r.Prompt)
}

// Appended is the prompt with the reflection as further sentences. It is for models that
// read a description.
func Appended(r reflectionflow.Request) string {
	if empty(r) {
		return r.Prompt
	}
	return sentence(r.Prompt) + " " + sentence(r.Reflection)
}

// Marked is the prompt, [reflectionflow.ReflectionMark] and the reflection: the text
// that ReflectionFlow's correctors are trained on (train_flux). To other models the mark
// is noise.
func Marked(r reflectionflow.Request) string {
	if empty(r) {
		return r.Prompt
	}
	return r.Prompt + reflectionflow.ReflectionMark + r.Reflection
}

// empty tells whether there is no reflection.
func empty(r reflectionflow.Request) bool { return strings.TrimSpace(r.Reflection) == "" }

// sentence ends a text with a full stop unless it has an end.
func sentence(text string) string {
	text = strings.TrimSpace(text)
	if strings.HasSuffix(text, ".") || strings.HasSuffix(text, "!") || strings.HasSuffix(text, "?") {
		return text
	}
	return text + "."
}
