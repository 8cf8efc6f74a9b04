package main

import (
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/testserver"
)

// ride is a prompt that no detector of the program can judge in full.
const ride = "an astronaut riding a horse, cinematic"

// judgedByVLM is a configuration whose verifier, reflector and refiner ask one model; the
// image is generated and corrected at a server.
const judgedByVLM = `
endpoints: {vlm: {url: "%s", model: double-1, cache: none}}
generators: {sd: {type: remote, url: "sdcpp+%s", size: 64, steps: 4}}
verifiers: {seen: {type: chat, endpoint: vlm}}
reflectors: {told: {type: chat, endpoint: vlm}}
refiners: {worded: {type: chat, endpoint: vlm}}
`

// questionLines matches a question of the verifier: its ID, its words, and the answer asked for.
var questionLines = regexp.MustCompile(`(?m)^- (r\d+): "(.*?\?)" Asked for: "(\w+)"\.`)

// verdicts answers every question of the verifier: sees says which have the answer that was
// asked for.
func verdicts(q testserver.Question, quality int, sees func(question string) bool) testserver.Answer {
	all := map[string]any{}
	for _, m := range questionLines.FindAllStringSubmatch(q.Text, -1) {
		yes := sees(m[2])
		answer, verdict, p := m[3], "met", .95
		if !yes {
			answer, verdict, p = map[string]string{"Yes": "no", "No": "yes"}[m[3]], "not_met", .05
		}
		if answer == "" {
			answer = "seven"
		}
		all[m[1]] = map[string]any{
			"seen": "what decides " + m[1], "objects": []any{map[string]any{"class": "thing", "color": "", "box": []float64{.1, .1, .9, .9}}},
			"answer": strings.ToLower(answer), "verdict": verdict, "probability": p,
		}
	}
	text, err := json.Marshal(map[string]any{"verdicts": all, "quality": quality})
	if err != nil {
		panic(err)
	}
	return testserver.Answer{Text: string(text)}
}

// shade is the red of an image, from which the models of these tests know what it shows.
func shade(m image.Image) uint8 {
	r, _, _, _ := m.At(m.Bounds().Dx()/2, m.Bounds().Dy()/2).RGBA()
	return uint8(r >> 8)
}

func flatImage(red uint8, seed uint64) image.Image {
	m := image.NewNRGBA(image.Rect(0, 0, 64, 64))
	for i := range 64 * 64 {
		m.Set(i%64, i/64, color.NRGBA{red, uint8(seed) + uint8(i), uint8(seed >> 8), 255})
	}
	return m
}

