package reflector

import (
	"context"
	_ "embed" // the prompt
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"reflectionflow"
	"reflectionflow/chat"
)

//go:embed prompts/refine.v1.txt
var refinePrompt string

// ChatRefinerOptions configure a [ChatRefiner]. The zero value has the defaults.
type ChatRefinerOptions struct {
	// Prompt replaces the built-in prompt, prompts/refine.v1.txt. It is a template (see
	// [chat.NewTemplate]) with .Prompt, .Tried, .Findings, .Words and .Variation.
	Prompt string
	// Words bounds a refined prompt in words, from 1 to 400; 0 means 80, which CLIP and T5
	// read in full.
	Words int
	// Temperature of sampling, up to 2, with the seed of the observation; 0 means 0.7, so
	// that refinements differ.
	Temperature float64
}

// ChatRefiner rewrites prompts by asking a language model, which is also shown the image
// if there is one. If the model refuses or its answer cannot be used, the refinement is
// the unchanged prompt.
//
// Other errors are those of the model. ChatRefiner is safe for concurrent use.
type ChatRefiner struct {
	model   chat.Model
	prompt  *chat.Template
	options ChatRefinerOptions
}

// NewChatRefiner returns a refiner. Invalid options are errors wrapping
// [reflectionflow.ErrInvalid].
func NewChatRefiner(model chat.Model, options ChatRefinerOptions) (*ChatRefiner, error) {
	if options.Words == 0 {
		options.Words = 80
	}
	if options.Temperature == 0 {
		options.Temperature = 0.7
	}
	switch {
	case model == nil:
		return nil, fmt.Errorf("%w: a refiner needs a chat model", reflectionflow.ErrInvalid)
	case options.Words < 1 || options.Words > 400:
		return nil, fmt.Errorf("%w: %d words: must be from 1 to 400", reflectionflow.ErrInvalid, options.Words)
	}
	if err := chat.CheckTemperature(options.Temperature); err != nil {
		return nil, err
	}
	sample := chatData{Prompt: "a", Tried: "b", Findings: []chatFinding{{"c", "met"}}, Words: 1, Variation: 1}
	prompt, err := chat.NewTemplate("refine.v1", refinePrompt, options.Prompt, sample)
	if err != nil {
		return nil, err
	}
	return &ChatRefiner{model: model, prompt: prompt, options: options}, nil
}

// PromptID returns the name and a checksum of the prompt, for records.
func (c *ChatRefiner) PromptID() string { return c.prompt.ID() }

var refineForm = chat.Form{Name: "refinement", JSON: json.RawMessage(
	`{"type":"object","additionalProperties":false,"required":["prompt"],"properties":{"prompt":{"type":"string"}}}`)}

type refineAnswer struct {
	Prompt string `json:"prompt"`
}

// check tolerates half as many words again as requested: models count badly.
func (c *ChatRefiner) check(a *refineAnswer) error {
	a.Prompt = clean(a.Prompt)
	switch {
	case a.Prompt == "":
		return errors.New("the prompt is empty")
	case len(strings.Fields(a.Prompt)) > c.options.Words*3/2+5 || len(a.Prompt) > reflectionflow.MaxPromptBytes:
		return fmt.Errorf("the prompt is too long: at most %d words", c.options.Words)
	}
	return nil
}

// variations is the number of values of .Variation.
const variations = 1000

// Refine implements [reflectionflow.Refiner].
func (c *ChatRefiner) Refine(ctx context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Refinement, error) {
	if err := checkObservations(ctx, observations); err != nil {
		return nil, err
	}
	refinements := make([]reflectionflow.Refinement, len(observations))
	err := chat.Each(ctx, c.model, len(observations), func(i int) (err error) {
		refinements[i], err = c.refine(ctx, observations[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	return refinements, nil
}

func (c *ChatRefiner) refine(ctx context.Context, o reflectionflow.Observation) (reflectionflow.Refinement, error) {
	data := chatData{
		Prompt: o.Prompt.Text, Findings: chatFindings(o.Score), Words: c.options.Words,
		// Part of the prompt, for servers that ignore seeds.
		Variation: o.Seed%variations + 1,
	}
	if o.Image != nil && o.Request.Prompt != o.Prompt.Text {
		data.Tried = o.Request.Prompt
	}
	text, err := c.prompt.Fill(data)
	if err != nil {
		return reflectionflow.Refinement{}, err
	}
	answer, reply, err := chat.Ask(ctx, c.model, chat.Request{
		Parts: parts(text, o.Image), Form: &refineForm, Temperature: c.options.Temperature, Seed: o.Seed,
	}, c.check)
	if chat.Unanswered(err) {
		return reflectionflow.Refinement{Text: o.Prompt.Text, Cost: reply.Cost}, nil
	}
	if err != nil {
		return reflectionflow.Refinement{}, err
	}
	return reflectionflow.Refinement{Text: answer.Prompt, Cost: reply.Cost}, nil
}
