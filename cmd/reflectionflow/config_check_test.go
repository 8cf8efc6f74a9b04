package main

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"reflectionflow/internal/testserver"
)

// runCheck runs config check on a configuration of a language model and an image server.
func runCheck(t *testing.T, vlm *testserver.Chat, images *testserver.OpenAIImages, rest string) (code int, table string) {
	t.Helper()
	t.Chdir(deployed(t, fmt.Sprintf(`
endpoints: {vlm: {url: "%s", model: double-1, cache: none}}
generators: {g: {type: remote, url: "openai+%s?model=q&dialect=vllm-omni", size: 64, steps: 2}}
%s`, vlm.URL, images.URL, rest)))
	code, table, said := here(t, "config", "check", "config.yaml")
	return code, table + said
}

const askedParts = `
verifiers: {seen: {type: chat, endpoint: vlm}}
reflectors: {words: {type: chat, endpoint: vlm}}
refiners: {rewrite: {type: chat, endpoint: vlm}}
search: {budget: 8, strategy: %s}
`

// The check says no where the run would fail or waste its budget, and only there.
func TestCheckTriesWhatTheRunNeeds(t *testing.T) {
	notFound := slices.Repeat([]testserver.Fault{testserver.WithStatus(http.StatusNotFound, `{"detail":"Not Found"}`)}, 9)
	prose := func(q testserver.Question) testserver.Answer {
		if strings.Contains(q.Text, "Which color") {
			return testserver.DefaultAnswer(q)
		}
		return testserver.Answer{Text: "It is a fine image."}
	}
	blind := func(q testserver.Question) testserver.Answer {
		if strings.Contains(q.Text, "Which color") {
			return testserver.Answer{Text: `{"color":"white"}`}
		}
		return testserver.DefaultAnswer(q)
	}
	chatty := func(testserver.Question) testserver.Answer {
		return testserver.Answer{Text: "What a lovely picture, well rendered!"}
	}
	seesInProse := func(q testserver.Question) testserver.Answer {
		if strings.Contains(q.Text, "Which color") {
			return testserver.Answer{Text: "The picture is red."}
		}
		return testserver.DefaultAnswer(q)
	}
	talkative := func(q testserver.Question) testserver.Answer {
		if q.SchemaName == "check_enforced" {
			return testserver.Answer{Text: `{"number": 7}`}
		}
		return testserver.DefaultAnswer(q)
	}
	for name, test := range map[string]struct {
		answer   func(testserver.Question) testserver.Answer
		images   testserver.OpenAIImagesOptions
		fail     []testserver.Fault
		strategy string
		rest     string
		code     int
		says     string
	}{
		"all works":                            {strategy: "reflection", says: "json_schema, enforced"},
		"a schema asked for, not enforced":     {answer: talkative, strategy: "reflection", says: "json_schema, not enforced"},
		"corrections answer 404, needed":       {fail: notFound, strategy: "reflection", code: 1, says: "the run needs corrections, and they fail"},
		"corrections answer 404, not needed":   {fail: notFound, strategy: "noise", says: "no corrections"},
		"a language model that does not see":   {answer: blind, strategy: "reflection", code: 1, says: `does not see the image: for the color of a red square it answered "{\"color\":\"white\"}"`},
		"a language model of prose alone":      {answer: chatty, strategy: "reflection", code: 1, says: `it did not name the color of a red square as JSON: it answered "What a lovely picture, well rendered!"`},
		"a color in prose":                     {answer: seesInProse, strategy: "reflection", says: "did not answer in the form asked for"},
		"a verifier without a usable verdict":  {answer: prose, strategy: "noise", code: 1, says: `there is no JSON object in it: it answered "It is a fine image."`},
		"one seed for all images":              {images: testserver.OpenAIImagesOptions{Constant: true}, strategy: "noise", code: 1, says: "it ignores seeds"},
		"blank images":                         {images: testserver.OpenAIImagesOptions{Blank: true}, strategy: "noise", code: 1, says: "blank"},
		"a reflector that lacks findings":      {rest: "verifiers: {yes: {type: yes-no, endpoint: vlm}}\nsearch: {budget: 8, strategy: reflection}\n", code: 1, says: "verifiers.yes: it gives no findings"},
		"no findings, and no corrections":      {rest: "verifiers: {yes: {type: yes-no, endpoint: vlm}}\nsearch: {budget: 8, strategy: noise-prompt}\n", says: "no findings"},
		"no findings, and a reflector of chat": {rest: "verifiers: {yes: {type: yes-no, endpoint: vlm}}\nreflectors: {w: {type: chat, endpoint: vlm}}\nsearch: {budget: 8}\n", says: "no findings"},
	} {
		t.Run(name, func(t *testing.T) {
			vlm := testserver.NewChat(t, testserver.ChatOptions{Answer: test.answer})
			test.images.Dialect = "vllm-omni"
			images := testserver.NewOpenAIImages(t, test.images)
			images.Fail("POST /v1/images/edits", test.fail...)
			rest := test.rest
			if rest == "" {
				rest = fmt.Sprintf(askedParts, test.strategy)
			}
			if code, said := runCheck(t, vlm, images, rest); code != test.code || !strings.Contains(said, test.says) {
				t.Errorf("exit code %d, want %d and %q:\n%s", code, test.code, test.says, said)
			}
		})
	}
}

// A verifier without findings whose reflector needs them is refused before anything is
// paid: nothing is asked, and no folder is made.
func TestGenerateRefusesReflectionWithoutFindings(t *testing.T) {
	vlm := testserver.NewChat(t, testserver.ChatOptions{})
	t.Chdir(deployed(t, fmt.Sprintf("endpoints: {vlm: {url: %q, model: double-1, cache: none}}\nverifiers: {yes: {type: yes-no, endpoint: vlm}}\nparsers: {p: {type: chat, endpoint: vlm}}\n", vlm.URL)))
	code, _, said := here(t, "generate", "a clock", "--config", "config.yaml", "--out", "run")
	if _, err := os.Stat("run"); code != 2 || vlm.Requests() != 0 || err == nil || !strings.Contains(said, "config.yaml: line 2: verifiers.yes: it gives no findings") || strings.Count(said, "\n") != 1 {
		t.Errorf("exit code %d, %d requests: %s", code, vlm.Requests(), said)
	}
}
