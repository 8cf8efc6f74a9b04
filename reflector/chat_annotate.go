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

// ChatAnnotator compares images by asking a vision-language model. It is not told
// which image is meant to be the better. It may be used from several goroutines.
type ChatAnnotator struct {
	model  chat.Model
	prompt *chat.Template
}

var _ reflectionflow.Annotator = (*ChatAnnotator)(nil)

// The reasons for which [ChatAnnotator] gives no comparison.
const (
	// UnansweredRefused is that of a model, or its filter, that would not answer.
	UnansweredRefused = "refused"
	// UnansweredUnusable is that of prose and of JSON of another form, twice.
	UnansweredUnusable = "no usable answer"
)

// annotateData is what the template gets.
type annotateData struct {
	Prompt     string
	Categories []string
}

// NewChatAnnotator makes an annotator. own replaces the built-in prompt,
// prompts/annotate.v2.txt, unless it is empty: a text/template with .Prompt and
// .Categories. One that does not work is an error wrapping [reflectionflow.ErrInvalid].
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

// PromptID names the prompt and its exact text, for records.
func (c *ChatAnnotator) PromptID() string { return c.prompt.ID() }

// Concurrency is how many pairs are asked about at a time.
func (c *ChatAnnotator) Concurrency() int { return c.model.Concurrency() }

// comparisonForm is the schema of an answer.
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

// Annotate implements [reflectionflow.Annotator]. The errors are those of the endpoint;
// a model that refuses, or whose answer is of no use even when asked once more, leaves
// its own pair unanswered.
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
