package requirements

import (
	"fmt"
	"slices"
	"strings"

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
	shown, inside := visible(text)
	p := &parser{text: shown}
	var open int
	var symbols []string
	plain, ignored := without(shown)
	p.tokens, open, symbols = tokens(plain)
	p.tokens = unbracketed(p.tokens, plain)
	p.unread = make([]bool, len(p.tokens))
	p.shouting = shouting(p.tokens)
	if open >= 0 {
		p.notes = append(p.notes, fmt.Sprintf("a quote is not closed: %s", clip(shown[open:])))
	}
	if len(ignored) > 0 {
		p.notes = append(p.notes, clip("settings of other programs ask for nothing in the image: "+strings.Join(ignored, ", ")))
	}
	if inside {
		p.notes = append(p.notes, "characters that show nothing stand inside words: they are left out")
	}
	if language := p.foreign(); language != "" {
		prompt = unreadPrompt(text)
		prompt.Notes = append(p.notes, fmt.Sprintf("the prompt is not in English (it looks like %s)%s", language, notRead))
		return prompt, nil
	}
	p.run()
	prompt.Requirements = withSymbols(p.requirements(), symbols)
	prompt.Notes = append(p.notes, Contradictions(prompt.Requirements)...)
	if n := len(prompt.Notes); n > reflectionflow.MaxNotes {
		prompt.Notes = append(prompt.Notes[:reflectionflow.MaxNotes-1], fmt.Sprintf("and %d notes more", n-reflectionflow.MaxNotes+1))
	}
	return prompt, nil
}

// withSymbols adds emoji and the like, which are not read, as far as there is room.
func withSymbols(list []reflectionflow.Requirement, symbols []string) []reflectionflow.Requirement {
	var seen []string
	for _, s := range symbols {
		s = clip(s)
		if s == "" || slices.Contains(seen, s) || len(list) >= reflectionflow.MaxRequirements {
			continue
		}
		seen = append(seen, s)
		list = append(list, reflectionflow.Requirement{Kind: reflectionflow.Free, Value: s, Words: s})
	}
	return list
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
