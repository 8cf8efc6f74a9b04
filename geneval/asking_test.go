package geneval_test

import (
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/chat"
	"reflectionflow/geneval"
)

// asked is a language model that answers with the same probability of yes, and of one,
// where the image is right: its green is 1.
type asked struct {
	right, wrong float64
	fault        func(r chat.Request) (chat.Reply, error, bool)
}

func (asked) Name() string     { return "asked" }
func (asked) Concurrency() int { return 2 }
func (a asked) Complete(_ context.Context, r chat.Request) (chat.Reply, error) {
	if a.fault != nil {
		if reply, err, yes := a.fault(r); yes {
			return reply, err
		}
	}
	p := a.wrong
	if r.Parts[0].Image.At(0, 0).(color.NRGBA).G == 1 {
		p = a.right
	}
	word := "Yes"
	if strings.HasPrefix(r.Parts[1].Text, "How many") {
		word = map[bool]string{true: "two", false: "one"}[strings.Contains(r.Parts[1].Text, "owls")]
	}
	if strings.HasPrefix(r.Parts[1].Text, "Are there any kites") {
		word = "No"
	}
	top := []chat.Token{{Text: word, Logprob: math.Log(p)}, {Text: "maybe", Logprob: math.Log(1 - p)}}
	return chat.Reply{Text: word, Tokens: []chat.Token{{Text: word, Logprob: math.Log(p), Top: top}}, Cost: reflectionflow.Cost{TokensOut: 1}}, nil
}

// halves generates for every prompt one image, right for those with an even number.
func halves(prompts []geneval.Metadata) geneval.Strategy {
	return geneval.Strategy{Arm: geneval.Arm{Name: "noise", Kind: "noise", Nested: true}, Search: func(_ context.Context, job geneval.Job) error {
		for i := range job.Tasks {
			img := image.NewNRGBA(image.Rect(0, 0, 2, 2))
			img.SetNRGBA(0, 0, color.NRGBA{G: uint8((i + 1) % 2), A: 255})
			c := reflectionflow.Candidate{Score: reflectionflow.Score{Value: 1}, Cost: reflectionflow.Cost{Images: 1}}
			if err := job.Done(i, geneval.Trajectory{Candidates: []reflectionflow.Candidate{c}, Images: []image.Image{img}}); err != nil {
				return err
			}
		}
		return nil
	}}
}

func evaluateSuite(t *testing.T, list []geneval.Metadata, model chat.Model) (geneval.Summary, string, error) {
	t.Helper()
	e := &geneval.Evaluation{
		Prompts: list, Strategies: []geneval.Strategy{halves(list)}, Budgets: []int{1}, Samples: 1, Judge: geneval.NewAsking(model),
		By: geneval.JudgedBy{Name: "vlm", Network: "asked", Shared: "asked"}, Settings: json.RawMessage(`{}`), Dir: t.TempDir(),
	}
	if _, err := e.Run(t.Context()); err != nil {
		return geneval.Summary{}, e.Dir, err
	}
	results, err := geneval.ReadResults(e.Dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := results.Publish()
	return s, e.Dir, err
}

// The scores of GenEval 2 are the means of the probabilities, and its scripts read the
// lists in the order of the file.
func TestSoftTIFA(t *testing.T) {
	list := readPrompts(t, "a.jsonl", genEval2)
	s, dir, err := evaluateSuite(t, list, asked{right: .9, wrong: .1})
	if err != nil {
		t.Fatal(err)
	}
	near := func(got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-6 {
			t.Errorf("%v, want %v", got, want)
		}
	}
	if len(s.Soft) != 1 || s.Soft[0].Questions != 8 {
		t.Fatalf("%+v", s.Soft)
	}
	near(s.Soft[0].Geometric.Mean, .5)
	near(s.Soft[0].Arithmetic.Mean, .5)
	near(s.Soft[0].Groups["atoms-02"].Mean, .9)
	near(s.Soft[0].Groups["atoms-04"].Mean, .1)
	near(s.Soft[0].Skills["count"].Mean, (.9+.1+.1)/3)
	near(s.Rows[0].Overall, .5)
	data, err := os.ReadFile(filepath.Join(dir, "noise-1", "score_lists.json"))
	var lists [][]float64
	if err != nil || json.Unmarshal(data, &lists) != nil || len(lists) != 2 || len(lists[0]) != 3 || len(lists[1]) != 5 {
		t.Errorf("%s, %v", data, err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "report.html"))
	for _, says := range []string{"Judge: vlm (asked).", "same network (asked)", "Soft-TIFA", "arithmetic mean by skill"} {
		if err != nil || !strings.Contains(string(page), says) || says != "Soft-TIFA" && says != "arithmetic mean by skill" && !strings.Contains(s.Markdown(), says) {
			t.Errorf("the report does not say %q: %v", says, err)
		}
	}
}

// An answer that no token has counts as the floor, and the report counts them; a refusal is
// one of them.
func TestSoftTIFAFloors(t *testing.T) {
	list := readPrompts(t, "a.jsonl", genEval2)
	refuses := func(r chat.Request) (chat.Reply, error, bool) {
		return chat.Reply{}, errors.Join(chat.ErrRefused, reflectionflow.ErrPermanent), strings.Contains(r.Parts[1].Text, "tin")
	}
	s, _, err := evaluateSuite(t, list, asked{right: 1, wrong: 1, fault: refuses})
	if err != nil || s.Soft[0].Floored != 1 || !strings.Contains(s.Markdown(), "1 of 8 expected answers were not among") {
		t.Errorf("%+v, %v", s.Soft, err)
	}
	if got := s.Soft[0].Groups["atoms-02"].Mean; math.Abs(got-math.Pow(chat.LeastProbability, 1./3)) > 1e-9 {
		t.Error(got)
	}
	silent := func(chat.Request) (chat.Reply, error, bool) { return chat.Reply{Text: "Yes"}, nil, true }
	if _, _, err := evaluateSuite(t, list, asked{fault: silent}); !errors.Is(err, chat.ErrNoProbabilities) {
		t.Errorf("without log-probabilities: %v", err)
	}
}

// The questions of GenEval's prompts are those of their requirements, and a judge that says
// yes to everything does not pass the self-test.
func TestAskingGenEval(t *testing.T) {
	m := geneval.Metadata{
		Tag: "counting", Prompt: "a photo of two owls", Include: []geneval.Include{{Class: "bird", Count: 2}},
		Exclude: []geneval.Exclude{{Class: "bird", Count: 3}, {Class: "kite", Count: 1}},
	}
	questions, err := m.Asked()
	if err != nil || len(questions) != 2 || questions[0].Text != "How many birds are in the image?" || questions[0].Answer != "two" || questions[1].Answer != "No" {
		t.Errorf("%+v, %v", questions, err)
	}
	scenes, err := geneval.KnownPhotos()
	if err != nil {
		t.Fatal(err)
	}
	yes := func(chat.Request) (chat.Reply, error, bool) {
		return chat.Reply{Text: "Yes", Tokens: []chat.Token{{Text: "Yes"}}}, nil, true
	}
	if _, err := geneval.CheckJudge(t.Context(), geneval.NewAsking(asked{fault: yes}), scenes); err == nil || !strings.Contains(err.Error(), "not fit to score with") {
		t.Errorf("a judge that says yes to everything: %v", err)
	}
	if _, err := geneval.ByRules(blind{}).Judge(t.Context(), []geneval.Case{{Metadata: readPrompts(t, "a.jsonl", genEval2)[0], Image: scenes[0].Image}}); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("a detector on a suite: %v", err)
	}
}
