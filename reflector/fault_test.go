package reflector_test

import (
	"context"
	"fmt"
	"image/color"
	"reflect"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/chat"
	"reflectionflow/internal/testserver"
	"reflectionflow/reflector"
)

// text is an outcome of words that cost something.
func text(words string, cost reflectionflow.Cost) testserver.Outcome {
	if words == "" && reflect.DeepEqual(cost, reflectionflow.Cost{}) {
		return testserver.Outcome{Text: "never asked"}
	}
	return testserver.Outcome{Text: words}
}

func observed(n int) []reflectionflow.Observation {
	list := []reflectionflow.Observation{}
	for i := range n {
		list = append(list, seen(uint64(i+1), reflectionflow.NotMet))
	}
	return list
}

func writers() []testserver.Client {
	reflects := func(wording string) func(context.Context, chat.Model, int) ([]testserver.Outcome, error) {
		return func(ctx context.Context, c chat.Model, n int) ([]testserver.Outcome, error) {
			r, err := reflector.NewChat(c, reflector.ChatOptions{Wording: wording})
			if err != nil {
				return nil, err
			}
			written, err := r.Reflect(ctx, observed(n))
			out := make([]testserver.Outcome, len(written))
			for i, w := range written {
				out[i] = text(w.Text, w.Cost)
			}
			return out, err
		}
	}
	refines := func(ctx context.Context, c chat.Model, n int) ([]testserver.Outcome, error) {
		r, err := reflector.NewChatRefiner(c, reflector.ChatRefinerOptions{})
		if err != nil {
			return nil, err
		}
		written, err := r.Refine(ctx, observed(n))
		out := make([]testserver.Outcome, len(written))
		for i, w := range written {
			out[i] = text(w.Text, w.Cost)
		}
		return out, err
	}
	annotates := func(ctx context.Context, c chat.Model, n int) ([]testserver.Outcome, error) {
		a, err := reflector.NewChatAnnotator(c, "")
		if err != nil {
			return nil, err
		}
		var pairs []reflectionflow.Pair
		for _, o := range observed(n) {
			pairs = append(pairs, reflectionflow.Pair{Prompt: o.Prompt, First: o.Image, Second: solid(color.NRGBA{0, 200, 0, 255})})
		}
		written, err := a.Annotate(ctx, pairs)
		out := make([]testserver.Outcome, len(written))
		for i, w := range written {
			out[i] = text(fmt.Sprint(w.Better, w.Differences, w.Instructions, w.Unanswered), w.Cost)
		}
		return out, err
	}
	var list []testserver.Client
	for name, use := range map[string]func(context.Context, chat.Model, int) ([]testserver.Outcome, error){
		"instructed": reflects(reflector.Instructed), "tuned": reflects(reflector.Tuned), "refiner": refines,
	} {
		list = append(list, testserver.ChatClients(name, nil, use)...)
	}
	return append(list, testserver.ChatClients("annotator", compared, annotates)...)
}

// compared is a model that finds the second of two images better.
func compared(q testserver.Question) testserver.Answer {
	r, _, _, _ := q.Images[0].At(0, 0).RGBA()
	return testserver.Answer{Text: fmt.Sprintf(`{"better":"second","differences":[{"category":%q,"first":"text 1","second":"text 2"}],"instructions":["text %d"]}`, reflectionflow.DifferenceCategories()[0], r)}
}

func TestFaults(t *testing.T) { testserver.Faults(t, writers()) }

// Without a usable answer, the reflection lists the unmet requirements, the prompt is
// unchanged, and the pair has no comparison.
func TestBadAnswers(t *testing.T) {
	testserver.BadAnswers(t, writers(), func(o testserver.Outcome) bool {
		return strings.HasSuffix(o.Text, reflector.UnansweredRefused) || strings.HasSuffix(o.Text, reflector.UnansweredUnusable) || o.Text == "" || o.Text == `two "clocks"` || strings.HasPrefix(o.Text, "Change the picture so that it shows: exactly 2 clock")
	})
}
