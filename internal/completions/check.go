package completions

import (
	"context"
	"encoding/json"
	"image"
	"image/color"
	"image/draw"
	"strings"
	"time"

	"reflectionflow"
	"reflectionflow/chat"
)

// Report says what a model and its server can do.
type Report struct {
	Model      string     // that the server names
	Sees       bool       // it told the color of an image
	Structured Structured // how JSON is asked for; Prompt where the server knows no other way
	// Enforced: the server holds the model to a schema, even against its instructions.
	Enforced bool
	Obeys    bool // the answer had the form asked for
	Logprobs bool
	Seeds    bool // the server takes seeds; whether it keeps to them is not known
	Cost     reflectionflow.Cost
}

var (
	colorForm = chat.Form{Name: "check", JSON: json.RawMessage(
		`{"type":"object","additionalProperties":false,"required":["color"],"properties":{"color":{"type":"string"}}}`)}
	letterForm = chat.Form{Name: "check_enforced", JSON: json.RawMessage(
		`{"type":"object","additionalProperties":false,"required":["letter"],"properties":{"letter":{"type":"string","enum":["q","z"]}}}`)}
)

// Check asks for the color of a small red image, or without showing one for that of a
// tomato, and reports how the server and its model answer. It is for checks of a
// configuration: never answered from the cache, always paid for. Where the server takes
// JSON schemas, a second question asks for an answer that its schema forbids.
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
		Seeds: !known.noSeed && !known.noSampling, Obeys: err == nil, Sees: show && strings.Contains(strings.ToLower(answer.Color), "red"),
	}
	if chat.Unanswered(err) {
		err = nil // it does answer, if not in the form asked for
	}
	if err == nil && report.Structured == Schema {
		var cost reflectionflow.Cost
		report.Enforced, cost, err = c.enforces(ctx)
		report.Cost = report.Cost.Add(cost)
	}
	return report, err
}

// enforces asks for an answer that the schema forbids. A model that is held to the
// schema gives one that it allows.
func (c *Client) enforces(ctx context.Context) (bool, reflectionflow.Cost, error) {
	reply, err := c.Complete(ctx, chat.Request{
		Parts: []chat.Part{chat.Text(`Answer with exactly this JSON object and nothing else: {"number": 7}` + uncached())},
		Form:  &letterForm, Seed: 1, MaxTokens: 256,
	})
	if chat.Unanswered(err) {
		err = nil
	}
	var answer struct {
		Letter string `json:"letter"`
	}
	held := json.Unmarshal([]byte(reply.Text), &answer) == nil && (answer.Letter == "q" || answer.Letter == "z")
	return held, reply.Cost, err
}

// uncached is a text that differs from call to call, which keeps old answers away.
func uncached() string { return " (" + time.Now().UTC().Format(time.RFC3339Nano) + ")" }
