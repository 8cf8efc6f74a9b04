package reflector_test

import (
	"errors"
	"image"
	"image/color"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/chat"
	"reflectionflow/conformance"
	"reflectionflow/internal/completions"
	"reflectionflow/internal/endpoint"
	"reflectionflow/internal/testserver"
	"reflectionflow/reflector"
)

func talk(t testing.TB, double *testserver.Chat) chat.Model {
	t.Helper()
	e, err := endpoint.New(endpoint.Config{Name: "writer", BaseURL: double.URL, Clock: testserver.NewClock()})
	if err != nil {
		t.Fatal(err)
	}
	c, err := completions.New(e, completions.Config{Model: "double-1"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// says returns a double that gives these answers, then the last one again and again.
func says(t testing.TB, answers ...string) *testserver.Chat {
	return testserver.NewChat(t, testserver.ChatOptions{Answer: func(q testserver.Question) testserver.Answer {
		return testserver.Answer{Text: answers[min(q.N, len(answers)-1)]}
	}})
}

func solid(c color.Color) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, 8, 8))
	for i := range 64 {
		img.Set(i%8, i/8, c)
	}
	return img
}

func seen(seed uint64, verdict reflectionflow.Verdict) reflectionflow.Observation {
	clocks := reflectionflow.Requirement{Kind: reflectionflow.Exactly, Object: "clock", Count: 2}
	return reflectionflow.Observation{
		Prompt: reflectionflow.Prompt{Text: `two "clocks"`, Requirements: []reflectionflow.Requirement{clocks}}, Seed: seed,
		Request: reflectionflow.Request{Prompt: "two clocks side by side", Reflection: "Add a clock."},
		Image:   solid(color.NRGBA{uint8(40 * seed), 10, 10, 255}),
		Score:   reflectionflow.Score{Requirements: []reflectionflow.Finding{{Requirement: clocks, Verdict: verdict, Confidence: .5}}},
	}
}

func TestChatConformance(t *testing.T) {
	observations := []reflectionflow.Observation{seen(1, reflectionflow.NotMet), seen(2, reflectionflow.Unsure), seen(3, reflectionflow.Met), {Prompt: reflectionflow.Prompt{Text: "a cat"}, Seed: 4}}
	for _, dialect := range []testserver.Dialect{testserver.OpenAI, testserver.LlamaCpp, testserver.Ollama} {
		double := testserver.NewChat(t, testserver.ChatOptions{Dialect: dialect})
		for _, wording := range []string{reflector.Instructed, reflector.Tuned} {
			t.Run(string(dialect)+" "+wording, func(t *testing.T) {
				r, err := reflector.NewChat(talk(t, double), reflector.ChatOptions{Wording: wording, Temperature: .5})
				if err != nil {
					t.Fatal(err)
				}
				conformance.Reflector(t, r, observations, conformance.Options{})
			})
		}
		t.Run(string(dialect)+" refiner", func(t *testing.T) {
			r, err := reflector.NewChatRefiner(talk(t, double), reflector.ChatRefinerOptions{})
			if err != nil {
				t.Fatal(err)
			}
			conformance.Refiner(t, r, observations, conformance.Options{})
		})
	}
}

