package reflector_test

import (
	"testing"

	"reflectionflow"
	"reflectionflow/reflector"
)

func TestJudge(t *testing.T) {
	p := reflectionflow.Prompt{Text: "three dogs and a red sofa, as a watercolor", Requirements: []reflectionflow.Requirement{
		{Kind: reflectionflow.Exactly, Object: "dog", Count: 3},
		{Kind: reflectionflow.AtLeast, Object: "couch", Color: "red", Count: 1},
		{Kind: reflectionflow.Style, Value: "watercolor"},
		{Kind: reflectionflow.AtLeast, Object: "computer mouse", Count: 1},
	}}
	type told = reflector.Actionable
	for text, want := range map[string]told{
		"Remove one dog at the left.":           {What: true, Where: true, How: true},
		"Make the couch red.":                   {What: true, Where: true, How: true},
		"Add another mouse beside the keyboard": {What: true, Where: true, How: true},
		"Repaint the whole image as watercolor": {What: true, Where: true, How: true},
		"The dogs are wrong.":                   {What: true, Where: true},
		"Add dogs.":                             {What: true, How: true},
		"Improve the quality of the picture.":   {},
		"There are 4 dogs":                      {What: true, Where: true},
		"Make it better":                        {How: true},
		"":                                      {},
	} {
		if got := reflector.Judge(p, text); got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
	if got := reflector.Judge(reflectionflow.Prompt{Text: "ein Hund"}, "Add a Hund at the left."); got.Score() != 1 {
		t.Errorf("%+v", got)
	}
}

// A reflection that does not say what to change, where and how is asked for once more, and
// the better one is taken.
func TestChatReflectionsAreActionable(t *testing.T) {
	for name, c := range map[string]struct {
		answers   []string
		want      string
		questions int
	}{
		"at once":       {[]string{"Add a second clock at the right."}, "Add a second clock at the right.", 1},
		"the second":    {[]string{"The picture is bad.", "Add a clock at the right."}, "Add a clock at the right.", 2},
		"better before": {[]string{"Add clocks.", "It is bad."}, "Add clocks.", 2},
		"neither":       {[]string{"It is bad.", "It is worse."}, "Change the picture so that it shows: exactly 2 clock.", 2},
	} {
		var answers []string
		for _, text := range c.answers {
			answers = append(answers, `{"reflection":"`+text+`"}`)
		}
		double := says(t, answers...)
		r, err := reflector.NewChat(talk(t, double), reflector.ChatOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Reflect(t.Context(), []reflectionflow.Observation{seen(1, reflectionflow.NotMet)})
		if err != nil || got[0].Text != c.want || len(double.Questions()) != c.questions {
			t.Errorf("%s: %+v, %v after %d questions", name, got, err, len(double.Questions()))
		}
	}
}
