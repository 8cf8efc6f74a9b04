package geneval

import (
	"context"
	"fmt"
	"strings"

	"reflectionflow"
	"reflectionflow/chat"
)

// Asking is the judge that asks a vision-language model one question per atom and takes the
// probability of the expected answer: Soft-TIFA (GenEval 2). The questions of GenEval's
// prompts are those of their requirements ([chat.QuestionOf]). An image is right where
// every expected answer has a probability above one half.
type Asking struct{ model chat.Model }

// NewAsking returns the judge of a model whose server returns log-probabilities.
func NewAsking(model chat.Model) *Asking { return &Asking{model} }

// Judge implements [Judge]. It asks as many questions at a time as the model allows. A
// question that the model refuses counts as answered otherwise, and the reason says so. A
// server without log-probabilities is an error wrapping [chat.ErrNoProbabilities].
func (a *Asking) Judge(ctx context.Context, cases []Case) ([]Judgment, error) {
	type place struct{ image, question int }
	var places []place
	asked := make([][]Question, len(cases))
	answers := make([][]chat.Likelihood, len(cases))
	for i, c := range cases {
		var err error
		if asked[i], err = c.Metadata.Asked(); err != nil {
			return nil, err
		}
		answers[i] = make([]chat.Likelihood, len(asked[i]))
		for k := range asked[i] {
			places = append(places, place{i, k})
		}
	}
	err := chat.Each(ctx, a.model, len(places), func(n int) (err error) {
		at := places[n]
		q, l := asked[at.image][at.question], &answers[at.image][at.question]
		if c := cases[at.image]; c.Metadata.Suite == CompBench { // its question is whole
			*l, err = chat.LikelyText(ctx, a.model, c.Image, q.Text, q.Answer)
		} else {
			*l, err = chat.Likely(ctx, a.model, c.Image, q.Question)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	judgments := make([]Judgment, len(cases))
	for i := range cases {
		judgments[i] = judgmentOf(asked[i], answers[i])
	}
	return judgments, nil
}

// judgmentOf is the judgment of the answers to the questions.
func judgmentOf(questions []Question, answers []chat.Likelihood) Judgment {
	var j Judgment
	var reasons []string
	for i, l := range answers {
		p := l.P
		switch {
		case l.Unanswered != "":
			p = chat.LeastProbability
			j.Floored++
			reasons = append(reasons, fmt.Sprintf("%s not answered: %s", questions[i].Text, l.Unanswered))
		case p <= 0.5:
			reasons = append(reasons, fmt.Sprintf("%s %s has probability %.2g, answered %q", questions[i].Text, questions[i].Answer, p, l.Said))
		}
		if l.Floored {
			j.Floored++
		}
		j.Probabilities = append(j.Probabilities, p)
		j.Cost = j.Cost.Add(l.Cost)
	}
	j.Correct, j.Reason = len(reasons) == 0, strings.Join(reasons, "\n")
	return j
}

// Asked are the questions about an image: those of the suite, or of the requirements of a
// GenEval prompt. A bound that no requirement states is an error wrapping
// [reflectionflow.ErrInvalid].
func (m Metadata) Asked() ([]Question, error) {
	if m.Suite != "" {
		return m.Questions, nil
	}
	prompt, err := m.AsPrompt()
	if err != nil {
		return nil, err
	}
	questions := make([]Question, len(prompt.Requirements))
	for i, r := range prompt.Requirements {
		questions[i] = Question{Question: chat.QuestionOf(prompt, i), Skill: string(r.Kind)}
	}
	return questions, nil
}

// Detectable reports a line with questions, which no detector answers, as an error wrapping
// [reflectionflow.ErrInvalid].
func Detectable(m Metadata) error {
	if m.Suite == "" {
		return nil
	}
	return fmt.Errorf("%w: %.80q: prompts of %s have questions, which a judge that detects objects cannot answer: use --judge vlm", reflectionflow.ErrInvalid, m.Prompt, m.Suite)
}
