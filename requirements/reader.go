package requirements

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

//go:embed prompts/read.v1.txt
var readPrompt string

// Reader reads prompts with a language model: what [Parse] leaves unread, or the whole
// prompt. It is safe for concurrent use.
type Reader struct {
	model  chat.Model
	prompt *chat.Template
	whole  bool
}

// ReaderOptions configure a [Reader]. The zero value has the defaults.
type ReaderOptions struct {
	// Prompt replaces the built-in prompt, prompts/read.v1.txt. It is a template with
	// .Prompt, .Known and .Parts, whose items have .Number and .Text.
	Prompt string
	// Whole hands the model every prompt as a whole. Otherwise it is asked only about what
	// Parse could not read, and not at all where that is nothing.
	Whole bool
}

// NewReader returns a reader. A template that does not execute is an error wrapping
// [reflectionflow.ErrInvalid].
func NewReader(model chat.Model, options ReaderOptions) (*Reader, error) {
	if model == nil {
		return nil, fmt.Errorf("%w: a parser needs a chat model", reflectionflow.ErrInvalid)
	}
	prompt, err := chat.NewTemplate("read.v1", readPrompt, options.Prompt, readData{"a", []string{"b"}, []readPart{{1, "c"}}})
	if err != nil {
		return nil, err
	}
	return &Reader{model, prompt, options.Whole}, nil
}

// PromptID returns the name and a checksum of the prompt, for records.
func (r *Reader) PromptID() string { return r.prompt.ID() }

// readData is the data of the template.
type readData struct {
	Prompt string
	Known  []string // requirements in words
	Parts  []readPart
}

// readPart is one of the parts to read, numbered from 1.
type readPart struct {
	Number int
	Text   string
}

var readForm = chat.Form{Name: "requirements", JSON: json.RawMessage(`{"type":"object","additionalProperties":false,"required":["requirements"],"properties":{` +
	`"requirements":{"type":"array","maxItems":64,"items":{"type":"object","additionalProperties":false,` +
	`"required":["part","kind","object","color","count","relation","target","target_color","second","value","aspect","optional"],"properties":{` +
	`"part":{"type":"integer","minimum":1,"maximum":64},"kind":{"type":"string","enum":["at_least","exactly","at_most","absent","color","attribute","position","interaction","action","place","text","scene","style"]},` +
	`"object":{"type":"string"},"color":{"type":"string"},"count":{"type":"integer","minimum":0,"maximum":10000},"relation":{"type":"string"},` +
	`"target":{"type":"string"},"target_color":{"type":"string"},"second":{"type":"string"},"value":{"type":"string"},` +
	`"aspect":{"type":"string","enum":["","material","pattern","texture","size","shape","state"]},"optional":{"type":"boolean"}}}}}}`)}

// readAnswer is the answer of readForm.
type readAnswer struct {
	Requirements []readRequirement `json:"requirements"`
}

type readRequirement struct {
	Part int `json:"part"`
	reflectionflow.Requirement
	Optional bool `json:"optional"`
}

// Parse reads a prompt: by [Parse], and then what that leaves by the model, which replaces
// the parts for which it finds requirements. The parts for which it finds none stay as they
// are. It returns the cost of asking. An answer that is not valid is asked for once more,
// and then is an error wrapping [chat.ErrUnusable].
//
// Without Whole, a model that fails is no error: what Parse read stands, the rest stays in
// the prompt's words, and a note says why.
func (r *Reader) Parse(ctx context.Context, text string) (reflectionflow.Prompt, reflectionflow.Cost, error) {
	prompt, err := Parse(text)
	if err != nil {
		return prompt, reflectionflow.Cost{}, err
	}
	if r.whole {
		prompt = unreadPrompt(text)
	}
	parts := Unread(prompt)
	if len(parts) == 0 {
		return prompt, reflectionflow.Cost{}, nil
	}
	data := readData{Prompt: text}
	for i, part := range parts {
		data.Parts = append(data.Parts, readPart{i + 1, part})
	}
	for _, known := range prompt.Requirements {
		if known.Kind != reflectionflow.Free {
			data.Known = append(data.Known, known.String())
		}
	}
	question, err := r.prompt.Fill(data)
	if err != nil {
		return reflectionflow.Prompt{}, reflectionflow.Cost{}, err
	}
	answer, reply, err := chat.Ask(ctx, r.model, chat.Request{Parts: []chat.Part{chat.Text(question)}, Form: &readForm}, (*readAnswer).check)
	switch {
	case err == nil:
	case r.whole || ctx.Err() != nil:
		return reflectionflow.Prompt{}, reply.Cost, fmt.Errorf("parse the prompt: %w", err)
	default:
		prompt.Notes = append([]string{clip("the language model did not read the rest: " + err.Error())}, prompt.Notes...)
		prompt.Notes = prompt.Notes[:min(len(prompt.Notes), reflectionflow.MaxNotes)]
		return prompt, reply.Cost, nil
	}
	merge(&prompt, parts, answer.Requirements)
	return prompt, reply.Cost, prompt.Validate()
}