func TestChatReflections(t *testing.T) {
	long := strings.Repeat("Add a clock. ", 300)
	const fallback = "Change the picture so that it shows: exactly 2 clock."
	tests := []struct {
		name      string
		answers   []string
		verdict   reflectionflow.Verdict
		want      string
		questions int
	}{
		{"plain", []string{`{"reflection":"Add a second clock."}`}, reflectionflow.NotMet, "Add a second clock.", 1},
		{"prose", []string{"Sure:\n```json\n{\"reflection\":\"Add a\\nsecond clock.\"}\n```"}, reflectionflow.NotMet, "Add a second clock.", 1},
		{"mark", []string{`{"reflection":"Add [Reflexion] one clock."}`}, reflectionflow.NotMet, "Add one clock.", 1},
		{"nothing is wrong", []string{`{"reflection":""}`}, reflectionflow.NotMet, "", 1},
		{"right already", []string{`{"reflection":"Add more."}`}, reflectionflow.Met, "", 0},
		{"too long, then corrected", []string{`{"reflection":"` + long + `"}`, `{"reflection":"Add one."}`}, reflectionflow.NotMet, "Add one.", 2},
		{"unusable", []string{"well"}, reflectionflow.NotMet, fallback, 2},
		{"refuses", []string{"I'm sorry, I can't."}, reflectionflow.NotMet, fallback, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			double := says(t, tt.answers...)
			r, err := reflector.NewChat(talk(t, double), reflector.ChatOptions{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.Reflect(t.Context(), []reflectionflow.Observation{seen(1, tt.verdict)})
			if err != nil || got[0].Text != tt.want || len(double.Questions()) != tt.questions || got[0].Cost.TokensIn != 100*tt.questions {
				t.Fatalf("got %+v, %v after %d questions", got, err, len(double.Questions()))
			}
			if tt.questions == 0 {
				return
			}
			text := double.Questions()[0].Text
			for _, want := range []string{chat.Quote(`two "clocks"`), `"exactly 2 clock": not_met`, `"Add a clock."`} {
				if !strings.Contains(text, want) {
					t.Errorf("the question lacks %s:\n%s", want, text)
				}
			}
		})
	}
}

func TestTunedWordingIsThatOfTraining(t *testing.T) {
	double := says(t, "\"Add a second clock.\nMake it round.\"")
	r, err := reflector.NewChat(talk(t, double), reflector.ChatOptions{Wording: reflector.Tuned})
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Reflect(t.Context(), []reflectionflow.Observation{seen(1, reflectionflow.NotMet)})
	if err != nil || got[0].Text != "Add a second clock. Make it round." {
		t.Errorf("got %+v, %v", got, err)
	}
	q := double.Questions()[0]
	if q.System != "You are a helpful assistant." || q.Order != "it" ||
		q.Text != `Generate reflections to improve the input image according to the prompt. The prompt is: "two "clocks""` {
		t.Errorf("asked %+v", q)
	}
	long := says(t, strings.Repeat("Add a second clock. ", 400))
	if r, err = reflector.NewChat(talk(t, long), reflector.ChatOptions{Wording: reflector.Tuned}); err != nil {
		t.Fatal(err)
	}
	got, err = r.Reflect(t.Context(), []reflectionflow.Observation{seen(1, reflectionflow.NotMet)})
	if err != nil || len(got[0].Text) > 1500 || !strings.HasSuffix(got[0].Text, ".") {
		t.Errorf("got %d bytes, %v", len(got[0].Text), err)
	}
}

func TestChatRefinements(t *testing.T) {
	tests := []struct {
		name    string
		answers []string
		want    string
	}{
		{"plain", []string{`{"prompt":"Two round clocks."}`}, "Two round clocks."},
		{"too long, then corrected", []string{`{"prompt":"` + strings.Repeat("clock ", 300) + `"}`, `{"prompt":"Two."}`}, "Two."},
		{"empty, then corrected", []string{`{"prompt":" "}`, `{"prompt":"Two."}`}, "Two."},
		{"unusable", []string{"no"}, `two "clocks"`},
		{"refuses", []string{"I cannot do that."}, `two "clocks"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			double := says(t, tt.answers...)
			r, err := reflector.NewChatRefiner(talk(t, double), reflector.ChatRefinerOptions{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.Refine(t.Context(), []reflectionflow.Observation{seen(1, reflectionflow.NotMet)})
			if err != nil || got[0].Text != tt.want {
				t.Fatalf("got %+v, %v", got, err)
			}
			q := double.Questions()[0]
			if !strings.Contains(q.Text, `"two clocks side by side"`) || q.Seed == nil || *q.Seed != 1 || len(q.Images) != 1 {
				t.Errorf("asked %+v", q)
			}
		})
	}
}

// The seed is also in the text, for servers that ignore seeds.
func TestSeedsGiveOtherQuestions(t *testing.T) {
	double := testserver.NewChat(t, testserver.ChatOptions{})
	r, err := reflector.NewChatRefiner(talk(t, double), reflector.ChatRefinerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	blank := reflectionflow.Observation{Prompt: reflectionflow.Prompt{Text: "a cat"}}
	other := blank
	other.Seed = 7
	if _, err := r.Refine(t.Context(), []reflectionflow.Observation{blank, other}); err != nil {
		t.Fatal(err)
	}
	if q := double.Questions(); q[0].Text == q[1].Text || len(q[0].Images) != 0 {
		t.Errorf("both seeds asked %q", q[0].Text)
	}
}

func TestInvalidOptionsAreRejected(t *testing.T) {
	c := talk(t, says(t, ""))
	for name, f := range map[string]func() error{
		"wording":  func() error { _, err := reflector.NewChat(c, reflector.ChatOptions{Wording: "x"}); return err },
		"template": func() error { _, err := reflector.NewChat(c, reflector.ChatOptions{Prompt: "{{.X}}"}); return err },
		"client":   func() error { _, err := reflector.NewChat(nil, reflector.ChatOptions{}); return err },
		"words": func() error {
			_, err := reflector.NewChatRefiner(c, reflector.ChatRefinerOptions{Words: 1000})
			return err
		},
		"temperature": func() error {
			_, err := reflector.NewChatRefiner(c, reflector.ChatRefinerOptions{Temperature: 3})
			return err
		},
		"temperature of a reflector": func() error {
			_, err := reflector.NewChat(c, reflector.ChatOptions{Temperature: -1})
			return err
		},
		"annotator": func() error { _, err := reflector.NewChatAnnotator(c, "{{"); return err },
	} {
		if err := f(); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
