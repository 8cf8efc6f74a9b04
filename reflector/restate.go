package reflector

import (
	"context"
	"strings"
	"time"
	"unicode"

	"reflectionflow"
)

// Restate implements [reflectionflow.Refiner] for any objects: it follows the prompt with plain sentences
// of the requirements that the image does not clearly meet, or of all where there is no image yet:
//
//	two dogs on a red sofa. There are exactly two dogs. The couch is red.
//
// A sentence that says nothing new is left out: that there is a dog, after "a dog", or what the whole prompt
// says. If the observation has a reflection, the prompt stays unchanged. The zero value is ready to use. It is
// safe for concurrent use.
type Restate struct{}

// Refine rewrites the prompt of each observation; the text is empty where nothing is to be added. Free
// requirements are in the prompt's words and are not repeated.
func (Restate) Refine(ctx context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Refinement, error) {
	refinements := make([]reflectionflow.Refinement, len(observations))
	for i, o := range observations {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		start := time.Now()
		if err := o.Prompt.Validate(); err != nil {
			return nil, err
		}
		if o.Reflection == "" {
			refinements[i].Text = restated(o)
		}
		refinements[i].Cost.Seconds = time.Since(start).Seconds()
	}
	return refinements, ctx.Err()
}

// saysAll reports whether the prompt's words say a requirement as plainly as its statement: those of an
// object whose noun is the prompt's, and a scene, style or text in the prompt's words, alone name it.
func saysAll(p reflectionflow.Prompt, r reflectionflow.Requirement) bool {
	said := strings.ToLower(p.Text)
	switch r.Kind {
	case reflectionflow.AtLeast:
		return r.Count <= 1 && hasPhrase(said, strings.ToLower(named(r.Color, r.Object)))
	case reflectionflow.Style, reflectionflow.Scene:
		return hasPhrase(said, strings.ToLower(r.Value))
	}
	return strings.Trim(said, " .!?") == strings.ToLower(strings.TrimSuffix(statement(r), "."))
}

// hasPhrase reports whether a text has a phrase as whole words.
func hasPhrase(text, phrase string) bool {
	letters := func(s string) string {
		return " " + strings.Join(strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }), " ") + " "
	}
	return strings.TrimSpace(phrase) != "" && strings.Contains(letters(text), letters(phrase))
}

// restated is the text of a refinement.
func restated(o reflectionflow.Observation) string {
	text := strings.TrimSpace(o.Prompt.Text)
	if !strings.ContainsRune(".!?", rune(text[len(text)-1])) {
		text += "."
	}
	added := false
	for i, r := range o.Prompt.Requirements {
		judged := i < len(o.Score.Requirements)
		if r.Kind == reflectionflow.Free || judged && o.Score.Requirements[i].Verdict == reflectionflow.Met {
			continue
		}
		if saysAll(o.Prompt, r) {
			continue
		}
		if s := statement(r); len(text)+1+len(s) <= reflectionflow.MaxPromptBytes {
			text, added = text+" "+s, true
		}
	}
	if !added {
		return ""
	}
	return text
}