// unreadPrompt is a prompt of which nothing is read.
func unreadPrompt(text string) reflectionflow.Prompt {
	prompt := reflectionflow.Prompt{Text: text}
	for _, part := range whole(text, reflectionflow.MaxRequirementBytes) {
		prompt.Requirements = append(prompt.Requirements, reflectionflow.Requirement{Kind: reflectionflow.Free, Value: part, Words: part})
	}
	return prompt
}

// check returns an error that tells the model what to correct, and empties the fields that
// a kind does not use.
func (a *readAnswer) check() error {
	if len(a.Requirements) > reflectionflow.MaxRequirements {
		return fmt.Errorf("more than %d requirements", reflectionflow.MaxRequirements)
	}
	for i := range a.Requirements {
		r := &a.Requirements[i]
		r.Weight, r.Words = reflectionflow.Must, ""
		if r.Optional {
			r.Weight = reflectionflow.Should
		}
		normalize(&r.Requirement)
		if err := r.Validate(); err != nil {
			return fmt.Errorf("requirement %d: %w", i+1, err)
		}
		if r.Kind == reflectionflow.Free || !slices.Contains(reflectionflow.Kinds(), r.Kind) {
			return fmt.Errorf("requirement %d: %w", i+1, errors.New("unknown kind"))
		}
	}
	return nil
}

// normalize writes names as [Parse] does, and empties what the kind does not use.
func normalize(r *reflectionflow.Requirement) {
	for _, name := range []*string{&r.Object, &r.Target, &r.Second} {
		*name = clip(*name)
		for _, article := range []string{"a ", "an ", "the "} {
			*name = strings.TrimPrefix(*name, article)
		}
		if c, ok := canonical(strings.ToLower(*name)); ok {
			*name = c
		}
	}
	r.Color, r.TargetColor, r.Relation = clip(r.Color), clip(r.TargetColor), reflectionflow.Relation(clip(string(r.Relation)))
	r.Value = clip(r.Value)
	kept := *r
	*r = reflectionflow.Requirement{Kind: kept.Kind, Object: kept.Object, Color: kept.Color, Weight: kept.Weight}
	switch kept.Kind {
	case reflectionflow.AtLeast, reflectionflow.Exactly, reflectionflow.AtMost, reflectionflow.Color:
		r.Count = kept.Count
	case reflectionflow.Attribute:
		r.Count, r.Value, r.Aspect = kept.Count, kept.Value, kept.Aspect
	case reflectionflow.Position, reflectionflow.Interaction:
		r.Relation, r.Target, r.TargetColor = kept.Relation, kept.Target, kept.TargetColor
		if kept.Relation == reflectionflow.Between {
			r.Second = kept.Second
		}
	case reflectionflow.Scene, reflectionflow.Style:
		r.Object, r.Color, r.Value = "", "", kept.Value
	default:
		r.Value = kept.Value
	}
}

// merge puts what was found for the parts in their place.
func merge(p *reflectionflow.Prompt, parts []string, found []readRequirement) {
	list := slices.DeleteFunc(slices.Clone(p.Requirements), func(r reflectionflow.Requirement) bool { return r.Kind == reflectionflow.Free })
	read := make([]bool, len(parts))
	for _, f := range found {
		part := min(max(f.Part, 1), len(parts)) - 1
		read[part] = true
		f.Words = parts[part]
		same := func(r reflectionflow.Requirement) bool {
			r.Words, r.Weight = f.Words, f.Weight
			return r == f.Requirement
		}
		counted := func(r reflectionflow.Requirement) bool { // named before: its number stands
			return r.Counts() && f.Kind == reflectionflow.AtLeast && f.Count <= 1 && r.Object == f.Object
		}
		if !slices.ContainsFunc(list, same) && !slices.ContainsFunc(list, counted) {
			list = append(list, f.Requirement)
		}
	}
	for i, part := range parts {
		if !read[i] {
			list = append(list, reflectionflow.Requirement{Kind: reflectionflow.Free, Value: part, Words: part})
		}
	}
	if n := len(list); n > reflectionflow.MaxRequirements {
		p.Notes = append(p.Notes, fmt.Sprintf("more than %d requirements: %d are left out", reflectionflow.MaxRequirements, n-reflectionflow.MaxRequirements))
		list = list[:reflectionflow.MaxRequirements]
	}
	p.Requirements = list
	for _, c := range Contradictions(list) {
		if !slices.Contains(p.Notes, c) {
			p.Notes = append(p.Notes, c)
		}
	}
	if all := !slices.Contains(read, false); all {
		p.Notes = slices.DeleteFunc(p.Notes, func(n string) bool { return strings.HasSuffix(n, notRead) || strings.HasPrefix(n, openChoice) })
	}
	p.Notes = p.Notes[:min(len(p.Notes), reflectionflow.MaxNotes)]
}
