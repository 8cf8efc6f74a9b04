package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"reflectionflow/internal/testserver"
)

// tied is a configuration whose verifier finds the same in every image, with a comparer.
const tied = `
endpoints:
  vlm: {url: "%s", model: double-1, cache: none, concurrency: 1, price: {per_call: 0.01}}
generators: {sd: {type: remote, url: "sdcpp+%s", size: 64, steps: 4}}
verifiers: {asked: {type: yes-no, endpoint: vlm, per_requirement: true}}
comparers: {pairs: {type: chat, endpoint: vlm}}
search: {strategy: noise, budget: 4, early_stop: false}
`

// paired reports a question that compares two images.
func paired(q testserver.Question) bool {
	return len(q.Images) == 2 && strings.Contains(q.Text, "Answer in one word: First or Second.")
}

// lean is a model that sees no difference between verdicts, and prefers the image with more
// red in its first pixel.
func lean(q testserver.Question) testserver.Answer {
	if !paired(q) {
		return always("Yes")
	}
	a, _, _, _ := q.Images[0].At(0, 0).RGBA()
	b, _, _, _ := q.Images[1].At(0, 0).RGBA()
	first, second := testserver.Alternative{Token: "First", Logprob: math.Log(.8)}, testserver.Alternative{Token: "Second", Logprob: math.Log(.2)}
	if a < b {
		first.Logprob, second.Logprob = second.Logprob, first.Logprob
	}
	return testserver.Answer{Text: "First", Tokens: [][]testserver.Alternative{{first, second}}}
}

// From a configuration file, a search whose images are equal for the verifier takes the one
// that the model prefers, and tells so in summary, report and record. A server that fails in
// the middle ends it; resumed, no answer is asked for twice.
func TestComparerChoosesAmongEquals(t *testing.T) {
	sd := testserver.NewSDCPP(t)
	vlm := testserver.NewChat(t, testserver.ChatOptions{Answer: lean})
	t.Chdir(deployed(t, fmt.Sprintf(tied, vlm.URL, sd.URL)))
	args := []string{"generate", "a clock and a cup", "--config", "config.yaml", "--out"}
	code, said, complained := here(t, append(args, "whole")...)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, complained)
	}
	best, red := -1, uint32(0)
	for i := range 4 {
		img, err := readImage(fmt.Sprintf("whole/images/%04d.png", i))
		if err != nil {
			t.Fatal(err)
		}
		if r, _, _, _ := img.At(0, 0).RGBA(); best < 0 || r > red {
			best, red = i, r
		}
	}
	want := fmt.Sprintf("4 images have the same score; image %d was chosen by 3 comparisons of pairs", best)
	if !strings.Contains(said, "  chosen   "+want) || !strings.Contains(said, fmt.Sprintf("best     image %d", best)) {
		t.Errorf("it does not say %q:\n%s", want, said)
	}
	if !strings.Contains(complained, fmt.Sprintf("4 images have the same score: image %d chosen by 3 comparisons of pairs", best)) {
		t.Errorf("progress:\n%s", complained)
	}
	report, err := os.ReadFile("whole/report.html")
	if err != nil || !strings.Contains(string(report), want) {
		t.Errorf("the report does not: %v", err)
	}
	compared := 0
	for _, q := range vlm.Questions() {
		if paired(q) {
			compared++
		}
	}
	if compared != 6 || best == 0 {
		t.Fatalf("%d questions about pairs, best %d", compared, best)
	}
	record, err := os.ReadFile("whole/comparisons.jsonl")
	if err != nil {
		t.Fatal(err)
	}

	// The second answer of the second pair is an HTML page.
	asked := vlm.Requests()
	for range asked - 3 {
		vlm.Fail(nil)
	}
	vlm.Fail(testserver.HTML())
	code, _, complained = here(t, append(args, "part")...)
	if code != 1 || !strings.Contains(complained, "compare candidates") || !strings.Contains(complained, "--resume part") {
		t.Fatalf("exit code %d: %s", code, complained)
	}
	if data, err := os.ReadFile("part/comparisons.jsonl"); err != nil || strings.Count(string(data), "\n") != 1 {
		t.Errorf("kept: %s, %v", data, err)
	}
	code, said, complained = here(t, "generate", "--resume", "part", "--json")
	var sum struct {
		Best, Compared int
		Cost           struct{ Money float64 }
	}
	if err := json.Unmarshal([]byte(said), &sum); code != 0 || err != nil || sum.Best != best || sum.Compared != 3 {
		t.Fatalf("exit code %d: %s%s", code, said, complained)
	}
	if again, err := os.ReadFile("part/comparisons.jsonl"); err != nil || len(strings.Split(string(again), "\n")) != len(strings.Split(string(record), "\n")) {
		t.Errorf("%v: %s", err, again)
	}
	// One answer was lost, and only that one is asked for again.
	if n := vlm.Requests() - asked; n != asked+1 {
		t.Errorf("%d requests, want %d", n, asked+1)
	}
	if math.Abs(sum.Cost.Money-.01*float64(asked)) > .0101 {
		t.Errorf("it cost %v for %d answers", sum.Cost.Money, asked)
	}
}

// What is wrong with a comparer is one line.
func TestComparerConfiguration(t *testing.T) {
	for text, says := range map[string]string{
		"comparers: {pairs: {type: coco}}": `comparers.pairs: type "coco": use chat`,
		"comparers: {pairs: {type: chat}}": `endpoint "" is not among the endpoints`,
		"use: {comparer: pairs}":           `use.comparer: there is no "pairs"`,
		"comparers: {a: {type: chat, endpoint: vlm}, b: {type: chat, endpoint: vlm}}":  "use.comparer: there are several: name one of a, b",
		"comparers: {a: {type: chat, endpoint: vlm, prompt: x}}":                       `unknown key "prompt"`,
		"verifiers: {v: {type: chat, endpoint: vlm, crops: dino}}\nuse: {verifier: v}": `verifiers.v.crops: no detector is called "dino": use coco`,
	} {
		t.Chdir(deployed(t, "endpoints: {vlm: {url: 'http://127.0.0.1:1/v1'}}\n"+text+"\n"))
		code, _, said := here(t, "generate", "a clock", "--config", "config.yaml")
		if code != 2 || !strings.Contains(said, says) || strings.Count(said, "\n") != 1 {
			t.Errorf("%s: exit code %d, %s", text, code, said)
		}
	}
}
