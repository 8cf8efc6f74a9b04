package requirements_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/chat"
	"reflectionflow/requirements"
)

// scripted answers with one text after another, and keeps the questions.
type scripted struct {
	answers   []string
	questions []string
}

func (*scripted) Name() string { return "scripted" }

func (*scripted) Concurrency() int { return 1 }

func (s *scripted) Complete(_ context.Context, r chat.Request) (chat.Reply, error) {
	for _, p := range r.Parts {
		s.questions = append(s.questions, p.Text)
	}
	if len(s.answers) == 0 {
		return chat.Reply{}, errors.New("asked once too often")
	}
	answer := s.answers[0]
	s.answers = s.answers[1:]
	return chat.Reply{Text: answer, Cost: reflectionflow.Cost{TokensIn: 10}}, nil
}

func newReader(t *testing.T, m chat.Model, o requirements.ReaderOptions) *requirements.Reader {
	t.Helper()
	r, err := requirements.NewReader(m, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReaderAsksOnlyAboutTheRest(t *testing.T) {
	m := &scripted{answers: []string{`{"requirements":[{"part":1,"kind":"at_least","object":"a Dog","count":1},` +
		`{"part":1,"kind":"attribute","object":"the sofa","value":"worn out","aspect":"state","count":3,"color":"","optional":true}]}`}}
	p, cost, err := newReader(t, m, requirements.ReaderOptions{}).Parse(t.Context(), "two dogs on a red sofa, supercalifragilistic")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"exactly: exactly 2 dog", "at_least: at least 1 couch", "color: at least 1 couch that is red", "position: at least 2 dog on couch",
		"(attribute: at least 3 couch that is worn out)",
	}
	if got := said(p); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if cost.TokensIn != 10 || len(m.questions) == 0 || !strings.Contains(m.questions[0], `1. "supercalifragilistic"`) || !strings.Contains(m.questions[0], `- "exactly 2 dog"`) {
		t.Errorf("cost %+v, asked %q", cost, m.questions)
	}
}

func TestReaderDoesNotAskAboutWhatIsRead(t *testing.T) {
	p, cost, err := newReader(t, &scripted{}, requirements.ReaderOptions{}).Parse(t.Context(), "two dogs on a red sofa")
	if err != nil || len(p.Requirements) != 4 || cost.TokensIn > 0 {
		t.Errorf("%+v, %+v, %v", p, cost, err)
	}
}

func TestReaderReadsOtherLanguages(t *testing.T) {
	m := &scripted{answers: []string{`{"requirements":[{"part":1,"kind":"exactly","object":"dog","count":2}]}`}}
	p, _, err := newReader(t, m, requirements.ReaderOptions{}).Parse(t.Context(), "zwei Hunde auf einem Sofa")
	if err != nil || len(p.Notes) > 0 || len(requirements.Unread(p)) > 0 || !slices.Equal(said(p), []string{"exactly: exactly 2 dog"}) {
		t.Errorf("%q, %q, %v", said(p), p.Notes, err)
	}
}

func TestReaderKeepsWhatTheModelDoesNotRead(t *testing.T) {
	m := &scripted{answers: []string{`{"requirements":[]}`}}
	p, _, err := newReader(t, m, requirements.ReaderOptions{}).Parse(t.Context(), "a dog or a cat")
	if err != nil || !slices.Equal(requirements.Unread(p), []string{"a dog or a cat"}) || len(p.Notes) != 1 {
		t.Errorf("%q, %q, %v", said(p), p.Notes, err)
	}
}

func TestReaderReportsContradictionsWithTheModel(t *testing.T) {
	m := &scripted{answers: []string{`{"requirements":[{"part":1,"kind":"absent","object":"dog"}]}`}}
	p, _, err := newReader(t, m, requirements.ReaderOptions{}).Parse(t.Context(), "two dogs, supercalifragilistic")
	if err != nil || !slices.Contains(p.Notes, "a contradiction: exactly 2 dog, and no dog") {
		t.Errorf("%q, %v", p.Notes, err)
	}
}

func TestReaderKeepsTheRestOfAModelThatFails(t *testing.T) {
	for name, answers := range map[string][]string{"no answer": nil, "no JSON": {"what?", "what?"}} {
		p, _, err := newReader(t, &scripted{answers: answers}, requirements.ReaderOptions{}).Parse(t.Context(), "two dogs, supercalifragilistic")
		if err != nil || !slices.Equal(said(p)[:1], []string{"exactly: exactly 2 dog"}) || !slices.Equal(requirements.Unread(p), []string{"supercalifragilistic"}) {
			t.Errorf("%s: %q, %v", name, said(p), err)
		}
		if len(p.Notes) != 1 || !strings.HasPrefix(p.Notes[0], "the language model did not read the rest: ") || p.Validate() != nil {
			t.Errorf("%s: notes %q, %v", name, p.Notes, p.Validate())
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := newReader(t, &scripted{}, requirements.ReaderOptions{}).Parse(ctx, "two dogs, supercalifragilistic"); err == nil {
		t.Error("a canceled search has a prompt")
	}
	if _, _, err := newReader(t, &scripted{}, requirements.ReaderOptions{Whole: true}).Parse(t.Context(), "two dogs"); err == nil {
		t.Error("a parser that is only a model has a prompt without it")
	}
}

func TestReaderRefusesInvalidAnswers(t *testing.T) {
	for _, answer := range []string{
		`{"requirements":[{"part":1,"kind":"free","value":"x"}]}`, `{"requirements":[{"part":1,"kind":"exactly","object":"dog","count":0}]}`,
		`{"requirements":[{"part":1,"kind":"position","object":"dog","relation":"beyond","target":"cat"}]}`, `no JSON`,
	} {
		m := &scripted{answers: []string{answer, answer}}
		if _, _, err := newReader(t, m, requirements.ReaderOptions{Whole: true}).Parse(t.Context(), "a dog"); !errors.Is(err, chat.ErrUnusable) || len(m.answers) > 0 {
			t.Errorf("%s: %v", answer, err)
		}
	}
	if _, err := requirements.NewReader(nil, requirements.ReaderOptions{}); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Error(err)
	}
	if _, err := requirements.NewReader(&scripted{}, requirements.ReaderOptions{Prompt: "{{.Nothing}}"}); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Error(err)
	}
}
