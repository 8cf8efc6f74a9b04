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

// The wordings of the question.
const (
	// Instructed suits any capable model: it states the findings of the verifier and
	// requests an answer in JSON.
	Instructed = "instructed"
	// Tuned is the wording on which ReflectionFlow's fine-tuned reflector was trained (its
	// released scripts): the system message "You are a helpful assistant.", the image and
	// one sentence. The whole answer is the reflection.
	Tuned = "tuned"
)

// maxReflection bounds a reflection in bytes. The corrector's text encoder reads 512
// tokens, prompt included.
const maxReflection = 1500

// ChatOptions configure a [Chat] reflector. The zero value has the defaults.
type ChatOptions struct {
	// Wording is Instructed or Tuned; empty means Instructed.
	Wording string
	// Prompt replaces the prompt of the wording. It is a template (see [chat.NewTemplate])
	// with .Prompt, .Findings, each with .Requirement and .Verdict, and .Told, the
	// reflection from which the image was made.
	Prompt string
	// Temperature of sampling, from 0 to 2, with the seed of the observation. With 0 the
	// model gives its most likely answer.
	Temperature float64
}

// Chat writes reflections by asking a vision-language model what is wrong with an image.
// It asks nothing about an image that the verifier found right. If the model refuses or
// its answer cannot be used, the reflection lists the requirements that the verifier did
// not find met.
//
// With the built-in prompt of the wording Instructed, a reflection that does not say what
// to change, where and how (see [Judge]) is asked for once more; the better of both is
// taken.
//
// Other errors are those of the model. Chat is safe for concurrent use.
type Chat struct {
	model   chat.Model
	prompt  *chat.Template
	options ChatOptions
}

// NewChat returns a reflector. Invalid options are errors wrapping
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

// PromptID returns the name and a checksum of the prompt, for records.
func (c *Chat) PromptID() string { return c.prompt.ID() }

// chatData is the data of the templates.
type chatData struct {
	Prompt    string
	Findings  []chatFinding
	Told      string // reflection from which the image was made
	Tried     string // prompt from which the image was made, if it is not Prompt
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

// textAnswer is the answer of reflectForm.
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

// best keeps the most actionable reflection of several answers.
type best struct {
	prompt reflectionflow.Prompt
	text   string
	score  float64
}

// check accepts an answer whose reflection is empty or says what, where and how.
func (b *best) check(a *textAnswer) error {
	if err := a.check(); err != nil || a.Reflection == "" {
		return err
	}
	told := Judge(b.prompt, a.Reflection)
	if b.text == "" || told.Score() > b.score {
		b.text, b.score = a.Reflection, told.Score()
	}
	return told.problem()
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

// checkObservations returns an error for an invalid batch, before any question is paid
// for.
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
		check := (*textAnswer).check
		kept := best{prompt: o.Prompt}
		if c.options.Prompt == "" {
			check = kept.check
		}
		answer, reply, err = chat.Ask(ctx, c.model, request, check)
		if chat.Unanswered(err) && kept.score > 0 {
			answer.Reflection, err = kept.text, nil
		}
	}
	if chat.Unanswered(err) {
		return reflectionflow.Reflection{Text: unmet(o.Score), Cost: reply.Cost}, nil
	}
	if err != nil {
		return reflectionflow.Reflection{}, err
	}
	return reflectionflow.Reflection{Text: answer.Reflection, Cost: reply.Cost}, nil
}

// parts returns the images that are not nil, followed by the text.
func parts(text string, images ...image.Image) []chat.Part {
	var list []chat.Part
	for _, p := range images {
		if p != nil {
			list = append(list, chat.Part{Image: p})
		}
	}
	return append(list, chat.Text(text))
}

// unmet returns a reflection that lists the requirements that were not found met.
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

// clean makes a model's text fit for a request: one line, without quotes around it and
// without the mark that begins a reflection.
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

// shorten returns at most maxReflection bytes of a text, cut after a sentence if possible.
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
