package verifier_test

import (
	"context"
	"fmt"
	"image/color"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/chat"
	"reflectionflow/internal/testserver"
	"reflectionflow/verifier"
)

// judging returns a use of a verifier: n images of one prompt.
func judging(build func(chat.Model) (reflectionflow.Verifier, error)) func(context.Context, chat.Model, int) ([]testserver.Outcome, error) {
	return func(ctx context.Context, c chat.Model, n int) ([]testserver.Outcome, error) {
		v, err := build(c)
		if err != nil {
			return nil, err
		}
		list := []reflectionflow.PromptedImage{}
		for i := range n {
			list = append(list, reflectionflow.PromptedImage{Prompt: prompt, Image: painted(color.NRGBA{uint8(60 * i), 20, 20, 255})})
		}
		scores, err := v.Verify(ctx, list)
		out := make([]testserver.Outcome, len(scores))
		for i, s := range scores {
			out[i].Text = fmt.Sprintf("%v %v", s.Value, s.Requirements)
		}
		return out, err
	}
}

// parsing uses a parser, one text at a time.
func parsing(ctx context.Context, c chat.Model, n int) ([]testserver.Outcome, error) {
	p, err := verifier.NewChatParser(c, "")
	if err != nil {
		return nil, err
	}
	out := make([]testserver.Outcome, n)
	for i := range out {
		parsed, _, err := p.Parse(ctx, fmt.Sprintf("%d clocks", i+1))
		if err != nil && !chat.Unanswered(err) {
			return nil, err
		}
		out[i] = testserver.Outcome{Text: fmt.Sprint(parsed.Requirements), Err: err}
	}
	return out, nil
}

// parsed is a model that finds one requirement in every text.
func parsed(q testserver.Question) testserver.Answer {
	return testserver.Answer{Text: fmt.Sprintf(`{"requirements":[{"kind":"exactly","object":"clock","color":"","count":%d,"relation":"","target":"","target_color":""}]}`, 1+len(q.Text)%5)}
}

func judges() []testserver.Client {
	var list []testserver.Client
	for name, use := range map[string]func(chat.Model) (reflectionflow.Verifier, error){
		"requirements": func(c chat.Model) (reflectionflow.Verifier, error) {
			return verifier.NewChat(c, verifier.ChatOptions{})
		},
		"yes-no": func(c chat.Model) (reflectionflow.Verifier, error) {
			return verifier.NewYesNo(c, verifier.YesNoOptions{})
		},
		"yes-no by each": func(c chat.Model) (reflectionflow.Verifier, error) {
			return verifier.NewYesNo(c, verifier.YesNoOptions{PerRequirement: true})
		},
	} {
		list = append(list, testserver.ChatClients(name, nil, judging(use))...)
	}
	return append(list, testserver.ChatClients("parser", parsed, parsing)...)
}

func TestFaults(t *testing.T) { testserver.Faults(t, judges()) }

// Unusable answers are unsure findings, or errors of the parser.
func TestBadAnswers(t *testing.T) {
	// A verifier with a question per requirement asks differently in between.
	single := slices.DeleteFunc(judges(), func(c testserver.Client) bool { return strings.Contains(c.Name, "by each") })
	testserver.BadAnswers(t, single, func(o testserver.Outcome) bool {
		var value float64
		_, err := fmt.Sscan(o.Text, &value)
		return err == nil && value >= 0 && value <= 1 && (!strings.Contains(o.Text, "{") || strings.Contains(o.Text, string(reflectionflow.Unsure)))
	})
}
