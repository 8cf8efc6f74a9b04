package completions_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"
	"reflect"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/chat"
	"reflectionflow/internal/completions"
	"reflectionflow/internal/endpoint"
	"reflectionflow/internal/testserver"
)

type verdict struct {
	Score int    `json:"score"`
	Why   string `json:"why"`
}

var form = &chat.Form{Name: "verdict", JSON: []byte(`{"type":"object","additionalProperties":false,"required":["score","why"],
	"properties":{"score":{"type":"integer","minimum":0,"maximum":10},"why":{"type":"string"}}}`)}

func inRange(v *verdict) error {
	if v.Score < 0 || v.Score > 10 {
		return fmt.Errorf("score %d is not from 0 to 10", v.Score)
	}
	return nil
}

// talk returns a client of a double whose waits take no time.
func talk(t *testing.T, double *testserver.Chat, config completions.Config, set ...func(*endpoint.Config)) *completions.Client {
	t.Helper()
	e := endpoint.Config{Name: "judge", BaseURL: double.URL, Clock: testserver.NewClock(), Prices: endpoint.PriceTable{"double-1": {InputPerMillion: 1e6, PerCall: 1}}}
	for _, f := range set {
		f(&e)
	}
	client, err := endpoint.New(e)
	if err != nil {
		t.Fatal(err)
	}
	if config.Model == "" {
		config.Model = "double-1"
	}
	c, err := completions.New(client, config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func imageOf(c color.Color) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, 8, 6))
	for i := range 48 {
		img.Set(i%8, i/8, c)
	}
	return img
}

func question() chat.Request {
	return chat.Request{Parts: []chat.Part{chat.Text("How good is this?"), {Image: imageOf(color.NRGBA{200, 10, 20, 255})}}, Form: form}
}

func TestEveryDialectIsUnderstood(t *testing.T) {
	for _, dialect := range []testserver.Dialect{testserver.OpenAI, testserver.VLLM, testserver.LlamaCpp, testserver.Ollama, testserver.LLaMAFactory} {
		for _, format := range []string{"png", "jpeg"} {
			t.Run(string(dialect)+" "+format, func(t *testing.T) {
				double := testserver.NewChat(t, testserver.ChatOptions{Dialect: dialect, Key: "k-12345", Answer: func(q testserver.Question) testserver.Answer {
					if q.Schema == nil && !strings.Contains(q.Text, `"required":["score","why"]`) {
						t.Error("the model is not told the schema")
					}
					return testserver.Answer{Text: `{"score":7,"why":"red"}`}
				}})
				c := talk(t, double, completions.Config{Images: completions.Images{Format: format}}, func(e *endpoint.Config) { e.Secret = endpoint.NewSecret("k-12345") })
				got, reply, err := chat.Ask(t.Context(), c, question(), inRange)
				if err != nil || got != (verdict{7, "red"}) {
					t.Fatalf("got %+v, %v", got, err)
				}
				if want := (reflectionflow.Cost{TokensIn: 100, TokensOut: 10, USD: 101, Seconds: reply.Cost.Seconds}); !reflect.DeepEqual(reply.Cost, want) || reply.Model != "double-1" {
					t.Errorf("got %+v, want cost %+v", reply, want)
				}
				q := double.Questions()[0]
				if len(q.Images) != 1 || q.Images[0].Bounds().Size() != image.Pt(8, 6) || q.Order[:2] != "ti" {
					t.Errorf("the model saw %+v", q)
				}
				r, g, b, _ := q.Images[0].At(3, 3).RGBA()
				if r>>8 < 190 || g>>8 > 20 || b>>8 > 30 {
					t.Errorf("the color of the image is %d %d %d", r>>8, g>>8, b>>8)
				}
			})
		}
	}
}

