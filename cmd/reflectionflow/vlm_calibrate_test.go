package main

import (
	"encoding/json"
	"fmt"
	"image/png"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/testserver"
	"reflectionflow/verifier"
)

// panel is a configuration whose ensemble has a model that looks, one that says yes to
// everything, and one that guesses.
const panel = `
endpoints:
  honest: {url: "%s", model: double-1, cache: cache, concurrency: 1}
  yes-man: {url: "%s", model: double-1, cache: cache, concurrency: 1}
  guess: {url: "%s", model: double-1, cache: cache, concurrency: 1}
generators: {sd: {type: remote, url: "sdcpp+%s", size: 64, steps: 4}}
verifiers:
  looks: {type: chat, endpoint: honest, calibration: looks.json}
  agrees: {type: chat, endpoint: yes-man, calibration: agrees.json}
  guesses: {type: yes-no, endpoint: guess, per_requirement: true, calibration: guesses.json}
  all: {type: ensemble, method: reliability, members: [{verifier: looks}, {verifier: agrees}, {verifier: guesses}]}
use: {verifier: all}
search: {strategy: noise, budget: 4, early_stop: false}
`

// TestEnsembleByReliability: from a labeled set, calibrate unmasks the model that says yes
// to everything and the one that guesses; the ensemble gives them no weight, and its
// verdicts are those of the model that looks, kind by kind.
func TestEnsembleByReliability(t *testing.T) {
	sees := func(q testserver.Question) testserver.Answer {
		s := shade(q.Images[0])
		if paired(q) {
			return lean(q)
		}
		return verdicts(q, 5, func(question string) bool {
			if strings.Contains(question, "cinematic") { // it cannot judge styles
				return q.N%2 == 0
			}
			return s > 127 || !strings.Contains(question, "riding") && s > 60
		})
	}
	honest := testserver.NewChat(t, testserver.ChatOptions{Answer: sees})
	yesMan := testserver.NewChat(t, testserver.ChatOptions{Answer: func(q testserver.Question) testserver.Answer {
		if paired(q) {
			return always("First")
		}
		return verdicts(q, 10, func(string) bool { return true })
	}})
	random := rand.New(rand.NewPCG(7, 7))
	guess := testserver.NewChat(t, testserver.ChatOptions{Answer: func(testserver.Question) testserver.Answer {
		return always([]string{"Yes", "No"}[random.IntN(2)])
	}})
	sd := testserver.NewSDCPP(t)
	t.Chdir(deployed(t, fmt.Sprintf(panel, honest.URL, yesMan.URL, guess.URL, sd.URL)))
	var lines strings.Builder
	for i := range 48 {
		red := uint8(5*i + 5)
		f, err := os.Create(fmt.Sprintf("%d.png", i))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, flatImage(red, uint64(i))); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		there, rides, style := red > 60, red > 127, i%3 == 0
		line, err := json.Marshal(map[string]any{"image": fmt.Sprintf("%d.png", i), "prompt": ride, "right": rides && style, "met": []bool{there, there, rides, style}})
		if err != nil {
			t.Fatal(err)
		}
		lines.Write(append(line, '\n'))
	}
	if err := os.WriteFile("labels.jsonl", []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	code, table, complained := here(t, "verifiers", "calibrate", "--config", "config.yaml", "--labels", "labels.jsonl", "--quiet", "--pairs", "6")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, complained)
	}
	for _, want := range []string{
		"warning: agrees says yes to everything for at_least", "warning: agrees says yes to everything for interaction",
		"warning: looks tells nothing about style", "warning: guesses tells nothing about at_least",
		"of agrees: of a right and a wrong image it prefers the right one in 50%", "contradicts itself in 6",
		"Reliability diagram of looks: ",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("the table lacks %q", want)
		}
	}
	weights := map[string]verifier.Calibration{}
	for _, name := range []string{"looks", "agrees", "guesses"} {
		c, err := calibrationIn(name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		weights[name] = c
	}
	for kind, c := range weights["agrees"].Kinds {
		if c.Weight != 0 {
			t.Errorf("agrees has the weight %v for %s", c.Weight, kind)
		}
	}
	if k := weights["looks"].Kinds[reflectionflow.Interaction]; k.Weight < .9 {
		t.Errorf("looks has the weight %v for interactions", k.Weight)
	}
	// The same questions are not asked again.
	_, kinds, _ := strings.Cut(table, "AUC: how often")
	before := honest.Requests() + yesMan.Requests() + guess.Requests()
	if code, again, _ := here(t, "verifiers", "calibrate", "--config", "config.yaml", "--labels", "labels.jsonl", "--quiet", "--pairs", "6"); code != 0 || strings.Contains(again, "tokens") || !strings.HasSuffix(again, kinds) || honest.Requests()+yesMan.Requests()+guess.Requests() != before {
		t.Errorf("again: exit code %d and %d more questions:\n%s", code, honest.Requests()+yesMan.Requests()+guess.Requests()-before, again)
	}
	code, said, complained := here(t, "generate", ride, "--config", "config.yaml", "--out", "run")
	if code != 0 || !strings.Contains(said, "unjudged style: cinematic") {
		t.Fatalf("exit code %d: %s%s", code, said, complained)
	}
	data, err := os.ReadFile("run/candidates.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var c reflectionflow.Candidate
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatal(err)
		}
		img, err := readImage(fmt.Sprintf("run/images/%04d.png", c.ID))
		if err != nil {
			t.Fatal(err)
		}
		s := shade(img)
		for i, met := range []bool{s > 60, s > 60, s > 127} {
			want := map[bool]reflectionflow.Verdict{true: reflectionflow.Met, false: reflectionflow.NotMet}[met]
			if f := c.Score.Requirements[i]; f.Verdict != want {
				t.Errorf("image %d of shade %d: %s is %s with %.2f", c.ID, s, f.Requirement, f.Verdict, f.Confidence)
			}
		}
		if f := c.Score.Requirements[3]; f.Verdict != reflectionflow.Unsure || !f.Unjudged {
			t.Errorf("image %d: the style is %+v, which no member can judge", c.ID, f)
		}
	}
	if dir := os.Getenv("VLM_KEEP"); dir != "" {
		for _, name := range []string{"looks.svg", "agrees.svg", "guesses.svg", "run/report.html"} {
			data, err := os.ReadFile(name)
			if err == nil {
				err = os.WriteFile(dir+"/"+strings.ReplaceAll(name, "/", "-"), data, 0o600)
			}
			t.Log(name, err)
		}
	}
}
