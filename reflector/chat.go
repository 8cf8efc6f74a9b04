package reflector

import (
	"context"
	_ "embed" // the prompts
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"strings"

	"reflectionflow"
	"reflectionflow/chat"
)

var (
	//go:embed prompts/reflect.v1.txt
	reflectPrompt string
	//go:embed prompts/reflect-tuned.v1.txt
	tunedPrompt string
)

// The ways of asking for a reflection.
const (
	// Instructed asks any capable model, tells it what the verifier found, and wants
	// the answer by a schema.
	Instructed = "instructed"
	// Tuned is the wording that ReflectionFlow's fine-tuned reflector was trained on
	// (its released scripts): the system message "You are a helpful assistant.", the
	// image, one sentence; the answer is the reflection.
	Tuned = "tuned"
)

// maxReflection bounds a reflection in bytes. The corrector's text encoder reads
// 512 tokens, prompt included.
const maxReflection = 1500

// ChatOptions fit a [Chat] reflector; the zero value is the default.
type ChatOptions struct {
	// Wording is Instructed or Tuned; "" means Instructed.
	Wording string
	// Prompt replaces the wording's prompt: a text/template with .Prompt, .Findings
	// (each .Requirement and .Verdict) and .Told, the reflection that the image
	// was made with.
	Prompt string
	// Temperature of sampling; the observation's seed goes with it. 0 is the
	// likeliest answer, 2 the most.
	Temperature float64
}

// Chat reflects by asking a vision-language model what is wrong. A image that the
// verifier found right needs no words, and nobody is asked. Where the model refuses
// or its answer cannot be used, the reflection says what the verifier found unmet.
// Other errors are those of its endpoint. It may be used from several goroutines.
type Chat struct {
	model   chat.Model
	prompt  *chat.Template
	options ChatOptions
}

// NewChat makes a reflector; senseless options are an error wrapping
// [reflectionflow.ErrInvalid].
func NewChat(model chat.Model, options ChatOptions) (*Chat, error) {
	if options.Wording == "" {
		options.Wording = Instructed
	}
	name, builtin := "reflect.v1", reflectPrompt
	switch {
	case model == nil:
		return nil, fmt.Errorf("%w: a reflector needs a chat model", reflectionflow.ErrInvalid)
	case options.Wording == Tuned:
		name, builtin = "reflect-tuned.v1", tunedPrompt
	case options.Wording != Instructed:
		return nil, fmt.Errorf("%w: wording %q: use %s or %s", reflectionflow.ErrInvalid, options.Wording, Instructed, Tuned)
	}
	if err := chat.CheckTemperature(options.Temperature); err != nil {
		return nil, err
	}
	prompt, err := chat.NewTemplate(name, builtin, options.Prompt, chatData{Prompt: "a", Told: "b", Findings: []chatFinding{{"c", "met"}}})
	if err != nil {
		return nil, err
	}
	return &Chat{model: model, prompt: prompt, options: options}, nil
}

// PromptID names the prompt and its exact text, for records.
func (c *Chat) PromptID() string { return c.prompt.ID() }

// chatData is what the templates get.
type chatData struct {
	Prompt    string
	Findings  []chatFinding
	Told      string // reflection that drew the image
	Tried     string // prompt that drew the image, where it is not Prompt
	Words     int
	Variation uint64
}

type chatFinding struct {
	Requirement string
	Verdict     reflectionflow.Verdict
}

func chatFindings(s reflectionflow.Score) []chatFinding {
	var list []chatFinding
	for _, f := range s.Requirements {
		list = append(list, chatFinding{f.Requirement.String(), f.Verdict})
	}
	return list
}

// textAnswer is an answer whose form has one text.
type textAnswer struct {
	Reflection string `json:"reflection"`
}

var reflectForm = chat.Form{Name: "reflection", JSON: json.RawMessage(
	`{"type":"object","additionalProperties":false,"required":["reflection"],"properties":{"reflection":{"type":"string"}}}`)}

