package testserver

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"reflectionflow/chat"
	"reflectionflow/internal/endpoint"
)

// answerRow damages the answer to one of several questions.
type answerRow struct {
	name string
	// damage returns false if the answer has nothing to damage.
	damage func(Answer) (Answer, bool)
	// always damages the answer to the repeated question too.
	always bool
	// harmless: the result is that of the undamaged answer.
	harmless bool
	// bounded: the result may hold the damage, within its length limit.
	bounded bool
	// kind of the error in which the use ends.
	kind endpoint.Kind
}

var (
	scalars = regexp.MustCompile(`:(-?[0-9][0-9.eE+-]*|"(?:[^"\\]|\\.)*")`)
	numbers = regexp.MustCompile(`:-?[0-9][0-9.eE+-]*`)
)

// rewritten damages answers in JSON.
func rewritten(change func(text string) string) func(Answer) (Answer, bool) {
	return func(a Answer) (Answer, bool) {
		changed := ""
		if json.Valid([]byte(a.Text)) && strings.HasPrefix(a.Text, "{") {
			changed = change(a.Text)
		}
		return Answer{Text: changed}, changed != "" && changed != a.Text
	}
}

// without removes the first key: an inner one if there is a group.
func without(text string) string {
	var whole map[string]any
	if json.Unmarshal([]byte(text), &whole) != nil {
		return text
	}
	from := whole
	for _, key := range slices.Sorted(maps.Keys(whole)) {
		if inner, ok := whole[key].(map[string]any); ok {
			from = inner
		}
	}
	delete(from, slices.Sorted(maps.Keys(from))[0])
	data, err := json.Marshal(whole)
	if err != nil {
		return text
	}
	return string(data)
}

func answerTable() []answerRow {
	say := func(a Answer) func(Answer) (Answer, bool) { return func(Answer) (Answer, bool) { return a, true } }
	rows := []answerRow{
		{name: "prose and fence", harmless: true, damage: rewritten(func(s string) string { return "Sure! Here {you} are:\n```json\n" + s + "\n```\nI hope that {helps}." })},
		{name: "thinking aloud", harmless: true, damage: rewritten(func(s string) string { return `<think>{"draft":1}</think>` + s })},
		{name: "more than asked for", harmless: true, damage: rewritten(func(s string) string { return `{"score":10,"overall":"perfect",` + s[1:] })},
		{name: "endless text", bounded: true, always: true, damage: rewritten(func(s string) string { return strings.ReplaceAll(s, "text ", strings.Repeat("text ", 3000)) })},
		{name: "refusal", damage: say(Answer{Refusal: "No."})},
		{name: "another model", damage: func(a Answer) (Answer, bool) { a.Model = "double-2"; return a, true }, kind: endpoint.Changed},
	}
	for _, twice := range []bool{false, true} {
		when := " once"
		if twice {
			when = " twice"
		}
		for name, change := range map[string]func(string) string{
			"NaN":          func(s string) string { return scalars.ReplaceAllString(s, ":NaN") },
			"out of range": func(s string) string { return numbers.ReplaceAllString(s, ":1e9") },
			"key missing":  without,
			"cut off":      func(s string) string { return s[:len(s)/2] },
			"prose alone":  func(string) string { return "It is good." },
			"a list":       func(string) string { return "[1,2]" },
		} {
			rows = append(rows, answerRow{name: name + when, damage: rewritten(change), always: twice, harmless: !twice})
		}
	}
	slices.SortFunc(rows, func(a, b answerRow) int { return strings.Compare(a.name, b.name) })
	return rows
}

// pieces is the number of questions; the second is answered badly.
const pieces = 3

// BadAnswers tests clients of language models with bad answers to the second of several
// questions. The result must be that of an honest answer if the bad one can be read or the
// repeated question corrects it, else one that degraded accepts. Other results must not
// change. A changed model must end the use.
func BadAnswers(t *testing.T, clients []Client, degraded func(Outcome) bool) {
	for _, c := range clients {
		honest, err := c.Start(t, StartOptions{}).Use(t.Context(), pieces)
		if err != nil || len(honest) != pieces {
			t.Fatalf("%s: %d results of honest answers, %v", c.Name, len(honest), err)
		}
		for _, row := range answerTable() {
			t.Run(c.Name+"/"+row.name, func(t *testing.T) {
				t.Parallel()
				model := &damager{row: row, honest: c.Honest}
				trial := c.Start(t, StartOptions{Answer: model.answer})
				got, err := trial.Use(t.Context(), pieces)
				switch {
				case !model.did:
					t.Skip("there is nothing of the sort in the answers of this client")
				case row.kind != "":
					wantKind(t, "the use", failure(got, err), trial.Endpoint, row.kind)
				case err != nil:
					t.Error(err)
				default:
					row.check(t, trial, got, honest, degraded)
				}
			})
		}
	}
}

func failure(got []Outcome, err error) error {
	for _, o := range got {
		if err == nil {
			err = o.Err
		}
	}
	return err
}

func (row answerRow) check(t *testing.T, trial Trial, got, honest []Outcome, degraded func(Outcome) bool) {
	t.Helper()
	for i := range honest {
		switch {
		case i != 1 && fmt.Sprint(got[i]) != fmt.Sprint(honest[i]):
			t.Errorf("the others are touched: result %d is %v, want %v", i, got[i], honest[i])
		case i == 1 && row.harmless && (got[i].Err != nil || got[i].Text != honest[i].Text):
			t.Errorf("got %v, want %v", got[i], honest[i])
		case i == 1 && row.bounded && len(got[i].Text) > 4000:
			t.Errorf("a result of %d bytes", len(got[i].Text))
		case i == 1 && chat.Unanswered(got[i].Err):
			if text := got[i].Err.Error(); !strings.Contains(text, "endpoint "+trial.Endpoint) || strings.Contains(text, "\n") {
				t.Errorf("got %q, want one line that names endpoint %s", text, trial.Endpoint)
			}
		case i == 1 && !row.harmless && got[i].Err != nil:
			wantKind(t, "the result", got[i].Err, trial.Endpoint, endpoint.Malformed)
		case row.bounded:
		case i == 1 && !row.harmless && !degraded(got[i]):
			t.Errorf("a bad answer gives %v", got[i])
		}
	}
}

// damager is an honest model that damages the answer to the second question that is not a
// repetition of the first.
type damager struct {
	row    answerRow
	honest func(Question) Answer

	mu    sync.Mutex
	base  Question // the question as first asked
	count int      // different questions so far
	did   bool
}

func (s *damager) answer(q Question) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	again := s.count > 0 && len(q.Text) > len(s.base.Text) && strings.HasPrefix(q.Text, s.base.Text) && len(q.Images) == len(s.base.Images)
	if !again {
		s.base = q
		s.count++
	}
	honest := s.honest(s.base)
	if s.count != 2 || again && !s.row.always {
		return honest
	}
	bad, ok := s.row.damage(honest)
	if !ok {
		return honest
	}
	s.did = true
	return bad
}
