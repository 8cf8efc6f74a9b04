package verifier

import (
	"context"
	_ "embed" // the prompts
	"errors"
	"fmt"
	"math"
	"strings"

	"reflectionflow"
	"reflectionflow/chat"
)

// The wordings of the question.
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

// YesNoOptions configure a [YesNo] verifier. The zero value has the defaults.
type YesNoOptions struct {
	// Wording is YesNoWrapped, YesNoBare or YesNoQuestion. Empty means YesNoQuestion for a
	// prompt as a whole, and [chat.QuestionOf] with PerRequirement.
	Wording string
	// Prompt replaces the wording. It is a template with .Prompt.
	Prompt string
	// PerRequirement asks one question per requirement, which costs a call each and gives
	// findings. Otherwise one question is asked about the whole prompt.
	PerRequirement bool
	// A requirement with a probability of at least Met is met, of at most NotMet not met,
	// and in between unsure. 0 means 0.6 and 0.4.
	Met, NotMet float64
}

// YesNo verifies images by the probability that a model answers "yes". The value is P(yes)
// / (P(yes) + P(no)) at the first word of the answer, summed over the spellings of both.
// The order is that of the difference of the logits of yes and no.
//
// With PerRequirement it is the mean over requirements, of which those with the weight
// Should count half. Without a wording or prompt of one's own, each is asked about as
// Soft-TIFA does (GenEval 2): by the probability of the expected answer to
// [chat.QuestionOf], among those of its kind; where a number is asked for and numbers have less than a half
// of the first token, it is unsure. A requirement whose object was found absent (see
// [reflectionflow.Prompt.Needs]) is not met either, and is not asked about; where only their
// number is wrong, it is.
//
// The server must return log-probabilities. Without them the word itself gives 1 or 0,
// which ranks images poorly. An answer that begins with neither word counts as 0 and
// unsure. If no question has a yes or no, Score.Unanswered says why.
//
// YesNo is safe for concurrent use.
type YesNo struct {
	model   chat.Model
	prompt  *chat.Template
	options YesNoOptions
	atoms   bool // requirements are asked about by chat.QuestionOf
}

// NewYesNo returns a verifier. Invalid options are errors wrapping
// [reflectionflow.ErrInvalid].
func NewYesNo(model chat.Model, options YesNoOptions) (*YesNo, error) {
	atoms := options.PerRequirement && options.Wording == "" && options.Prompt == ""
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
	return &YesNo{model: model, prompt: prompt, options: options, atoms: atoms}, nil
}

// PromptID returns the name and a checksum of the prompt, for records.
func (v *YesNo) PromptID() string {
	if v.atoms {
		return "yesno-atoms.v1"
	}
	return v.prompt.ID()
}

// Abilities implements [reflectionflow.DeclaringVerifier]: findings of every kind with
// PerRequirement, otherwise none.
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
	return v.verifyEach(ctx, p, score)
}

// verifyEach asks about each requirement.
func (v *YesNo) verifyEach(ctx context.Context, p reflectionflow.PromptedImage, score reflectionflow.Score) (reflectionflow.Score, error) {
	order := byNeeds(p.Prompt)
	score.Requirements = make([]reflectionflow.Finding, len(order))
	answered, weight, sum := false, 0.0, 0.0
	for _, i := range order {
		r := p.Prompt.Requirements[i]
		yes, needed := missingNeed(p.Prompt, i, score.Requirements)
		if !needed {
			var err error
			if yes, err = v.askAbout(ctx, p, i, &score); err != nil {
				return score, err
			}
		}
		answered = answered || yes >= 0
		score.Requirements[i] = v.finding(r, yes)
		w := 1.0
		if r.Weight == reflectionflow.Should {
			w = 0.5
		}
		weight, sum = weight+w, sum+w*max(yes, 0)
	}
	score.Value = sum / weight
	if !answered {
		score.Unanswered = firstBytes(score.Detail, maxUnanswered)
	}
	return score, nil
}

// finding is the verdict on a requirement with a probability, or unknown.
func (v *YesNo) finding(r reflectionflow.Requirement, yes float64) reflectionflow.Finding {
	f := reflectionflow.Finding{Requirement: r, Verdict: reflectionflow.Unsure, Confidence: yes}
	switch {
	case yes < 0:
		f.Confidence = unsureConfidence
	case yes >= v.options.Met:
		f.Verdict = reflectionflow.Met
	case yes <= v.options.NotMet:
		f.Verdict = reflectionflow.NotMet
	}
	return f
}

// byNeeds orders the requirements so that each comes after those that it needs.
func byNeeds(p reflectionflow.Prompt) []int {
	var order []int
	placed := make([]bool, len(p.Requirements))
	var place func(i int)
	place = func(i int) {
		if placed[i] {
			return
		}
		placed[i] = true
		for _, needed := range p.Needs(i) {
			place(needed)
		}
		order = append(order, i)
	}
	for i := range p.Requirements {
		place(i)
	}
	return order
}

// missingNeed returns the lowest confidence of the requirements that i needs and without
// which its object is not there; false where there are none. A wrong number of objects, of
// which some are there, is no reason.
func missingNeed(p reflectionflow.Prompt, i int, found []reflectionflow.Finding) (float64, bool) {
	lowest, missing := 1.0, false
	for _, needed := range p.Needs(i) {
		r, f := p.Requirements[needed], found[needed]
		several := r.Counts() && r.Count > 1
		if f.Verdict == reflectionflow.NotMet && !several && f.Confidence <= lowest {
			lowest, missing = f.Confidence, true
		}
	}
	return lowest, missing
}

// askAbout returns the probability that requirement i is met, or unknown.
func (v *YesNo) askAbout(ctx context.Context, p reflectionflow.PromptedImage, i int, score *reflectionflow.Score) (float64, error) {
	if !v.atoms {
		return v.ask(ctx, p, p.Prompt.Requirements[i].String(), score)
	}
	question := chat.QuestionOf(p.Prompt, i)
	l, err := chat.Likely(ctx, v.model, p.Image, question)
	score.Cost = score.Cost.Add(l.Cost)
	switch {
	case errors.Is(err, chat.ErrNoProbabilities): // the word itself
		expected, other := question.Says(l.Said)
		switch {
		case expected:
			return 1, nil
		case other:
			return 0, nil
		}
	case err != nil:
		return unknown, err
	case l.Unanswered != "":
		score.Detail = l.Unanswered
		return unknown, nil
	case l.Among >= leastAmongOf(question.Answer):
		return min(l.P/l.Among, 1), nil
	}
	score.Detail = "no answer to the question: " + firstBytes(l.Said, 100)
	return unknown, nil
}

// leastAmong is the probability of any usable answer below which a model answered
// something else.
const leastAmong = 0.01

// leastAmongNumbers is that probability for questions of how many: a model that mostly says
// something else, such as yes, has not counted.
const leastAmongNumbers = 0.5

// leastAmongOf is the least probability of all answers of the kind of an expected one.
func leastAmongOf(answer string) float64 {
	switch answer {
	case "Yes", "No":
		return leastAmong
	}
	return leastAmongNumbers
}

// unknown replaces the probability of yes if the answer is neither yes nor no.
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

// probability returns the probability of yes in a reply, or unknown.
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

// word returns a token in lower case without spaces and punctuation: "▁Yes," gives "yes".
func word(token string) string {
	return strings.ToLower(strings.Trim(token, " \t\r\n.,!:;\"'*`▁Ġ"))
}