func TestAnswersAreReadOrAskedForAgain(t *testing.T) {
	const ok = `{"score":7,"why":"red"}`
	tests := []struct {
		name      string
		answers   []string
		want      int
		questions int
		err       error
	}{
		{"plain", []string{ok}, 7, 1, nil},
		{"fence", []string{"```json\n" + ok + "\n```"}, 7, 1, nil},
		{"prose", []string{"Sure! Here is {my} verdict:\n" + ok + "\nI hope that helps {}."}, 7, 1, nil},
		{"thinking", []string{`<think>perhaps {"score":1,"why":"draft"}</think>` + ok}, 7, 1, nil},
		{"draft before answer", []string{`At first {"score":1,"why":"draft"}, but finally ` + ok}, 7, 1, nil},
		{"trailing commas", []string{`{"score":7,"why":"a, } b",}`}, 7, 1, nil},
		{"comment", []string{"{\"score\":7, // out of 10\n\"why\":\"http://x\"}"}, 7, 1, nil},
		{"brackets in text", []string{`{"score":7,"why":"a } and a \" { too"}`}, 7, 1, nil},
		{"NaN, then corrected", []string{`{"score":NaN,"why":""}`, ok}, 7, 2, nil},
		{"out of range, then corrected", []string{`{"score":1000,"why":""}`, ok}, 7, 2, nil},
		{"a word for a number, then corrected", []string{`{"score":"ten","why":""}`, ok}, 7, 2, nil},
		{"no JSON, then corrected", []string{"It is good.", ok}, 7, 2, nil},
		{"cut off, then corrected", []string{`{"score":7,"wh`, ok}, 7, 2, nil},
		{"never corrected", []string{`{"score":11,"why":""}`, `{"score":12,"why":""}`, ok}, 0, 2, chat.ErrUnusable},
		{"empty twice", []string{"", "", ok}, 0, 2, chat.ErrUnusable},
		{"refusal in prose", []string{"I'm sorry, but I can't help with that.", ok}, 0, 1, chat.ErrRefused},
		{"a list", []string{`[1,2]`, ok}, 7, 2, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			double := testserver.NewChat(t, testserver.ChatOptions{Answer: func(q testserver.Question) testserver.Answer {
				return testserver.Answer{Text: tt.answers[q.N]}
			}})
			got, reply, err := chat.Ask(t.Context(), talk(t, double, completions.Config{}), question(), inRange)
			if n := len(double.Questions()); n != tt.questions || reply.Cost.TokensIn != 100*n {
				t.Errorf("%d questions, want %d; cost %+v", n, tt.questions, reply.Cost)
			}
			if tt.err != nil {
				if !errors.Is(err, tt.err) || !strings.Contains(err.Error(), "endpoint judge") {
					t.Errorf("got %v, want %v", err, tt.err)
				}
				return
			}
			if err != nil || got.Score != tt.want {
				t.Errorf("got %+v, %v", got, err)
			}
			if tt.questions == 2 && !strings.Contains(double.Questions()[1].Text, chat.Quote(tt.answers[0])) {
				t.Error("the second question does not show the first answer as data")
			}
		})
	}
}

// Callers may use a part of it.
func TestUnusableAnswerReturnsTheLastDecoded(t *testing.T) {
	double := testserver.NewChat(t, testserver.ChatOptions{Answer: func(q testserver.Question) testserver.Answer {
		return testserver.Answer{Text: []string{`{"score":11,"why":"first"}`, "nothing"}[q.N]}
	}})
	got, _, err := chat.Ask(t.Context(), talk(t, double, completions.Config{}), question(), inRange)
	if !errors.Is(err, chat.ErrUnusable) || got.Why != "first" {
		t.Errorf("got %+v, %v", got, err)
	}
}

// ask asks about n images.
func ask(ctx context.Context, c chat.Model, n int) ([]testserver.Outcome, error) {
	out := make([]testserver.Outcome, n)
	for i := range out {
		r := question()
		r.Parts[1].Image = imageOf(color.NRGBA{uint8(50 * i), 10, 20, 255})
		got, reply, err := chat.Ask(ctx, c, r, inRange)
		if err != nil && !chat.Unanswered(err) {
			return nil, err
		}
		if reply.Cost.TokensIn < 100 {
			return nil, fmt.Errorf("%d tokens are on the bill", reply.Cost.TokensIn)
		}
		out[i] = testserver.Outcome{Text: fmt.Sprint(got.Score), Err: err}
	}
	return out, nil
}

func TestFaults(t *testing.T) {
	testserver.Faults(t, testserver.ChatClients("ask", nil, ask))
}

