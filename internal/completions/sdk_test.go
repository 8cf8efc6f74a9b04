package completions_test

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"

	"reflectionflow/internal/completions"
	"reflectionflow/internal/testserver"
)

func TestRequestEqualsThatOfTheSDK(t *testing.T) {
	double := testserver.NewChat(t, testserver.ChatOptions{})
	r := question()
	r.System, r.Seed, r.TopLogprobs, r.Temperature, r.MaxTokens = "Be brief.", 7, 3, .5, 99
	if _, err := talk(t, double, completions.Config{}).Complete(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	sent := double.Questions()[0].Body
	var uri struct {
		Messages []struct{ Content json.RawMessage }
	}
	if err := json.Unmarshal(sent, &uri); err != nil {
		t.Fatal(err)
	}
	var parts []struct {
		ImageURL struct{ URL string } `json:"image_url"`
	}
	if err := json.Unmarshal(uri.Messages[1].Content, &parts); err != nil {
		t.Fatal(err)
	}
	var schema any
	if err := json.Unmarshal(form.JSON, &schema); err != nil {
		t.Fatal(err)
	}
	theirs, err := json.Marshal(openai.ChatCompletionNewParams{
		Model: "double-1",
		Messages: []openai.ChatCompletionMessageParamUnion{
			openai.SystemMessage("Be brief."),
			openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{
				openai.TextContentPart("How good is this?"),
				openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: parts[1].ImageURL.URL}),
			}),
		},
		Temperature: openai.Float(.5), Seed: openai.Int(7), MaxTokens: openai.Int(99), Logprobs: openai.Bool(true), TopLogprobs: openai.Int(3),
		ResponseFormat: openai.ChatCompletionNewParamsResponseFormatUnion{OfJSONSchema: &shared.ResponseFormatJSONSchemaParam{
			JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "verdict", Strict: openai.Bool(true), Schema: schema},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var ours, want any
	if json.Unmarshal(sent, &ours) != nil || json.Unmarshal(theirs, &want) != nil || !reflect.DeepEqual(ours, want) {
		t.Errorf("sent\n%s\nOpenAI's SDK sends\n%s", sent, theirs)
	}
}

func TestSDKUnderstandsTheDouble(t *testing.T) {
	for _, dialect := range []testserver.Dialect{testserver.OpenAI, testserver.VLLM, testserver.LlamaCpp} {
		t.Run(string(dialect), func(t *testing.T) {
			double := testserver.NewChat(t, testserver.ChatOptions{Dialect: dialect, Key: "k-123456", Answer: func(testserver.Question) testserver.Answer {
				return testserver.Answer{Text: "yes", Tokens: [][]testserver.Alternative{{{Token: "yes", Logprob: math.Log(.5)}}}}
			}})
			client := openai.NewClient(option.WithBaseURL(double.URL), option.WithAPIKey("k-123456"), option.WithMaxRetries(0))
			params := openai.ChatCompletionNewParams{
				Model: "double-1", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("?")}, Logprobs: openai.Bool(true), TopLogprobs: openai.Int(1),
			}
			got, err := client.Chat.Completions.New(t.Context(), params)
			if err != nil {
				t.Fatal(err)
			}
			choice := got.Choices[0]
			if choice.Message.Content != "yes" || choice.FinishReason != "stop" || choice.Logprobs.Content[0].TopLogprobs[0].Token != "yes" || got.Usage.PromptTokens != 100 || got.Model != "double-1" {
				t.Errorf("got %s", got.RawJSON())
			}
			double.Fail(testserver.RateLimited(1, "1")...)
			if _, err := client.Chat.Completions.New(t.Context(), params); err == nil {
				t.Error("status 429 is no error")
			}
			models, err := client.Models.List(t.Context())
			if err != nil || models.Data[0].ID != "double-1" {
				t.Errorf("models %+v, %v", models, err)
			}
		})
	}
}
