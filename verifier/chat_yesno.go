package verifier

import (
	"context"
	_ "embed" // the prompts
	"fmt"
	"math"
	"strings"

	"reflectionflow"
	"reflectionflow/chat"
)

// The ways in which small verifiers are asked.
const (
	// YesNoWrapped is the documented question of NVILA-Lite-2B-Verifier (SANA,
	// inference-time scaling).
	YesNoWrapped = "wrapped"
	// YesNoBare sends the prompt alone, as ReflectionFlow's released scripts do.
	YesNoBare = "bare"
	// YesNoQuestion is VQAScore's question (arXiv 2404.01291).
	YesNoQuestion = "question"
)

var (
	//go:embed prompts/yesno-wrapped.v1.txt
	wrappedPrompt string
	//go:embed prompts/yesno-bare.v1.txt
	barePrompt string
	//go:embed prompts/yesno-question.v1.txt
	questionPrompt string
)

// YesNoOptions fit a [YesNo] verifier; the zero value is the default.
type YesNoOptions struct {
	// Wording is YesNoWrapped, YesNoBare or YesNoQuestion; "" means YesNoQuestion.
	Wording string
	// Prompt replaces the wording: a text/template with .Prompt.
	Prompt string
	// PerRequirement asks about each requirement on its own, which costs a call
	// each and gives findings. Otherwise there is one question on the whole prompt.
	PerRequirement bool
	// Met and NotMet are the probabilities from which a requirement counts as met
	// and up to which as not met. 0.6 and 0.4 by default.
	Met, NotMet float64
}

// YesNo verifies by the probability of the word "yes" as a model's answer: the
// value is P(yes) / (P(yes) + P(no)) at the first word of the answer, with the
// spellings of both summed; per requirement it is the mean of those. It needs a
// server with log-probabilities; where there are none the word itself counts, 1 or
// 0, which orders poorly. These are normalised probabilities: their order is that
// of the difference of NVILA's yes and no logits.
//
// An answer that begins with neither word counts 0 and is unsure; without any other the
// score is unanswered. It may be used
// from several goroutines.
type YesNo struct {
	model   chat.Model
	prompt  *chat.Template
	options YesNoOptions
}

// NewYesNo makes a verifier; senseless options are an error wrapping
// [reflectionflow.ErrInvalid].
func NewYesNo(model chat.Model, options YesNoOptions) (*YesNo, error) {
	if options.Wording == "" {
		options.Wording = YesNoQuestion
	}
	if options.Met == 0 {
		options.Met = 0.6
	}
	if options.NotMet == 0 {
		options.NotMet = 0.4
	}
	builtin, ok := map[string]string{YesNoWrapped: wrappedPrompt, YesNoBare: barePrompt, YesNoQuestion: questionPrompt}[options.Wording]
	switch {
	case model == nil:
		return nil, fmt.Errorf("%w: a verifier needs a chat model", reflectionflow.ErrInvalid)
	case !ok:
		return nil, fmt.Errorf("%w: wording %q: use %s, %s or %s", reflectionflow.ErrInvalid, options.Wording, YesNoWrapped, YesNoBare, YesNoQuestion)
	case !(options.NotMet >= 0 && options.NotMet <= options.Met && options.Met <= 1):
		return nil, fmt.Errorf("%w: thresholds %v and %v: must be 0 ≤ not met ≤ met ≤ 1", reflectionflow.ErrInvalid, options.NotMet, options.Met)
	}
	prompt, err := chat.NewTemplate("yesno-"+options.Wording+".v1", builtin, options.Prompt, yesNoData{Prompt: "a"})
	if err != nil {
		return nil, err
	}
	return &YesNo{model: model, prompt: prompt, options: options}, nil
}

// PromptID names the prompt and its exact text, for records.
func (v *YesNo) PromptID() string { return v.prompt.ID() }

