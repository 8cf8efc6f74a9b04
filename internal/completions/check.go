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
	Sees       bool       // it told the color of a picture
	Structured Structured // how JSON is asked for; Prompt where the server knows no other way
	Obeys      bool       // the answer had the form asked for
	Logprobs   bool
	Seeds      bool // the server takes seeds; whether it keeps to them is not known
	Cost       reflectionflow.Cost
}

var checkForm = chat.Form{Name: "check", JSON: json.RawMessage(
	`{"type":"object","additionalProperties":false,"required":["color"],"properties":{"color":{"type":"string"}}}`)}

// Check asks about a small red picture, or without showing one about a color, and
// reports what came of it. It is for checks of a configuration: never answered from
// the cache, always paid for.
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
		// The time keeps an old answer from the cache away.
		Parts: append(parts, chat.Text(question+" One English word. ("+time.Now().UTC().Format(time.RFC3339Nano)+")")),
		Form:  &checkForm, Seed: 1, TopLogprobs: 2, MaxTokens: 256,
	}, nil)
	known := c.limits()
	report := Report{
		Model: c.endpoint.Clean(reply.Model), Structured: known.format, Logprobs: len(reply.Tokens) > 0, Cost: reply.Cost,
		Seeds: !known.noSeed && !known.noSampling, Obeys: err == nil, Sees: show && strings.Contains(strings.ToLower(answer.Color), "red"),
	}
	if chat.Unanswered(err) {
		err = nil // it does answer, if not in the form asked for
	}
	return report, err
}
