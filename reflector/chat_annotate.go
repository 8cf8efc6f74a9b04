package reflector

import (
	"context"
	_ "embed" // the prompt
	"fmt"
	"image"

	"reflectionflow"
	"reflectionflow/internal/chat"
)

//go:embed prompts/annotate.v1.txt
var annotatePrompt string

// Pair is a flawed and a better picture of the same prompt.
type Pair struct {
	Prompt           reflectionflow.Prompt
	Flawed, Enhanced image.Image
}

// ChatAnnotator writes the reflections of GenRef's triplets by asking a
// vision-language model what leads from a flawed picture to a better one
// (ReflectionFlow, arXiv 2504.16080 §3). It may be used from several goroutines.
type ChatAnnotator struct {
	client *chat.Client
	prompt *chat.Template
}

// NewChatAnnotator makes an annotator. own replaces the built-in prompt,
// prompts/annotate.v1.txt, unless it is empty: a text/template with .Prompt. One
// that does not work is an error wrapping [reflectionflow.ErrInvalid].
func NewChatAnnotator(client *chat.Client, own string) (*ChatAnnotator, error) {
	if client == nil {
		return nil, fmt.Errorf("%w: an annotator needs a chat client", reflectionflow.ErrInvalid)
	}
	prompt, err := chat.NewTemplate("annotate.v1", annotatePrompt, own, chatData{Prompt: "a"})
	if err != nil {
		return nil, err
	}
	return &ChatAnnotator{client, prompt}, nil
}

// PromptID names the prompt and its exact text, for records.
func (c *ChatAnnotator) PromptID() string { return c.prompt.ID() }

// Annotate returns one reflection per pair, in order; an empty one where the model
// sees nothing to mend, refuses, or gives no usable answer. Rules for ctx and
// errors are those of [reflectionflow.Reflector].
func (c *ChatAnnotator) Annotate(ctx context.Context, pairs []Pair) ([]reflectionflow.Reflection, error) {
	for i, p := range pairs {
		if err := p.Prompt.Validate(); err != nil {
			return nil, err
		}
		if p.Flawed == nil || p.Enhanced == nil {
			return nil, fmt.Errorf("%w: pair %d lacks a picture", reflectionflow.ErrInvalid, i)
		}
	}
	reflections := make([]reflectionflow.Reflection, len(pairs))
	err := c.client.Each(ctx, len(pairs), func(i int) error {
		text, err := c.prompt.Fill(chatData{Prompt: pairs[i].Prompt.Text})
		if err != nil {
			return err
		}
		answer, reply, err := chat.Ask(ctx, c.client, chat.Request{
			Parts: parts(text, pairs[i].Flawed, pairs[i].Enhanced), Schema: &reflectForm,
		}, (*textAnswer).check)
		reflections[i].Cost = reply.Cost
		if chat.Unanswered(err) {
			return nil
		}
		if err == nil {
			reflections[i].Text = answer.Reflection
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return reflections, nil
}
