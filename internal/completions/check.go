package completions

import (
	"context"
	"encoding/json"
	"image"
	"image/color"
	"image/draw"
	"slices"
	"strings"
	"time"
	"unicode"

	"reflectionflow"
	"reflectionflow/chat"
)

// Report is what [Client.Check] found out about a model and its server.
type Report struct {
	Model      string     // as the server names it; empty if it does not
	Sees       bool       // the model named the color of an image, in whatever form
	Answer     string     // one line, shortened; empty if the model Sees or was shown no image
	Structured Structured // the strictest way that the server accepts
	// Enforced says that the server forces answers into the form of Structured, even against
	// the instructions. Otherwise it ignores the form, or only tells it to the model.
	Enforced bool
	Obeys    bool // the answer had the requested form
	Logprobs bool // the server returns log-probabilities
	Seeds    bool // the server accepts seeds, which it may still ignore
	Cost     reflectionflow.Cost
}

var (
	colorForm = chat.Form{Name: "check", JSON: json.RawMessage(
		`{"type":"object","additionalProperties":false,"required":["color"],"properties":{"color":{"type":"string"}}}`)}
	letterForm = chat.Form{Name: "check_enforced", JSON: json.RawMessage(
		`{"type":"object","additionalProperties":false,"required":["letter"],"properties":{"letter":{"type":"string","enum":["q","z"]}}}`)}
)

// Check asks for the color of a small red image, or of a tomato if show is false, and
// reports how the server and its model answer. If the server accepts a form for answers, a
// second question asks for an answer that the form forbids. Replies never come from a
// cache.
func (c *Client) Check(ctx context.Context, show bool) (Report, error) {
	question := "Which color does a ripe tomato have?"
	var parts []chat.Part
	if show {
		red := image.NewRGBA(image.Rect(0, 0, 64, 64))
		draw.Draw(red, red.Rect, image.NewUniform(color.RGBA{220, 20, 20, 255}), image.Point{}, draw.Src)
		question, parts = "Which color does this picture have?", []chat.Part{{Image: red}}
	}
	answer, reply, err := chat.Ask[struct {
		Color string `json:"color"`
	}](ctx, c, chat.Request{
		Parts: append(parts, chat.Text(question+" One English word."+uncached())),
		Form:  &colorForm, Seed: 1, TopLogprobs: 2, MaxTokens: 256,
	}, nil)
	known := c.limits()
	report := Report{
		Model: c.endpoint.Clean(reply.Model), Structured: known.format, Logprobs: len(reply.Tokens) > 0, Cost: reply.Cost,
		Seeds: !known.noSeed && !known.noSampling, Obeys: err == nil,
		Sees: show && (namesRed(answer.Color) || err != nil && namesRed(reply.Text)),
	}
	if show && !report.Sees {
		report.Answer = c.endpoint.Clean(reply.Text)
	}
	if chat.Unanswered(err) {
		err = nil // the model answers, in another form
	}
	if err == nil && report.Structured != Prompt {
		var cost reflectionflow.Cost
		report.Enforced, cost, err = c.enforces(ctx, report.Structured)
		report.Cost = report.Cost.Add(cost)
	}
	return report, err
}

// namesRed reports whether a word of the text is a name of the color.
func namesRed(text string) bool {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) })
	return slices.ContainsFunc(words, func(word string) bool { return slices.Contains(reds, word) })
}

// reds are the words for the color of the image.
var reds = []string{"red", "reddish", "crimson", "scarlet"}

// enforces asks for an answer that the form forbids, without telling the form, and reports
// whether the answer has the form all the same.
func (c *Client) enforces(ctx context.Context, form Structured) (bool, reflectionflow.Cost, error) {
	question := `Answer with exactly this JSON object and nothing else: {"number": 7}`
	if form == Object {
		question = `Answer with the single word "no" in plain text, not in JSON.`
	}
	reply, err := c.Complete(ctx, chat.Request{
		Parts: []chat.Part{chat.Text(question + uncached())},
		Form:  &letterForm, Seed: 1, MaxTokens: 256,
	})
	if chat.Unanswered(err) {
		err = nil
	}
	var answer map[string]any
	enforced := json.Unmarshal([]byte(reply.Text), &answer) == nil && answer != nil
	if form == Schema {
		letter, _ := answer["letter"].(string)
		enforced = enforced && len(answer) == 1 && (letter == "q" || letter == "z")
	}
	return enforced, reply.Cost, err
}

// uncached returns a text that differs in every call, so that no cache has the reply.
func uncached() string { return " (" + time.Now().UTC().Format(time.RFC3339Nano) + ")" }