func (a *textAnswer) check() error {
	if a.Reflection = clean(a.Reflection); len(a.Reflection) > maxReflection {
		return errors.New("the reflection is too long: three sentences at most")
	}
	return nil
}

// Reflect implements [reflectionflow.Reflector].
func (c *Chat) Reflect(ctx context.Context, observations []reflectionflow.Observation) ([]reflectionflow.Reflection, error) {
	if err := checkObservations(ctx, observations); err != nil {
		return nil, err
	}
	reflections := make([]reflectionflow.Reflection, len(observations))
	err := chat.Each(ctx, c.model, len(observations), func(i int) (err error) {
		if !observations[i].Score.Right() {
			reflections[i], err = c.reflect(ctx, observations[i])
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return reflections, nil
}

// checkObservations refuses a batch before anything is paid for.
func checkObservations(ctx context.Context, observations []reflectionflow.Observation) error {
	for _, o := range observations {
		if err := o.Prompt.Validate(); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (c *Chat) reflect(ctx context.Context, o reflectionflow.Observation) (reflectionflow.Reflection, error) {
	text, err := c.prompt.Fill(chatData{Prompt: o.Prompt.Text, Findings: chatFindings(o.Score), Told: o.Request.Reflection})
	if err != nil {
		return reflectionflow.Reflection{}, err
	}
	request := chat.Request{Parts: parts(text, o.Image), Temperature: c.options.Temperature}
	if c.options.Temperature > 0 {
		request.Seed = o.Seed
	}
	var answer textAnswer
	var reply chat.Reply
	if c.options.Wording == Tuned {
		request.System, request.MaxTokens = "You are a helpful assistant.", 512
		reply, err = c.model.Complete(ctx, request)
		answer.Reflection = shorten(clean(reply.Text))
	} else {
		request.Form = &reflectForm
		answer, reply, err = chat.Ask(ctx, c.model, request, (*textAnswer).check)
	}
	if chat.Unanswered(err) {
		return reflectionflow.Reflection{Text: unmet(o.Score), Cost: reply.Cost}, nil
	}
	if err != nil {
		return reflectionflow.Reflection{}, err
	}
	return reflectionflow.Reflection{Text: answer.Reflection, Cost: reply.Cost}, nil
}

// parts puts images, where there are any, before the text.
func parts(text string, images ...image.Image) []chat.Part {
	var list []chat.Part
	for _, p := range images {
		if p != nil {
			list = append(list, chat.Part{Image: p})
		}
	}
	return append(list, chat.Text(text))
}

// unmet says what the verifier did not find met, where there is no better word.
func unmet(s reflectionflow.Score) string {
	var list []string
	for _, f := range s.Requirements {
		if f.Verdict != reflectionflow.Met {
			list = append(list, f.Requirement.String())
		}
	}
	if len(list) == 0 {
		return ""
	}
	return shorten("Change the picture so that it shows: " + strings.Join(list, "; ") + ".")
}

// clean makes a model's text fit to go into a request: one line, without quotes
// around it, and without the mark that would begin a second reflection.
func clean(text string) string {
	text = strings.ToValidUTF8(text, "")
	if _, after, ok := strings.Cut(text, "</think>"); ok {
		text = after
	}
	text = strings.ReplaceAll(text, strings.TrimSpace(reflectionflow.ReflectionMark), " ")
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if n := len(text); n >= 2 && text[0] == '"' && text[n-1] == '"' {
		text = strings.TrimSpace(text[1 : n-1])
	}
	return text
}

// shorten cuts a text to the length of a reflection, after a sentence if it can.
func shorten(text string) string {
	if len(text) <= maxReflection {
		return text
	}
	text = strings.ToValidUTF8(text[:maxReflection], "")
	if end := strings.LastIndexAny(text, ".!;"); end > maxReflection/2 {
		text = text[:end+1]
	}
	return text
}