// Abilities implements [reflectionflow.DeclaringVerifier]: every kind with
// PerRequirement, else a value only.
func (v *YesNo) Abilities() reflectionflow.Abilities {
	return reflectionflow.Abilities{EveryKind: v.options.PerRequirement}
}

type yesNoData struct{ Prompt string }

// Verify implements [reflectionflow.Verifier].
func (v *YesNo) Verify(ctx context.Context, images []reflectionflow.PromptedImage) ([]reflectionflow.Score, error) {
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

func (v *YesNo) verify(ctx context.Context, p reflectionflow.PromptedImage) (reflectionflow.Score, error) {
	score := reflectionflow.Score{Cost: reflectionflow.Cost{VerifierCalls: 1}}
	if !v.options.PerRequirement || len(p.Prompt.Requirements) == 0 {
		yes, err := v.ask(ctx, p, p.Prompt.Text, &score)
		score.Value = max(yes, 0)
		if yes < 0 {
			score.Unanswered = firstBytes(score.Detail, maxUnanswered)
		}
		return score, err
	}
	answered := false
	for _, r := range p.Prompt.Requirements {
		yes, err := v.ask(ctx, p, r.String(), &score)
		if err != nil {
			return score, err
		}
		answered = answered || yes >= 0
		finding := reflectionflow.Finding{Requirement: r, Verdict: reflectionflow.Unsure, Confidence: unsureConfidence}
		switch {
		case yes < 0:
		case yes >= v.options.Met:
			finding.Verdict, finding.Confidence = reflectionflow.Met, yes
		case yes <= v.options.NotMet:
			finding.Verdict, finding.Confidence = reflectionflow.NotMet, yes
		default:
			finding.Confidence = yes
		}
		score.Requirements = append(score.Requirements, finding)
		score.Value += max(yes, 0) / float64(len(p.Prompt.Requirements))
	}
	if !answered {
		score.Unanswered = firstBytes(score.Detail, maxUnanswered)
	}
	return score, nil
}

// unknown is the probability of yes where the answer is neither yes nor no.
const unknown = -1

// ask returns the probability of yes, or unknown, and adds the cost to score.
func (v *YesNo) ask(ctx context.Context, p reflectionflow.PromptedImage, text string, score *reflectionflow.Score) (float64, error) {
	question, err := v.prompt.Fill(yesNoData{text})
	if err != nil {
		return unknown, err
	}
	reply, err := v.model.Complete(ctx, chat.Request{
		Parts: []chat.Part{{Image: p.Image}, chat.Text(question)}, TopLogprobs: 10, MaxTokens: 8,
	})
	score.Cost = score.Cost.Add(reply.Cost)
	if chat.Unanswered(err) {
		score.Detail = err.Error()
		return unknown, nil
	}
	if err != nil {
		return unknown, err
	}
	yes := probability(reply)
	if yes < 0 {
		score.Detail = "neither yes nor no: " + firstBytes(reply.Text, 100)
	}
	return yes, nil
}

// probability of yes in a reply; unknown where it begins with neither word.
func probability(reply chat.Reply) float64 {
	for _, token := range reply.Tokens {
		if strings.TrimSpace(token.Text) == "" {
			continue // models that begin with a line break
		}
		mass := map[string]float64{}
		chosen := false
		for _, t := range token.Top {
			mass[word(t.Text)] += math.Exp(t.Logprob)
			chosen = chosen || t.Text == token.Text
		}
		if !chosen {
			mass[word(token.Text)] += math.Exp(token.Logprob)
		}
		if all := mass["yes"] + mass["no"]; all > 0 {
			return mass["yes"] / all
		}
		return unknown
	}
	first, _, _ := strings.Cut(strings.TrimSpace(reply.Text), " ")
	switch word(first) {
	case "yes":
		return 1
	case "no":
		return 0
	}
	return unknown
}

// word is a token in lower case without what stands around it, "▁Yes," is "yes".
func word(token string) string {
	return strings.ToLower(strings.Trim(token, " \t\r\n.,!:;\"'*`▁Ġ"))
}