func TestUnusualReplies(t *testing.T) {
	bad := func(body string) testserver.Fault {
		return testserver.WithStatus(200, body, "Content-Type", "application/json")
	}
	tests := []struct {
		name  string
		fault testserver.Fault
		kind  endpoint.Kind
	}{
		{"no choices", bad(`{"choices":[]}`), endpoint.Malformed},
		{"content is a number", bad(`{"choices":[{"message":{"content":5}}]}`), endpoint.Malformed},
		{"content in parts", bad(`{"choices":[{"message":{"content":[{"type":"text","text":"{\"score\":1,\"why\":\"\"}"}]}}]}`), ""},
		{"refusal", bad(`{"choices":[{"message":{"content":null,"refusal":"No."}}]}`), endpoint.Declined},
		{"content filter", bad(`{"choices":[{"finish_reason":"content_filter","message":{"content":""}}]}`), endpoint.Declined},
		{"policy", testserver.WithStatus(400, `{"error":{"message":"not allowed","code":"content_policy_violation"}}`), endpoint.Declined},
		{"no model", testserver.WithStatus(404, `{"error":{"message":"model not found"}}`), endpoint.Status},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			double := testserver.NewChat(t, testserver.ChatOptions{})
			double.Fail(tt.fault)
			_, _, err := chat.Ask(t.Context(), talk(t, double, completions.Config{}), question(), inRange)
			var e *endpoint.Error
			if double.Requests() != 1 || tt.kind == "" && err != nil || tt.kind != "" && (!errors.As(err, &e) || e.Kind != tt.kind || e.Endpoint != "judge") {
				t.Errorf("got %v after %d requests, want %q after one", err, double.Requests(), tt.kind)
			}
		})
	}
}

