package verifier_test

import (
	"os"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/chat"
	"reflectionflow/internal/testserver"
	"reflectionflow/verifier"
)

var onSofa = reflectionflow.Prompt{Text: "two dogs on a red sofa", Requirements: []reflectionflow.Requirement{
	{Kind: reflectionflow.Position, Object: "dog", Relation: reflectionflow.On, Target: "sofa"},
	{Kind: reflectionflow.Exactly, Object: "dog", Count: 2},
	{Kind: reflectionflow.AtLeast, Object: "sofa", Count: 1},
	{Kind: reflectionflow.Color, Object: "sofa", Color: "red", Count: 1},
}}

// said is a verdict as a model writes it.
func said(id, answer, verdict, probability string) string {
	return `"` + id + `":{"seen":"x","objects":[{"class":"dog","color":"","box":[0,0,1,1]}],"answer":"` + answer + `","verdict":"` + verdict + `","probability":` + probability + `}`
}

// The model is asked questions, each after those that it depends on, in the words that the
// verifier by token probability uses.
func TestChatAsksQuestions(t *testing.T) {
	double := testserver.NewChat(t, testserver.ChatOptions{Answer: func(testserver.Question) testserver.Answer {
		return testserver.Answer{Text: `{"verdicts":{` + strings.Join([]string{said("r1", "yes", "met", "0.9"), said("r2", "Three.", "not_met", "0.1"), said("r3", "no", "not_met", "0.2"), said("r4", "yes", "met", "0.9")}, ",") + `},"quality":5}`}
	}})
	scores, err := newChat(t, double).Verify(t.Context(), []reflectionflow.PromptedImage{{Prompt: onSofa, Image: images()[0].Image}})
	if err != nil {
		t.Fatal(err)
	}
	q := double.Questions()[0]
	for _, want := range []string{
		`- r2: "How many dogs are in the image?" Asked for: "two".` + "\n" + `- r3: "Is there a sofa in the image?" Asked for: "Yes".`,
		`- r1: "Are the dogs on the sofa in the image?" Asked for: "Yes". It is about what r2 and r3 ask for: where that is not there, it is not met.`,
		`- r4: "Is there a red sofa in the image?" Asked for: "Yes". It is about what r3 asks for: where that is not there, it is not met.`,
	} {
		if !strings.Contains(q.Text, want) {
			t.Errorf("without %s:\n%s", want, q.Text)
		}
	}
	for i := range onSofa.Requirements {
		if text := chat.QuestionOf(onSofa, i).Text; !strings.Contains(q.Text, chat.Quote(text)) {
			t.Errorf("not asked as package chat words it: %s", text)
		}
	}
	if !strings.Contains(string(q.Schema), `"answer"`) {
		t.Errorf("no answer in %s", q.Schema)
	}
	// The dogs are there in another number, which is no reason; the sofa is not.
	for i, want := range []float64{.2, .1, .2, .2} {
		if f := scores[0].Requirements[i]; f.Verdict != reflectionflow.NotMet || f.Confidence != want || f.Requirement != onSofa.Requirements[i] {
			t.Errorf("%s: %s with %v, want %v", f.Requirement, f.Verdict, f.Confidence, want)
		}
	}
}

// A verdict that is contrary to the model's own answer is asked for again, and then unsure.
func TestChatFindsContradictions(t *testing.T) {
	good := []string{said("r1", "yes", "met", "0.9"), said("r2", "2", "met", "0.9"), said("r3", "Yes, there is", "met", "0.9"), said("r4", "no", "not_met", "0.2")}
	for name, wrong := range map[string][2]string{
		"another number is met": {said("r2", "three", "met", "0.9"), `r2 is met, which contradicts the answer: it is \"three\", and asked for was \"two\"`},
		"yes is not met":        {said("r2", "two", "not_met", "0.1"), `r2 is not_met, which contradicts the answer: it is \"two\", and asked for was \"two\"`},
	} {
		for _, again := range []bool{false, true} {
			double := testserver.NewChat(t, testserver.ChatOptions{Answer: func(q testserver.Question) testserver.Answer {
				verdicts := append([]string{}, good...)
				if q.N == 0 || again {
					verdicts[1] = wrong[0]
				}
				return testserver.Answer{Text: `{"verdicts":{` + strings.Join(verdicts, ",") + `},"quality":5}`}
			}})
			scores, err := newChat(t, double).Verify(t.Context(), []reflectionflow.PromptedImage{{Prompt: onSofa, Image: images()[0].Image}})
			if err != nil {
				t.Fatal(err)
			}
			f := scores[0].Requirements[1]
			if asked := double.Questions(); len(asked) != 2 || !strings.Contains(string(asked[1].Body), strings.ReplaceAll(wrong[1], `\`, `\\\`)) && !strings.Contains(asked[1].Text, strings.ReplaceAll(wrong[1], `\`, ``)) {
				t.Errorf("%s: asked %q", name, asked[len(asked)-1].Text)
			}
			if again != (f.Verdict == reflectionflow.Unsure && f.Confidence == .5) || scores[0].Requirements[2].Verdict != reflectionflow.Met {
				t.Errorf("%s again %v: %+v", name, again, scores[0])
			}
		}
	}
}

// The prompt before questions is still an own prompt: it asks for no answers.
func TestTheFirstPromptIsAnOwnPrompt(t *testing.T) {
	first, err := os.ReadFile("prompts/requirements.v1.txt")
	if err != nil {
		t.Fatal(err)
	}
	double := testserver.NewChat(t, testserver.ChatOptions{Answer: func(testserver.Question) testserver.Answer {
		// By this prompt yes means that the requirement holds, also for "no dog".
		return testserver.Answer{Text: `{"verdicts":{"r1":{"seen":"x","objects":[],"answer":"yes","verdict":"met","probability":1}},"quality":5}`}
	}})
	v, err := verifier.NewChat(talk(t, double), verifier.ChatOptions{Prompt: string(first)})
	if err != nil {
		t.Fatal(err)
	}
	prompt := reflectionflow.Prompt{Text: "no dog", Requirements: []reflectionflow.Requirement{{Kind: reflectionflow.Absent, Object: "dog"}}}
	scores, err := v.Verify(t.Context(), []reflectionflow.PromptedImage{{Prompt: prompt, Image: images()[0].Image}})
	if err != nil || scores[0].Requirements[0].Verdict != reflectionflow.Met {
		t.Errorf("%+v, %v", scores, err)
	}
	if q := double.Questions(); len(q) != 1 || !strings.Contains(q[0].Text, `- r1: "no dog"`) || strings.Contains(string(q[0].Schema), `"answer"`) {
		t.Errorf("%+v", q)
	}
	if id := v.PromptID(); !strings.HasPrefix(id, "requirements.v2 (own) sha256:") {
		t.Errorf("its name is %s", id)
	}
}
