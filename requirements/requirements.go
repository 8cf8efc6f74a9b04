package requirements

import (
	"fmt"

	"reflectionflow"
)

// notRead ends the note about a prompt in another language.
const notRead = ": it is not read"

// Parse reads a prompt. What it cannot read it keeps as requirements of the kind
// [reflectionflow.Free] in the prompt's words; Notes say in words what is wrong with the
// prompt: a contradiction, an open choice, a quote that is not closed, another language.
// The result is a function of the text alone. The error is that of
// [reflectionflow.Prompt.Validate] for a text that is no prompt.
func Parse(text string) (reflectionflow.Prompt, error) {
	prompt := reflectionflow.Prompt{Text: text}
	if err := prompt.Validate(); err != nil {
		return reflectionflow.Prompt{}, err
	}
	p := &parser{text: text}
	var open int
	p.tokens, open = tokens(text)
	p.unread = make([]bool, len(p.tokens))
	p.shouting = shouting(p.tokens)
	if open >= 0 {
		p.notes = append(p.notes, fmt.Sprintf("a quote is not closed: %s", clip(text[open:])))
	}
	if language := p.foreign(); language != "" {
		prompt = unreadPrompt(text)
		prompt.Notes = append(p.notes, fmt.Sprintf("the prompt is not in English (it looks like %s)%s", language, notRead))
		return prompt, nil
	}
	p.run()
	prompt.Requirements = p.requirements()
	prompt.Notes = append(p.notes, Contradictions(prompt.Requirements)...)
	if n := len(prompt.Notes); n > reflectionflow.MaxNotes {
		prompt.Notes = append(prompt.Notes[:reflectionflow.MaxNotes-1], fmt.Sprintf("and %d notes more", n-reflectionflow.MaxNotes+1))
	}
	return prompt, nil
}

// shouting reports whether most words begin with a capital, so that capitals say nothing.
func shouting(tokens []token) bool {
	upper, all := 0, 0
	for i, t := range tokens {
		if t.kind == word && i > 0 && tokens[i-1].kind != stop {
			all++
			if t.upper {
				upper++
			}
		}
	}
	return all > 2 && 2*upper > all
}

// Unread returns the parts of a prompt that [Parse] could not read, in its words.
func Unread(p reflectionflow.Prompt) []string {
	var parts []string
	for _, r := range p.Requirements {
		if r.Kind == reflectionflow.Free {
			parts = append(parts, r.Value)
		}
	}
	return parts
}