func TestRejectedParametersAreOmitted(t *testing.T) {
	double := testserver.NewChat(t, testserver.ChatOptions{Reject: []string{"max_tokens", "seed", "temperature", "response_format", "logprobs"}})
	double.Fail() // none: the double refuses by itself
	c := talk(t, double, completions.Config{})
	r := question()
	r.Seed, r.TopLogprobs = 5, 3
	r.Form = nil
	if _, err := c.Complete(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	before := double.Requests()
	if before != 5 {
		t.Errorf("%d requests to learn four things, want 5", before)
	}
	r.Parts = append(r.Parts, chat.Text("And now?"))
	if _, err := c.Complete(t.Context(), r); err != nil || double.Requests() != before+1 {
		t.Errorf("%v after %d more requests, want 1", err, double.Requests()-before)
	}
}

func TestStructuredOutputStepsDown(t *testing.T) {
	double := testserver.NewChat(t, testserver.ChatOptions{Reject: []string{"response_format"}, Answer: func(testserver.Question) testserver.Answer {
		return testserver.Answer{Text: `{"score":3,"why":""}`}
	}})
	got, _, err := chat.Ask(t.Context(), talk(t, double, completions.Config{}), question(), inRange)
	if err != nil || got.Score != 3 || double.Requests() != 3 {
		t.Errorf("got %+v, %v after %d requests", got, err, double.Requests())
	}
	if _, _, err := chat.Ask(t.Context(), talk(t, double, completions.Config{Structured: completions.Schema}), question(), inRange); !endpoint.IsKind(err, endpoint.Status) {
		t.Errorf("a fixed way was left: %v", err)
	}
	if _, _, err := chat.Ask(t.Context(), talk(t, double, completions.Config{Structured: completions.Prompt}), question(), inRange); err != nil {
		t.Error(err)
	}
}

func TestChangedModelIsAnError(t *testing.T) {
	double := testserver.NewChat(t, testserver.ChatOptions{})
	c := talk(t, double, completions.Config{})
	server, err := endpoint.New(endpoint.Config{Name: "judge", BaseURL: double.URL, AllowChange: true})
	if err != nil {
		t.Fatal(err)
	}
	lenient, err := completions.New(server, completions.Config{Model: "double-1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, each := range []*completions.Client{c, lenient} {
		if _, err := each.Complete(t.Context(), question()); err != nil {
			t.Fatal(err)
		}
	}
	double.SetModel("double-2")
	reply, err := c.Complete(t.Context(), question())
	if !endpoint.IsKind(err, endpoint.Changed) || reply.Cost.TokensIn != 100 {
		t.Errorf("got %+v, %v, want a changed server and what the reply cost", reply, err)
	}
	for _, part := range []string{"endpoint judge", `"double-1"`, `"double-2"`, "start a new run"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %s", err, part)
		}
	}
	if _, err := lenient.Complete(t.Context(), question()); err != nil {
		t.Error(err)
	}
	if got := fmt.Sprint(server.Models()); got != "[double-1 double-2]" {
		t.Errorf("models %s", got)
	}
	pinned := talk(t, double, completions.Config{}, func(e *endpoint.Config) { e.Pin = "double-1" })
	if _, err := pinned.Complete(t.Context(), question()); !endpoint.IsKind(err, endpoint.Changed) {
		t.Errorf("got %v, want a changed server", err)
	}
}

// The cache recognizes an image by its pixels, whatever its type and origin.
func TestCachedRepliesCostNothing(t *testing.T) {
	folder := t.TempDir()
	double := testserver.NewChat(t, testserver.ChatOptions{})
	for i := range 2 {
		cache, err := endpoint.NewCache(folder)
		if err != nil {
			t.Fatal(err)
		}
		c := talk(t, double, completions.Config{}, func(e *endpoint.Config) { e.Cache = cache })
		r := question()
		if i == 1 {
			opaque := image.NewRGBA(image.Rect(5, 5, 13, 11))
			for j := range 48 {
				opaque.Set(5+j%8, 5+j/8, color.NRGBA{200, 10, 20, 255})
			}
			r.Parts[1].Image = opaque
		}
		_, reply, err := chat.Ask(t.Context(), c, r, inRange)
		if err != nil || reply.Cached != (i == 1) || i == 1 && !reflect.DeepEqual(reply.Cost, reflectionflow.Cost{}) {
			t.Errorf("call %d: %+v, %v", i, reply, err)
		}
	}
	if double.Requests() != 1 {
		t.Errorf("%d requests, want 1", double.Requests())
	}
}

func TestLogprobsAreReturned(t *testing.T) {
	double := testserver.NewChat(t, testserver.ChatOptions{Answer: func(testserver.Question) testserver.Answer {
		return testserver.Answer{Text: "yes", Tokens: [][]testserver.Alternative{{{Token: "yes", Logprob: math.Log(.75)}, {Token: "no", Logprob: math.Log(.25)}}}}
	}})
	reply, err := talk(t, double, completions.Config{}).Complete(t.Context(), chat.Request{Parts: []chat.Part{chat.Text("?")}, TopLogprobs: 2, MaxTokens: 1})
	if err != nil || len(reply.Tokens) != 1 || len(reply.Tokens[0].Top) != 2 || math.Abs(math.Exp(reply.Tokens[0].Top[1].Logprob)-.25) > 1e-9 {
		t.Errorf("got %+v, %v", reply, err)
	}
}

func TestInvalidRequestsAreNotSent(t *testing.T) {
	double := testserver.NewChat(t, testserver.ChatOptions{})
	c := talk(t, double, completions.Config{})
	for name, r := range map[string]chat.Request{"nothing": {}, "empty image": {Parts: []chat.Part{{Image: image.NewGray(image.Rectangle{})}}}} {
		if _, err := c.Complete(t.Context(), r); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Complete(ctx, question()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if double.Requests() != 0 {
		t.Error("a bad request was sent")
	}
	e, err := endpoint.New(endpoint.Config{Name: "n", BaseURL: double.URL})
	if err != nil {
		t.Fatal(err)
	}
	for name, config := range map[string]completions.Config{
		"structured": {Structured: "xml"}, "format": {Images: completions.Images{Format: "webp"}}, "quality": {Images: completions.Images{Quality: 101}},
		"side": {Images: completions.Images{MaxSide: 1}}, "tokens": {MaxTokens: -1},
	} {
		if _, err := completions.New(e, config); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestLargeImagesAreScaledDown(t *testing.T) {
	double := testserver.NewChat(t, testserver.ChatOptions{})
	c := talk(t, double, completions.Config{Images: completions.Images{MaxSide: 64}})
	if _, err := c.Complete(t.Context(), chat.Request{Parts: []chat.Part{chat.Text("?"), {Image: image.NewGray(image.Rect(0, 0, 256, 128))}}}); err != nil {
		t.Fatal(err)
	}
	if got := double.Questions()[0].Images[0].Bounds().Size(); got != image.Pt(64, 32) {
		t.Errorf("the model saw %v, want 64×32", got)
	}
}

func TestCheckReportsAbilities(t *testing.T) {
	sees := func(q testserver.Question) testserver.Answer {
		if len(q.Images) == 0 {
			return testserver.DefaultAnswer(q) // of the schema
		}
		if r, g, _, _ := q.Images[0].At(1, 1).RGBA(); r>>8 != 220 || g>>8 != 20 {
			t.Error("the image is not red")
		}
		return testserver.Answer{Text: `{"color":"Red"}`, Tokens: [][]testserver.Alternative{{{Token: "{", Logprob: 0}}}}
	}
	tests := map[string]struct {
		options testserver.ChatOptions
		want    completions.Report
	}{
		"everything": {testserver.ChatOptions{Answer: sees}, completions.Report{Sees: true, Structured: completions.Schema, Enforced: true, Obeys: true, Logprobs: true, Seeds: true}},
		"little": {
			testserver.ChatOptions{Answer: sees, Reject: []string{"response_format", "seed", "logprobs"}},
			completions.Report{Sees: true, Structured: completions.Prompt, Obeys: true},
		},
		"a schema that is asked for and not enforced": {
			testserver.ChatOptions{Answer: func(q testserver.Question) testserver.Answer {
				if len(q.Images) == 0 {
					return testserver.Answer{Text: `{"number": 7}`}
				}
				return sees(q)
			}},
			completions.Report{Sees: true, Structured: completions.Schema, Obeys: true, Logprobs: true, Seeds: true},
		},
		"an object that is asked for and enforced": {
			testserver.ChatOptions{Answer: func(q testserver.Question) testserver.Answer {
				if len(q.Images) == 0 && q.JSONObject {
					return testserver.Answer{Text: `{"answer":"no"}`}
				}
				return sees(q)
			}},
			completions.Report{Sees: true, Structured: completions.Object, Enforced: true, Obeys: true, Logprobs: true, Seeds: true},
		},
		"an object that is asked for and not enforced": {
			testserver.ChatOptions{Answer: func(q testserver.Question) testserver.Answer {
				if len(q.Images) == 0 {
					return testserver.Answer{Text: "no"}
				}
				return sees(q)
			}},
			completions.Report{Sees: true, Structured: completions.Object, Obeys: true, Logprobs: true, Seeds: true},
		},
		"blind":     {testserver.ChatOptions{Answer: func(testserver.Question) testserver.Answer { return testserver.Answer{Text: `{"color":"blue"}`} }}, completions.Report{Answer: `{"color":"blue"}`, Structured: completions.Schema, Obeys: true, Seeds: true}},
		"talkative": {testserver.ChatOptions{Answer: func(testserver.Question) testserver.Answer { return testserver.Answer{Text: "It is red!"} }}, completions.Report{Sees: true, Structured: completions.Schema, Seeds: true}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			config := completions.Config{}
			if tt.want.Structured == completions.Object {
				config.Structured = completions.Object
			}
			got, err := talk(t, testserver.NewChat(t, tt.options), config).Check(t.Context(), true)
			if err != nil || got.Cost.TokensIn == 0 {
				t.Errorf("got %+v, %v", got, err)
			}
			got.Cost, tt.want.Model = reflectionflow.Cost{}, "double-1"
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
	// A model without image support answers questions without images.
	blind := talk(t, testserver.NewChat(t, testserver.ChatOptions{NoImages: true}), completions.Config{})
	if _, err := blind.Check(t.Context(), true); err == nil {
		t.Error("an image was accepted")
	}
	if got, err := blind.Check(t.Context(), false); err != nil || !got.Obeys || got.Sees {
		t.Errorf("got %+v, %v", got, err)
	}
	gone := testserver.NewChat(t, testserver.ChatOptions{})
	gone.Close()
	if _, err := talk(t, gone, completions.Config{}).Check(t.Context(), true); !endpoint.IsKind(err, endpoint.Refused) {
		t.Errorf("got %v", err)
	}
}

func TestBadAnswers(t *testing.T) {
	testserver.BadAnswers(t, testserver.ChatClients("ask", nil, ask), func(testserver.Outcome) bool { return false })
}

// A lost reply may have been charged, so that the default is not to repeat.
func TestLostRepliesAreRepeatedOnDemand(t *testing.T) {
	double := testserver.NewChat(t, testserver.ChatOptions{})
	double.Fail(testserver.ResetMidBody())
	if _, err := talk(t, double, completions.Config{RepeatLost: true}).Complete(t.Context(), question()); err != nil || double.Requests() != 2 {
		t.Errorf("got %v after %d requests", err, double.Requests())
	}
}