// TestAdaptiveOnFreeForm: with a chat verifier and a chat reflector, the adaptive strategy
// corrects an image that shows all objects and lacks the action, by the model's own plain
// critique, and stops at the image that is right.
func TestAdaptiveOnFreeForm(t *testing.T) {
	const critique = "Put the astronaut onto the back of the horse in the center."
	sd := testserver.NewSDCPP(t)
	var mu sync.Mutex
	var corrections []string
	sd.Paint = func(r testserver.ImageRequest) image.Image {
		if r.Reference == nil {
			return flatImage(80, r.Seed) // both are there, side by side
		}
		mu.Lock()
		defer mu.Unlock()
		corrections = append(corrections, r.Prompt)
		if len(corrections) == 1 {
			return flatImage(90, r.Seed) // nothing changed
		}
		return flatImage(200, r.Seed)
	}
	vlm := testserver.NewChat(t, testserver.ChatOptions{Answer: func(q testserver.Question) testserver.Answer {
		switch q.SchemaName {
		case "verdicts":
			return verdicts(q, 7, func(question string) bool {
				return shade(q.Images[0]) > 150 || !strings.Contains(question, "riding")
			})
		case "reflection":
			return testserver.Answer{Text: `{"reflection":"` + critique + `"}`}
		}
		return testserver.Answer{Text: `{"prompt":"An astronaut sits on the back of a galloping horse, in a cinematic frame."}`}
	}})
	t.Chdir(deployed(t, fmt.Sprintf(judgedByVLM, vlm.URL, sd.URL)))
	code, said, complained := here(t, "generate", "--strategy", "adaptive", ride, "--config", "config.yaml", "--budget", "6", "--out", "run")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, complained)
	}
	if len(corrections) != 2 || !strings.Contains(corrections[0], critique) {
		t.Errorf("corrections: %q", corrections)
	}
	for _, want := range []string{"4 of 4 requirements met", "best     image 2"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	data, err := os.ReadFile("run/candidates.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var last reflectionflow.Candidate
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Request.Reflection != critique || last.Action != reflectionflow.Reflect || !strings.Contains(last.Reason, "1 of 4 requirements not met") {
		t.Errorf("%v: %s", err, lines[len(lines)-1])
	}
}

// TestUnruly: whatever the model at the server does, generate ends with an image, or with
// one line that says what the server did; it never takes nonsense for a verdict.
func TestUnruly(t *testing.T) {
	answer := func(text string) func(testserver.Question) testserver.Answer {
		return func(testserver.Question) testserver.Answer { return testserver.Answer{Text: text} }
	}
	var mu sync.Mutex
	times := map[int]int{}
	for name, c := range map[string]struct {
		answer func(testserver.Question) testserver.Answer
		faults []testserver.Fault
		code   int
		says   string // in the result, or in the error
	}{
		"ignores the schema": {answer("The picture shows an astronaut on a horse. Quite cinematic!"), nil, 1, "the verifier judged no image: image 0: endpoint vlm: the model's answer cannot be used: there is no JSON object in it"},
		"refuses": {func(testserver.Question) testserver.Answer {
			return testserver.Answer{Refusal: "I can't judge people."}
		}, nil, 1, "the verifier judged no image: image 0: endpoint vlm: declined: I can't judge people."},
		"refuses in prose":  {answer("I'm sorry, I can't help with that."), nil, 1, "declined: I'm sorry, I can't help with that."},
		"HTML":              {nil, slices.Repeat([]testserver.Fault{testserver.HTML()}, 9), 1, "endpoint vlm: "},
		"too many requests": {nil, testserver.RateLimited(2, "0"), 0, "4 of 4 requirements met"},
		"a huge reply":      {nil, []testserver.Fault{testserver.Endless(64 << 20)}, 1, "endpoint vlm: "},
		"a huge answer":     {answer(strings.Repeat("astronaut ", 1<<17)), nil, 1, "endpoint vlm: the model's answer cannot be used"},
		"another schema":    {answer(`{"score": 10, "verdict": "met"}`), nil, 1, "the model's answer cannot be used"},
		"contradicts itself": {func(q testserver.Question) testserver.Answer {
			a := verdicts(q, 7, func(string) bool { return true })
			a.Text = strings.ReplaceAll(a.Text, `"verdict":"met"`, `"verdict":"not_met"`)
			return a
		}, nil, 1, "the model's answer cannot be used: r1 is not_met, which contradicts the answer"},
		"changes its mind": {func(q testserver.Question) testserver.Answer {
			mu.Lock()
			defer mu.Unlock()
			times[int(shade(q.Images[0]))]++
			return verdicts(q, 7, func(string) bool { return times[int(shade(q.Images[0]))]%2 == 0 })
		}, nil, 0, "requirements met"},
	} {
		t.Run(name, func(t *testing.T) {
			sd := testserver.NewSDCPP(t)
			if c.answer == nil {
				c.answer = func(q testserver.Question) testserver.Answer {
					return verdicts(q, 7, func(string) bool { return true })
				}
			}
			vlm := testserver.NewChat(t, testserver.ChatOptions{Answer: c.answer})
			vlm.Fail(c.faults...)
			t.Chdir(deployed(t, fmt.Sprintf(judgedByVLM, vlm.URL, sd.URL)))
			code, said, complained := here(t, "generate", ride, "--config", "config.yaml", "--strategy", "noise", "--budget", "2", "--quiet=false", "--out", "run")
			t.Logf("exit code %d\n%s\n%s", code, said, complained)
			if code != c.code || !strings.Contains(said+complained, c.says) {
				t.Errorf("exit code %d, want %d with %q", code, c.code, c.says)
			}
		})
	}
}

// A model that refuses one image of several is no reason to stop: that image is not judged,
// which is said, and is tried again when the run is resumed.
func TestOneRefusal(t *testing.T) {
	sd := testserver.NewSDCPP(t)
	vlm := testserver.NewChat(t, testserver.ChatOptions{Answer: func(q testserver.Question) testserver.Answer {
		if q.N == 0 {
			return testserver.Answer{Refusal: "I can't judge people."}
		}
		return verdicts(q, 7, func(question string) bool { return !strings.Contains(question, "riding") })
	}})
	t.Chdir(deployed(t, fmt.Sprintf(judgedByVLM, vlm.URL, sd.URL)))
	code, said, complained := here(t, "generate", ride, "--config", "config.yaml", "--strategy", "noise", "--width", "1", "--budget", "2", "--out", "run")
	for _, want := range []string{"image 0: new noise; not judged: endpoint vlm: declined: I can't judge people.", "unjudged 1 of 2 images; the first: endpoint vlm: declined", "best     image 1, score 0.72 (higher is better; the first image: 0.72)"} {
		if code != 0 || !strings.Contains(said+complained, want) {
			t.Errorf("exit code %d, without %q:\n%s%s", code, want, said, complained)
		}
	}
	if report, err := os.ReadFile("run/report.html"); err != nil || !strings.Contains(string(report), `<span class="score">not judged</span>`) {
		t.Errorf("the report scores an image that was not judged: %v", err)
	}
}
