package openai_test

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"log"
	"testing"

	"reflectionflow"
	"reflectionflow/chat/openai"
	"reflectionflow/internal/testserver"
	"reflectionflow/reflector"
	"reflectionflow/search"
	"reflectionflow/verifier"
)

// A search whose images are verified by a model behind llama-server, vLLM or Ollama, which
// also writes the reflections and the refined prompts. The example starts a double of such
// a server.
func Example() {
	url, stop := startServer() // such as http://localhost:8080/v1
	defer stop()

	model, err := openai.New(openai.Config{URL: url, Model: "qwen2.5-vl"})
	if err != nil {
		log.Fatal(err)
	}
	verify, err := verifier.NewChat(model, verifier.ChatOptions{})
	if err != nil {
		log.Fatal(err)
	}
	reflect, err := reflector.NewChat(model, reflector.ChatOptions{})
	if err != nil {
		log.Fatal(err)
	}
	refine, err := reflector.NewChatRefiner(model, reflector.ChatRefinerOptions{})
	if err != nil {
		log.Fatal(err)
	}
	s := &search.Search{Generator: generator, Verifier: verify, Reflector: reflect, Refiner: refine}
	prompt := reflectionflow.Prompt{Text: "a red square", Requirements: []reflectionflow.Requirement{
		{Kind: reflectionflow.AtLeast, Object: "square", Count: 1, Color: "red"},
	}}
	result, err := s.Run(context.Background(), prompt, search.Default(search.Reflection))
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range result.Candidates {
		fmt.Printf("%d: %q, %q, score %.2f\n", c.ID, c.Request.Prompt, c.Request.Reflection, c.Score.Value)
	}
	fmt.Printf("best %d, stopped: %s\n", result.Best, result.Stopped)
	// Output:
	// 0: "a red square", "", score 0.14
	// 1: "a square, bright red", "Make the square red.", score 0.86
	// best 1, stopped: right
}

// generator generates a blue image, and a red one as a correction. Any
// [reflectionflow.Generator] can take its place, such as those of package remote.
var generator = reflectionflow.GeneratorFunc(func(_ context.Context, r reflectionflow.Request) (image.Image, error) {
	shade := color.RGBA{B: 200, A: 255}
	if r.Reflection != "" {
		shade = color.RGBA{R: 200, A: 255}
	}
	img := image.NewRGBA(image.Rect(0, 0, r.Width, r.Height))
	draw.Draw(img, img.Rect, image.NewUniform(shade), image.Point{}, draw.Src)
	return img, nil
})

// startServer starts a double of a server of chat completions. Its model sees the color of
// the image, and writes the same reflection and prompt about every image.
func startServer() (url string, stop func()) {
	t := &exampleTB{}
	server := testserver.NewChat(t, testserver.ChatOptions{Model: "qwen2.5-vl", Answer: func(q testserver.Question) testserver.Answer {
		switch red, _, _, _ := q.Images[0].At(0, 0).RGBA(); {
		case q.SchemaName == "reflection":
			return testserver.Answer{Text: `{"reflection":"Make the square red."}`}
		case q.SchemaName == "refinement":
			return testserver.Answer{Text: `{"prompt":"a square, bright red"}`}
		case red == 0:
			return testserver.Answer{Text: verdict("not_met", .1)}
		}
		return testserver.Answer{Text: verdict("met", .9)}
	}})
	return server.URL, t.cleanup
}

func verdict(verdict string, probability float64) string {
	return fmt.Sprintf(`{"quality":5,"verdicts":{"r1":{"seen":"a square","verdict":%q,"probability":%v,
		"objects":[{"class":"square","color":"","box":[0,0,1,1]}]}}}`, verdict, probability)
}

// exampleTB replaces the *testing.T that examples do not have.
type exampleTB struct {
	testing.TB
	cleanup func()
}

func (*exampleTB) Helper()            {}
func (t *exampleTB) Cleanup(f func()) { t.cleanup = f }
