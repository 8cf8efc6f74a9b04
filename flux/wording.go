package flux

import (
	"strings"

	"reflectionflow"
)

// Instruction words a request for a model that edits by instruction: its prompt alone,
// or, with a reference and a reflection, what to change and what the result must show.
func Instruction(r reflectionflow.Request) string {
	switch {
	case strings.TrimSpace(r.Reflection) == "":
		return r.Prompt
	case r.Reference == nil:
		return sentence(r.Prompt) + " " + sentence(r.Reflection)
	}
	return "Edit the image: " + sentence(r.Reflection) + " Keep everything else as it is. The edited image must show: " + sentence(r.Prompt)
}

// sentence ends a text with a full stop unless it has an end.
func sentence(text string) string {
	text = strings.TrimSpace(text)
	if strings.HasSuffix(text, ".") || strings.HasSuffix(text, "!") || strings.HasSuffix(text, "?") {
		return text
	}
	return text + "."
}
