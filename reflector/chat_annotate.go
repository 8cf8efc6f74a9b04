package reflector

import (
	"context"
	_ "embed" // the prompt
	"encoding/json"
	"errors"
	"fmt"

	"reflectionflow"
	"reflectionflow/chat"
)

//go:embed prompts/annotate.v2.txt
var annotatePrompt string

// ChatAnnotator compares images by asking a vision-language model, which is not told which
// image is meant to be better. It is safe for concurrent use.
type ChatAnnotator struct {
	model  chat.Model
	prompt *chat.Template
}

var _ reflectionflow.Annotator = (*ChatAnnotator)(nil)

// Reasons of a [ChatAnnotator] for a comparison without an answer. They are stored in annotation files.
const (
	// UnansweredRefused means that the model or a content filter declined to answer.
	UnansweredRefused = "refused"
	// UnansweredUnusable means that two answers in a row did not have the requested form.
	UnansweredUnusable = "no usable answer"
)

// annotateData is the data of the template.
type annotateData struct {
	Prompt     string
	Categories []string
}

// NewChatAnnotator returns an annotator. own replaces the built-in prompt,
// prompts/annotate.v2.txt, unless it is empty; it is a template with .Prompt and
// .Categories. A template that does not execute is an error wrapping
// [reflectionflow.ErrInvalid].
func NewChatAnnotator(model chat.Model, own string) (*ChatAnnotator, error) {
	if model == nil {
		return nil, fmt.Errorf("%w: an annotator needs a chat model", reflectionflow.ErrInvalid)
	}
	prompt, err := chat.NewTemplate("annotate.v2", annotatePrompt, own, annotateData{"a", reflectionflow.DifferenceCategories()})
	if err != nil {
		return nil, err
	}
	return &ChatAnnotator{model, prompt}, nil
}

// PromptID returns the name and a checksum of the prompt, for records.
func (c *ChatAnnotator) PromptID() string { return c.prompt.ID() }

// Concurrency returns the number of pairs that are asked about at the same time.
func (c *ChatAnnotator) Concurrency() int { return c.model.Concurrency() }

// comparisonForm is the form of the answer.
var comparisonForm = chat.Form{Name: "comparison", JSON: comparisonSchema()}

func comparisonSchema() json.RawMessage {
	text := map[string]any{"type": "string"}
	object := func(keys []string, properties map[string]any) map[string]any {
		return map[string]any{"type": "object", "additionalProperties": false, "required": keys, "properties": properties}
	}
	data, err := json.Marshal(object([]string{"better", "differences", "instructions"}, map[string]any{
		"better": map[string]any{"type": "string", "enum": []reflectionflow.Side{reflectionflow.First, reflectionflow.Second, reflectionflow.Neither}},
		"differences": map[string]any{"type": "array", "items": object([]string{"category", "first", "second"}, map[string]any{
			"category": map[string]any{"type": "string", "enum": reflectionflow.DifferenceCategories()}, "first": text, "second": text,
		})},
		"instructions": map[string]any{"type": "array", "items": text},
	}))
	if err != nil {
		panic(err) // strings and lists always encode
	}
	return data
}

// comparisonAnswer is the answer of comparisonForm.
type comparisonAnswer struct {
	Better      reflectionflow.Side `json:"better"`
	Differences []struct {
		Category string `json:"category"`
		First    string `json:"first"`
		Second   string `json:"second"`
	} `json:"differences"`
	Instructions []string `json:"instructions"`
}

func (a *comparisonAnswer) comparison() reflectionflow.Comparison {
	c := reflectionflow.Comparison{Better: a.Better}
	for _, d := range a.Differences {
		c.Differences = append(c.Differences, reflectionflow.Difference{Category: d.Category, First: clean(d.First), Second: clean(d.Second)})
	}
	for _, text := range a.Instructions {
		c.Instructions = append(c.Instructions, clean(text))
	}
	return c
}

func (a *comparisonAnswer) check() error { return a.comparison().Validate() }

// Annotate implements [reflectionflow.Annotator]. If the model refuses or gives no usable
// answer about a pair, its comparison has Unanswered set; other errors of the model end
// the call.
func (c *ChatAnnotator) Annotate(ctx context.Context, pairs []reflectionflow.Pair) ([]reflectionflow.Comparison, error) {
	if err := checkPairs(pairs); err != nil {
		return nil, err
	}
	comparisons := make([]reflectionflow.Comparison, len(pairs))
	err := chat.Each(ctx, c.model, len(pairs), func(i int) (err error) {
		comparisons[i], err = c.annotate(ctx, pairs[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	return comparisons, nil
}

func (c *ChatAnnotator) annotate(ctx context.Context, p reflectionflow.Pair) (reflectionflow.Comparison, error) {
	text, err := c.prompt.Fill(annotateData{p.Prompt.Text, reflectionflow.DifferenceCategories()})
	if err != nil {
		return reflectionflow.Comparison{}, err
	}
	answer, reply, err := chat.Ask(ctx, c.model, chat.Request{
		Parts: parts(text, p.First, p.Second), Form: &comparisonForm,
	}, (*comparisonAnswer).check)
	if chat.Unanswered(err) {
		unanswered := reflectionflow.Comparison{Unanswered: UnansweredUnusable, Detail: err.Error(), Cost: reply.Cost}
		if errors.Is(err, chat.ErrRefused) {
			unanswered.Unanswered = UnansweredRefused
		}
		return unanswered, nil
	}
	if err != nil {
		return reflectionflow.Comparison{}, err
	}
	comparison := answer.comparison()
	comparison.Cost = reply.Cost
	return comparison, nil
}
