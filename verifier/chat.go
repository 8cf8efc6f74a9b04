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

//go:embed prompts/requirements.v2.txt
var requirementsPrompt string

// ChatOptions configure a [Chat] verifier. The zero value has the defaults.
type ChatOptions struct {
	// Prompt replaces the built-in prompt, prompts/requirements.v2.txt. It is a template
	// (see [chat.NewTemplate]) with .Prompt and .Requirements. Each of these has .ID, .Text in
	// words, .Question and the .Answer that was asked for (see [chat.QuestionOf]), .Needs with
	// the IDs of those that it depends on in words, and .Several where these are more than
	// one. The schema of the answer is appended; it asks for an answer in words with the
	// built-in prompt alone, so that prompts/requirements.v1.txt, which listed requirements,
	// is still an own prompt.
	Prompt string
	// Temperature, from 0 to 2, and Seed of sampling. With 0 the model gives its most
	// likely answer. Several verifiers that differ in their seeds make an [Ensemble].
	Temperature float64
	Seed        uint64
	// Votes is the number of answers per image, with the seeds from Seed on; 0 means 1. More
	// than one needs a temperature. The detail of a score says how far they agree.
	Votes int
	// Boxes and Crops, unless nil, look at each image first; one detector may be both. Boxes
	// are shown as a list and numbered in a second image. Crops are parts of the image,
	// enlarged: the objects of which a color, an attribute or a text is asked, and crowds to
	// count; at most 6, of at most 512 pixels a side.
	Boxes, Crops BoxDetector
}

// Chat verifies images by asking a vision-language model a short question about each
// requirement, all in one message, those first that others depend on. The value of a score,
// in [0, 1], is
//
//	(mean over requirements of p + quality/100) / 1.1
//
// where p is the probability that the model states for a requirement, 0 if it states none,
// and quality is its mark from 0 to 10, which decides between images with equal p. A
// prompt without requirements is asked about as a whole; its score has no findings.
//
// Answers are checked. The question is repeated once if an answer has an id that was not
// asked about, a number outside its range, a verdict missing or contrary to the answer that
// it gives, or a requirement that is met without an object as evidence: the model may have
// followed text in the image or the prompt. What is still not valid becomes unsure with a
// confidence of at most 0.5. A requirement about an object that is not there is not met
// either (see [reflectionflow.Prompt.Needs]). If the model refuses, all findings are unsure
// and Score.Unanswered says why.
//
// Errors are those of the model. Chat is safe for concurrent use.
type Chat struct {
	model   chat.Model
	prompt  *chat.Template
	options ChatOptions
}

// NewChat returns a verifier. A prompt that does not execute and a temperature outside 0
// to 2 are errors wrapping [reflectionflow.ErrInvalid].
func NewChat(model chat.Model, options ChatOptions) (*Chat, error) {
	if model == nil {
		return nil, fmt.Errorf("%w: a verifier needs a chat model", reflectionflow.ErrInvalid)
	}
	if err := chat.CheckTemperature(options.Temperature); err != nil {
		return nil, err
	}
	switch {
	case options.Votes < 0 || options.Votes > maxVotes:
		return nil, fmt.Errorf("%w: %d votes: must be from 1 to %d", reflectionflow.ErrInvalid, options.Votes, maxVotes)
	case options.Votes > 1 && options.Temperature == 0:
		return nil, fmt.Errorf("%w: %d votes at temperature 0 are the same: set a temperature", reflectionflow.ErrInvalid, options.Votes)
	}
	sample := chatData{Prompt: "a", Requirements: []chatItem{{ID: "r1", Text: "at least 1 a", Question: "Is there an a?", Answer: "Yes"}}}
	prompt, err := chat.NewTemplate("requirements.v2", requirementsPrompt, options.Prompt, sample)
	if err != nil {
		return nil, err
	}
	return &Chat{model: model, prompt: prompt, options: options}, nil
}

// PromptID returns the name and a checksum of the prompt, for records.
func (v *Chat) PromptID() string { return v.prompt.ID() }

// chatData is the data of the template.
type chatData struct {
	Prompt       string
	Requirements []chatItem
}

