package verifier

import (
	"context"
	_ "embed" // the prompts
	"fmt"
	"image"
	"strings"

	"reflectionflow"
	"reflectionflow/chat"
)

//go:embed prompts/requirements.v1.txt
var requirementsPrompt string

// ChatOptions fit a [Chat] verifier; the zero value is the default.
type ChatOptions struct {
	// Prompt replaces the built-in prompt, prompts/requirements.v1.txt: a
	// text/template with .Prompt and .Requirements (each .ID and .Text); the
	// function quote writes a text as data. The answer's schema is added to it.
	Prompt string
	// Temperature and Seed make one vote among several: see [NewEnsemble]. 0 and 0
	// is the model's likeliest answer.
	Temperature float64
	Seed        uint64
}

// Chat verifies images by asking a vision-language model about each requirement
// on its own. The value of a score is, in [0, 1],
//
//	(mean over requirements of p + quality/100) / 1.1
//
// with p the probability that the model gives, 0 where it gives none, and quality
// its mark from 0 to 10, which decides between images that are equally right. A
// prompt without requirements is one question, and has no findings.
//
// What the model says is checked: ids it was not asked about are refused, numbers
// outside their range too, and so is "met" without an object that it rests on, as a
// model says that obeys a text instead of looking; it is asked once more, and what
// still has no valid verdict is unsure with confidence 0.5 at most. The same goes for an image that the model
// refuses to judge. Errors are those of its endpoint. It may be used from several
// goroutines.
type Chat struct {
	model   chat.Model
	prompt  *chat.Template
	options ChatOptions
}

// NewChat makes a verifier; a prompt that does not work, and a temperature outside 0
// to 2, is an error wrapping [reflectionflow.ErrInvalid].
func NewChat(model chat.Model, options ChatOptions) (*Chat, error) {
	if model == nil {
		return nil, fmt.Errorf("%w: a verifier needs a chat model", reflectionflow.ErrInvalid)
	}
	if err := chat.CheckTemperature(options.Temperature); err != nil {
		return nil, err
	}
	sample := chatData{Prompt: "a", Requirements: []chatItem{{ID: "r1", Text: "at least 1 a"}}}
	prompt, err := chat.NewTemplate("requirements.v1", requirementsPrompt, options.Prompt, sample)
	if err != nil {
		return nil, err
	}
	return &Chat{model: model, prompt: prompt, options: options}, nil
}

// PromptID names the prompt and its exact text, for records.
func (v *Chat) PromptID() string { return v.prompt.ID() }

// chatData is what the prompt's template gets.
type chatData struct {
	Prompt       string
	Requirements []chatItem
}

// chatItem is one requirement in the model's terms.
type chatItem struct {
	ID, Text string
	rests    bool // to be met it must rest on an object
}

// wholeID stands for the request as a whole where it has no requirements.
const wholeID = "request"

func chatItems(p reflectionflow.Prompt) []chatItem {
	if len(p.Requirements) == 0 {
		return []chatItem{{ID: wholeID, Text: "the picture shows all of what was asked for, and nothing contrary to it"}}
	}
	items := make([]chatItem, len(p.Requirements))
	for i, r := range p.Requirements {
		items[i] = chatItem{fmt.Sprintf("r%d", i+1), r.String(), r.Kind != reflectionflow.Absent}
	}
	return items
}

// Verify implements [reflectionflow.Verifier]. Images are judged side by side, as
// many as the endpoint takes.
func (v *Chat) Verify(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	if err := checkImages(ctx, images); err != nil {
		return nil, err
	}
	scores := make([]reflectionflow.Score, len(images))
	err := chat.Each(ctx, v.model, len(images), func(i int) (err error) {
		scores[i], err = v.verify(ctx, images[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	return scores, nil
}

// checkImages refuses a batch with an image that cannot be judged before
// anything is paid for.
func checkImages(ctx context.Context, images []reflectionflow.PromptedImage) error {
	for i, p := range images {
		if err := p.Prompt.Validate(); err != nil {
			return err
		}
		if err := checkImage(p.Image); err != nil {
			return fmt.Errorf("image %d: %w", i, err)
		}
		if n := len(p.Prompt.Requirements); n > maxRequirements {
			return fmt.Errorf("%w: %d requirements, at most %d can be judged", reflectionflow.ErrInvalid, n, maxRequirements)
		}
	}
	return ctx.Err()
}

func checkImage(img image.Image) error {
	if img == nil || img.Bounds().Empty() {
		return fmt.Errorf("%w: there is no image", reflectionflow.ErrInvalid)
	}
	return nil
}

// maxRequirements bounds the questions on an image.
const maxRequirements = 64

// maxUnanswered bounds Score.Unanswered, in bytes.
const maxUnanswered = 300

func (v *Chat) verify(ctx context.Context, p reflectionflow.PromptedImage) (reflectionflow.Score, error) {
	items := chatItems(p.Prompt)
	text, err := v.prompt.Fill(chatData{p.Prompt.Text, items})
	if err != nil {
		return reflectionflow.Score{}, err
	}
	answer, reply, err := chat.Ask(ctx, v.model, chat.Request{
		Parts:       []chat.Part{{Image: p.Image}, chat.Text(text)},
		Form:        &chat.Form{Name: "verdicts", JSON: verdictSchema(items)},
		Temperature: v.options.Temperature, Seed: v.options.Seed,
	}, func(a *chatAnswer) error { return a.check(items) })
	if err != nil && !chat.Unanswered(err) {
		return reflectionflow.Score{}, err
	}
	score := answer.score(p.Prompt, items)
	if err != nil {
		score.Detail = strings.TrimSpace("not judged in full: " + err.Error() + "\n" + score.Detail)
		if !answer.judges(items) {
			score.Unanswered = firstBytes(err.Error(), maxUnanswered)
		}
	}
	score.Cost = reply.Cost
	score.Cost.VerifierCalls = 1
	return score, nil
}
