package verifier

import (
	"context"
	_ "embed" // the prompt
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/chat"
)

//go:embed prompts/parse.v1.txt
var parsePrompt string

// ChatParser reads the requirements of a prompt by asking a language model, for prompts
// that clipart.Parse does not understand. It is safe for concurrent use.
type ChatParser struct {
	model  chat.Model
	prompt *chat.Template
}

// NewChatParser returns a parser. own replaces the built-in prompt, prompts/parse.v1.txt,
// unless it is empty; it is a template with .Prompt. A template that does not execute is
// an error wrapping [reflectionflow.ErrInvalid].
func NewChatParser(model chat.Model, own string) (*ChatParser, error) {
	if model == nil {
		return nil, fmt.Errorf("%w: a parser needs a chat model", reflectionflow.ErrInvalid)
	}
	prompt, err := chat.NewTemplate("parse.v1", parsePrompt, own, yesNoData{Prompt: "a"})
	if err != nil {
		return nil, err
	}
	return &ChatParser{model, prompt}, nil
}

// PromptID returns the name and a checksum of the prompt, for records.
func (c *ChatParser) PromptID() string { return c.prompt.ID() }

// genevalColors are the ten colors of GenEval.
var genevalColors = []string{"red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white"}

var parseForm = chat.Form{Name: "requirements", JSON: json.RawMessage(`{"type":"object","additionalProperties":false,"required":["requirements"],"properties":{` +
	`"requirements":{"type":"array","maxItems":32,"items":{"type":"object","additionalProperties":false,` +
	`"required":["kind","object","color","count","relation","target","target_color"],"properties":{` +
	`"kind":{"type":"string","enum":["at_least","exactly","absent","position"]},` +
	`"object":{"type":"string"},"color":{"type":"string","enum":["","` + strings.Join(genevalColors, `","`) + `"]},` +
	`"count":{"type":"integer","minimum":0,"maximum":100},` +
	`"relation":{"type":"string","enum":["","left of","right of","above","below"]},` +
	`"target":{"type":"string"},"target_color":{"type":"string","enum":["","` + strings.Join(genevalColors, `","`) + `"]}}}}}}`)}

type parsedAnswer struct {
	Requirements []reflectionflow.Requirement `json:"requirements"`
}

// Parse returns the prompt with its requirements, and the cost of asking. A text without
// anything that can be checked has no requirements. An answer with an unknown kind, color,
// relation or count is asked for once more, and then is an error wrapping
// [chat.ErrUnusable].
func (c *ChatParser) Parse(ctx context.Context, text string) (reflectionflow.Prompt, reflectionflow.Cost, error) {
	prompt := reflectionflow.Prompt{Text: text}
	if err := prompt.Validate(); err != nil {
		return reflectionflow.Prompt{}, reflectionflow.Cost{}, err
	}
	question, err := c.prompt.Fill(yesNoData{text})
	if err != nil {
		return reflectionflow.Prompt{}, reflectionflow.Cost{}, err
	}
	answer, reply, err := chat.Ask(ctx, c.model, chat.Request{Parts: []chat.Part{chat.Text(question)}, Form: &parseForm}, (*parsedAnswer).check)
	if err != nil {
		return reflectionflow.Prompt{}, reply.Cost, fmt.Errorf("parse the prompt: %w", err)
	}
	prompt.Requirements = answer.Requirements
	return prompt, reply.Cost, nil
}

// check returns an error that tells the model what to correct, and normalizes valid
// requirements: it empties fields that their kind does not use and removes duplicates.
func (a *parsedAnswer) check() error {
	if len(a.Requirements) > 32 {
		return errors.New("more than 32 requirements")
	}
	var kept []reflectionflow.Requirement
	for i, r := range a.Requirements {
		r.Object, r.Target = className(r.Object), className(r.Target)
		if err := checkRequirement(r); err != nil {
			return fmt.Errorf("requirement %d: %w", i+1, err)
		}
		if r.Kind == reflectionflow.Absent || r.Kind == reflectionflow.Position {
			r.Count = 0
		}
		if r.Kind != reflectionflow.Position {
			r.Relation, r.Target, r.TargetColor = "", "", ""
		}
		if !slices.Contains(kept, r) {
			kept = append(kept, r)
		}
	}
	a.Requirements = kept
	return nil
}

// className returns a class in GenEval's spelling: in lower case, without an article.
func className(name string) string {
	name = strings.ToLower(firstBytes(name, 64))
	for _, article := range []string{"a ", "an ", "the "} {
		name = strings.TrimPrefix(name, article)
	}
	return name
}

func checkRequirement(r reflectionflow.Requirement) error {
	color := func(c string) bool { return c == "" || slices.Contains(genevalColors, c) }
	switch {
	case r.Object == "":
		return errors.New("object is empty")
	case !color(r.Color) || !color(r.TargetColor):
		return fmt.Errorf("colors must be empty or one of %s", strings.Join(genevalColors, ", "))
	}
	switch r.Kind {
	case reflectionflow.AtLeast, reflectionflow.Exactly:
		if r.Count < 1 || r.Count > 100 {
			return errors.New("count must be from 1 to 100")
		}
	case reflectionflow.Absent:
	case reflectionflow.Position:
		switch r.Relation {
		case reflectionflow.LeftOf, reflectionflow.RightOf, reflectionflow.Above, reflectionflow.Below:
		default:
			return errors.New(`relation must be "left of", "right of", "above" or "below"`)
		}
		if r.Target == "" {
			return errors.New("target is empty")
		}
	default:
		return errors.New(`kind must be "at_least", "exactly", "absent" or "position"`)
	}
	return nil
}