// chatItem is what is asked about a requirement.
type chatItem struct {
	ID, Text         string
	Question, Answer string // of chat.QuestionOf
	Needs            string // the IDs of those that it depends on, in words
	Several          bool   // there are several of them

	index     int  // of the requirement
	evidenced bool // it can only be met with an object as evidence
	answered  bool // the model is asked for an answer besides the verdict
}

// wholeID is the id of a prompt without requirements.
const wholeID = "request"

// chatItems lists the questions about a prompt, each after those that it depends on.
func (v *Chat) chatItems(p reflectionflow.Prompt) []chatItem {
	answered := v.options.Prompt == ""
	if len(p.Requirements) == 0 {
		return []chatItem{{
			ID: wholeID, Text: "the picture shows all of what was asked for, and nothing contrary to it", answered: answered,
			Question: "Does the picture show all of what was asked for, and nothing contrary to it?", Answer: "Yes",
		}}
	}
	items := make([]chatItem, 0, len(p.Requirements))
	for _, i := range byNeeds(p) {
		r, q := p.Requirements[i], chat.QuestionOf(p, i)
		item := chatItem{ID: itemID(i), Text: r.String(), Question: q.Text, Answer: q.Answer, index: i, evidenced: evidenced(r), answered: answered}
		var needs []string
		for _, n := range p.Needs(i) {
			needs = append(needs, itemID(n))
		}
		item.Needs, item.Several = strings.Join(needs, " and "), len(needs) > 1
		items = append(items, item)
	}
	return items
}

func itemID(i int) string { return fmt.Sprintf("r%d", i+1) }

// evidenced reports whether a requirement can only be met by an object in the image.
func evidenced(r reflectionflow.Requirement) bool {
	switch r.Kind {
	case reflectionflow.Absent, reflectionflow.AtMost, reflectionflow.Scene, reflectionflow.Style, reflectionflow.Free:
		return false
	case reflectionflow.Text:
		return r.Object != ""
	}
	return true
}

// Verify implements [reflectionflow.Verifier]. It asks about as many images at a time as
// the model allows.
func (v *Chat) Verify(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
	if err := checkImages(ctx, images); err != nil {
		return nil, err
	}
	shown, err := v.hinted(ctx, images)
	if err != nil {
		return nil, err
	}
	votes := max(v.options.Votes, 1)
	all := make([]reflectionflow.Score, votes*len(images))
	err = chat.Each(ctx, v.model, len(all), func(n int) (err error) {
		all[n], err = v.verify(ctx, images[n/votes], shown[n/votes], v.options.Seed+uint64(n%votes))
		return err
	})
	if err != nil {
		return nil, err
	}
	scores := make([]reflectionflow.Score, len(images))
	for i, p := range images {
		scores[i] = voted(p.Prompt, all[i*votes:(i+1)*votes])
	}
	return scores, nil
}

// checkImages returns an error for a batch with an image that cannot be judged, before any
// question is paid for.
func checkImages(ctx context.Context, images []reflectionflow.PromptedImage) error {
	for i, p := range images {
		if err := p.Prompt.Validate(); err != nil {
			return err
		}
		if err := checkImage(p.Image); err != nil {
			return fmt.Errorf("image %d: %w", i, err)
		}
	}
	return ctx.Err()
}

func checkImage(img image.Image) error {
	if img == nil || img.Bounds().Empty() {
		return fmt.Errorf("%w: the image is missing or empty", reflectionflow.ErrInvalid)
	}
	return nil
}

// maxUnanswered bounds Score.Unanswered, in bytes.
const maxUnanswered = 300

// verify asks for one vote on an image.
func (v *Chat) verify(ctx context.Context, p reflectionflow.PromptedImage, shown hints, seed uint64) (reflectionflow.Score, error) {
	items := v.chatItems(p.Prompt)
	text, err := v.prompt.Fill(chatData{p.Prompt.Text, items})
	if err != nil {
		return reflectionflow.Score{}, err
	}
	parts := []chat.Part{{Image: p.Image}}
	for _, picture := range shown.pictures {
		parts = append(parts, chat.Part{Image: picture})
	}
	parts = append(parts, chat.Text(text+shown.text))
	answer, reply, err := chat.Ask(ctx, v.model, chat.Request{
		Parts:       parts,
		Form:        &chat.Form{Name: "verdicts", JSON: verdictSchema(items)},
		Temperature: v.options.Temperature, Seed: seed,
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
