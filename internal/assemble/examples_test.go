package assemble_test

import (
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"reflectionflow/geneval"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/config"
	"reflectionflow/internal/testserver"
	"reflectionflow/internal/visiontest"
)

// examples is the configuration of the reference with every verifier and judge, with tiny
// networks and doubles of servers in their places.
func examples(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)### Every verifier and judge, once.*?```yaml\n(.*?)```").FindSubmatch(page)
	if found == nil {
		t.Fatal("the reference has no example of every verifier and judge")
	}
	answer := func(q testserver.Question) testserver.Answer {
		if q.Schema != nil {
			return testserver.DefaultAnswer(q)
		}
		yes, no := testserver.Alternative{Token: "Yes", Logprob: math.Log(.9)}, testserver.Alternative{Token: "No", Logprob: math.Log(.1)}
		return testserver.Answer{Text: "Yes", Tokens: [][]testserver.Alternative{{yes, no}}}
	}
	vlm := testserver.NewChat(t, testserver.ChatOptions{Dialect: testserver.VLLM, Model: "Qwen/Qwen3-VL-8B-Instruct", Answer: answer})
	return strings.NewReplacer(
		"http://localhost:8000/v1", vlm.URL, "http://localhost:1234", testserver.NewSDCPP(t).URL, "model: Qwen/", "cache: none, model: Qwen/",
		"models/owlv2-base-patch16-ensemble", visiontest.Folder(t, "owlv2", nil), "models/siglip2-base-patch16-224", visiontest.Folder(t, "siglip2", nil),
		"models/clip-vit-large-patch14", visiontest.Folder(t, "clip", nil), "models/PickScore_v1", visiontest.Folder(t, "clip-gelu", nil),
	).Replace(string(found[1]))
}

// Every type of verifier in the reference has an example there that verifies an image, but
// those that belong to other generators.
func TestExampleOfEveryVerifier(t *testing.T) {
	text := examples(t)
	c, err := assemble.ParseConfig("examples.yaml", []byte(text), "/")
	if err != nil {
		t.Fatal(err)
	}
	samples := visiontest.PromptedImages(t)[:1]
	seen := []string{config.Embedded, "fleet"}
	for name, v := range c.Verifiers {
		seen = append(seen, v.Type)
		t.Run(name, func(t *testing.T) {
			one, err := assemble.ParseConfig("examples.yaml", []byte(strings.Replace(text, "use: {verifier: detector}", "use: {verifier: "+name+"}", 1)), "/")
			if err != nil {
				t.Fatal(err)
			}
			model, err := assemble.NewBuilder(one, assemble.Environment{}).Model()
			if err != nil {
				t.Fatal(err)
			}
			engine, err := model.Open(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			if engine.Closer != nil {
				defer engine.Close()
			}
			scores, err := engine.Verify(t.Context(), samples)
			if err != nil || len(scores) != 1 || scores[0].Unanswered != "" || math.IsNaN(scores[0].Value) {
				t.Errorf("%+v, %v", scores, err)
			}
		})
	}
	for _, kind := range assemble.Types() {
		if kind.Kind == config.Verifiers && !slices.Contains(seen, kind.Name) {
			t.Errorf("the reference has no example of a verifier of type %s", kind.Name)
		}
	}
}

// Every type of judge in the reference has an example there that judges an image, but those
// of clip-art, which need none.
func TestExampleOfEveryJudge(t *testing.T) {
	c, err := assemble.ParseConfig("examples.yaml", []byte(examples(t)), "/")
	if err != nil {
		t.Fatal(err)
	}
	b := assemble.NewBuilder(c, assemble.Environment{})
	m := geneval.Metadata{Tag: "colors", Prompt: "a photo of a red cat", Include: []geneval.Include{{Class: "cat", Count: 1, Color: "red"}}}
	m2 := visiontest.PromptedImages(t)[0]
	seen := []string{config.Embedded, "template"}
	for name, j := range c.Judges {
		seen = append(seen, j.Type)
		t.Run(name, func(t *testing.T) {
			plan, err := b.Judge(name)
			if err != nil {
				t.Fatal(err)
			}
			if plan.Open == nil {
				if j.Type != assemble.External {
					t.Error("it cannot be opened")
				}
				return
			}
			judge, err := plan.Open(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			if judge.Closer != nil {
				defer judge.Close()
			}
			judged, err := judge.Judge.Judge(t.Context(), []geneval.Case{{Metadata: m, Image: m2.Image}})
			if err != nil || len(judged) != 1 {
				t.Errorf("%+v, %v", judged, err)
			}
		})
	}
	for _, name := range assemble.JudgeNames() {
		if !slices.Contains(seen, name) {
			t.Errorf("the reference has no example of a judge of type %s", name)
		}
	}
}
