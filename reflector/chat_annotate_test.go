package reflector_test

import (
	"errors"
	"fmt"
	"image/color"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/conformance"
	"reflectionflow/internal/endpoint"
	"reflectionflow/internal/testserver"
	"reflectionflow/reflector"
)

// pairOf is a pair whose images have these levels of red.
func pairOf(first, second uint8) reflectionflow.Pair {
	return reflectionflow.Pair{
		Prompt: reflectionflow.Prompt{Text: `a "cat"`},
		First:  solid(color.NRGBA{first, 10, 0, 255}), Second: solid(color.NRGBA{second, 10, 0, 255}),
	}
}

// brighter is a model that prefers the image with more red.
func brighter(q testserver.Question) testserver.Answer {
	var red []uint32
	for _, img := range q.Images {
		r, _, _, _ := img.At(1, 1).RGBA()
		red = append(red, r>>8)
	}
	better := map[bool]string{true: "second", false: "first"}[red[1] > red[0]]
	return testserver.Answer{Text: fmt.Sprintf(`{"better":%q,"differences":[{"category":"color","first":"red %d","second":"red %d"}],"instructions":["Make it redder."]}`, better, red[0], red[1])}
}

func TestChatAnnotatorConformance(t *testing.T) {
	double := testserver.NewChat(t, testserver.ChatOptions{Answer: brighter})
	a, err := reflector.NewChatAnnotator(talk(t, double), "")
	if err != nil {
		t.Fatal(err)
	}
	conformance.Annotator(t, a, []reflectionflow.Pair{pairOf(10, 20), pairOf(40, 30), pairOf(50, 60)}, conformance.Options{})
	q := double.Questions()[0]
	if !strings.Contains(q.Text, `"a \"cat\""`) || !strings.Contains(q.Text, "object, count, color") || len(q.Images) != 2 || q.SchemaName != "comparison" {
		t.Errorf("asked %q by %q with %d images", q.Text, q.SchemaName, len(q.Images))
	}
}

// Other pairs of the call are not affected.
func TestChatAnnotatorChecksAnswers(t *testing.T) {
	const good = `{"better":"second","differences":[{"category":"count","first":"1 cat","second":"2 cats"}],"instructions":["Add a cat."]}`
	for name, tt := range map[string]struct {
		answers    []string
		unanswered string
		asked      int
	}{
		"plain":                   {[]string{good}, "", 1},
		"in prose":                {[]string{"The second is better: " + good}, "", 1},
		"prose, then corrected":   {[]string{"The second one.", good}, "", 2},
		"cut off, then corrected": {[]string{good[:40], good}, "", 2},
		"unknown side":            {[]string{strings.Replace(good, "second", "left", 1), good}, "", 2},
		"unknown category":        {[]string{strings.Replace(good, "count", "vibe", 1), good}, "", 2},
		"no instructions":         {[]string{strings.Replace(good, `"Add a cat."`, "", 1), good}, "", 2},
		"empty instruction":       {[]string{strings.Replace(good, "Add a cat.", " ", 1), good}, "", 2},
		"instructions of no use":  {[]string{strings.Replace(good, "second", "neither", 1), good}, "", 2},
		"too long":                {[]string{strings.Replace(good, "Add a cat.", strings.Repeat("Add a cat. ", 50), 1), good}, "", 2},
		"neither":                 {[]string{`{"better":"neither","differences":[],"instructions":[]}`}, "", 1},
		"prose for ever":          {[]string{"The second one."}, reflector.UnansweredUnusable, 2},
		"broken for ever":         {[]string{good[:60]}, reflector.UnansweredUnusable, 2},
		"refusal":                 {[]string{"I'm sorry, I can't compare these."}, reflector.UnansweredRefused, 1},
	} {
		t.Run(name, func(t *testing.T) {
			double := says(t, tt.answers...)
			a, err := reflector.NewChatAnnotator(talk(t, double), "")
			if err != nil {
				t.Fatal(err)
			}
			got, err := a.Annotate(t.Context(), []reflectionflow.Pair{pairOf(1, 2)})
			if err != nil || len(got) != 1 || got[0].Unanswered != tt.unanswered || double.Requests() != tt.asked {
				t.Fatalf("got %+v, %v after %d questions", got, err, double.Requests())
			}
			if (got[0].Better == "") != (tt.unanswered != "") || (got[0].Detail == "") != (tt.unanswered == "") {
				t.Errorf("got %+v", got[0])
			}
			if got[0].Cost.TokensIn != 100*tt.asked {
				t.Errorf("%d questions cost %+v", tt.asked, got[0].Cost)
			}
		})
	}
}

func TestChatAnnotatorReportsServerErrors(t *testing.T) {
	double := testserver.NewChat(t, testserver.ChatOptions{Answer: func(q testserver.Question) testserver.Answer {
		if r, _, _, _ := q.Images[0].At(1, 1).RGBA(); r>>8 == 9 {
			return testserver.Answer{Refusal: "No."}
		}
		return brighter(q)
	}})
	a, err := reflector.NewChatAnnotator(talk(t, double), "")
	if err != nil {
		t.Fatal(err)
	}
	got, err := a.Annotate(t.Context(), []reflectionflow.Pair{pairOf(1, 2), pairOf(9, 2), pairOf(3, 2)})
	if err != nil || got[0].Better != reflectionflow.Second || got[1].Unanswered != reflector.UnansweredRefused || got[2].Better != reflectionflow.First {
		t.Errorf("got %+v, %v", got, err)
	}
	double.Close()
	if _, err := a.Annotate(t.Context(), []reflectionflow.Pair{pairOf(5, 6)}); !endpoint.IsKind(err, endpoint.Refused) {
		t.Errorf("got %v, want a refused connection", err)
	}
	if _, err := reflector.NewChatAnnotator(nil, ""); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("no client: %v", err)
	}
}
