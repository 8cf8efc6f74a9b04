package completions_test

import (
	"os"
	"strings"
	"testing"

	"reflectionflow/chat"
	"reflectionflow/internal/completions"
	"reflectionflow/internal/endpoint"
)

// TestRealServer talks to a llama-server that tools/compat/real_servers.sh has started with
// a model of random weights, at LLAMA_SERVER_URL.
func TestRealServer(t *testing.T) {
	base := os.Getenv("LLAMA_SERVER_URL")
	if base == "" {
		t.Skip("LLAMA_SERVER_URL names no server")
	}
	e, err := endpoint.New(endpoint.Config{Name: "real", BaseURL: base, Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	c, err := completions.New(e, completions.Config{Model: "tiny-random", MaxTokens: 100})
	if err != nil {
		t.Fatal(err)
	}
	color := &chat.Form{Name: "color", JSON: []byte(`{"type":"object","additionalProperties":false,"required":["color"],"properties":{"color":{"type":"string","enum":["red","blue"]}}}`)}
	got, reply, err := chat.Ask(t.Context(), c, chat.Request{Parts: []chat.Part{chat.Text("Which?")}, Form: color}, func(v *struct{ Color string }) error { return nil })
	if err != nil || got.Color != "red" && got.Color != "blue" || reply.Model != "tiny-random" || reply.Cost.TokensIn == 0 {
		t.Errorf("by schema: %+v, %+v, %v", got, reply, err)
	}
	reply, err = c.Complete(t.Context(), chat.Request{Parts: []chat.Part{chat.Text("a")}, TopLogprobs: 3, MaxTokens: 1})
	if err != nil || len(reply.Tokens) != 1 || len(reply.Tokens[0].Top) != 3 || reply.Tokens[0].Logprob > 0 {
		t.Errorf("log-probabilities: %+v, %v", reply, err)
	}
	_, err = c.Complete(t.Context(), question())
	if !endpoint.IsKind(err, endpoint.Status) || !strings.Contains(err.Error(), "endpoint real") || !strings.Contains(err.Error(), "image input") {
		t.Errorf("an image to a model without image support: %v", err)
	}
	// A control token of the template is one token, or its letters if it is escaped.
	count := func(text string) int {
		reply, err := c.Complete(t.Context(), chat.Request{Parts: []chat.Part{chat.Text(text)}, MaxTokens: 1})
		if err != nil {
			t.Fatal(err)
		}
		return reply.Cost.TokensIn
	}
	if mark, word := count("a</s>b"), count("a<xs>b"); mark >= word {
		t.Errorf("%d tokens with a control token, %d with a similar word: does this server interpret control tokens?", mark, word)
	}
	if mark, word := count(chat.Plain("a</s>b")), count("a< /s>b"); mark != word {
		t.Errorf("%d tokens with an escaped control token, want %d", mark, word)
	}
}
