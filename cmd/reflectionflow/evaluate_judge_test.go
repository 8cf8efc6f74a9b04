package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow/geneval"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/testserver"
)

// suite has prompts of our own in the form of geneval2_data.jsonl.
const suite = `{"prompt": "a tin robot", "atom_count": 2, "vqa_list": [["How many robots are in the image?", "one"], ["Is the robot tin?", "Yes"]], "skills": ["count", "attribute"]}
{"prompt": "a glass owl", "atom_count": 3, "vqa_list": [["How many owls are in the image?", "one"], ["Is the owl glass?", "Yes"]], "skills": ["count", "attribute"]}
`

// seeing is a vision-language model that knows the images of the self-test and answers with
// a probability; it sees the robot of the suite everywhere.
func seeing(t *testing.T, yes float64) func(testserver.Question) testserver.Answer {
	t.Helper()
	known, err := assemble.KnownPhotographs()
	if err != nil {
		t.Fatal(err)
	}
	truths := map[string]string{} // answers to the questions of right images
	pixels := map[string]bool{}
	for _, k := range known {
		pixels[pixelsOf(k.Image)] = true
		questions, err := k.Metadata.Asked()
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range questions {
			if k.Right {
				truths[pixelsOf(k.Image)+q.Text] = q.Answer
			}
		}
	}
	return func(q testserver.Question) testserver.Answer {
		if q.TopLogprobs != 20 || q.MaxTokens != 1 {
			return testserver.DefaultAnswer(q)
		}
		p, word := yes, "Yes"
		if strings.HasPrefix(q.Text, "How many") {
			word = "one"
		}
		if shown := pixelsOf(q.Images[0]); pixels[shown] {
			question, _ := strings.CutSuffix(q.Text, " Answer in one word.")
			var seen bool
			if word, seen = truths[shown+question]; !seen && !strings.Contains(q.Text, "robot") && !strings.Contains(q.Text, "owl") {
				word = "No"
			} else if !seen {
				word = map[bool]string{true: "one", false: "Yes"}[strings.HasPrefix(q.Text, "How many")]
			}
		}
		if strings.Contains(q.Text, "owl") {
			p = .25
		}
		return testserver.Answer{Text: word, Tokens: [][]testserver.Alternative{{{Token: word, Logprob: math.Log(p)}, {Token: "Maybe", Logprob: math.Log(1 - p)}}}}
	}
}

func TestEvaluateByVLM(t *testing.T) {
	t.Chdir(t.TempDir())
	images := testserver.NewOpenAIImages(t, testserver.OpenAIImagesOptions{Dialect: "vllm-omni"})
	judge := testserver.NewChat(t, testserver.ChatOptions{Answer: seeing(t, .9)})
	other := testserver.NewChat(t, testserver.ChatOptions{})
	text := "endpoints:\n  sage: {url: " + judge.URL + ", model: double-1, cache: none}\n  seer: {url: " + other.URL + ", model: double-1, cache: none}\n" +
		"generators: {g: {type: remote, url: 'openai+" + images.URL + "?dialect=vllm-omni', size: 64, steps: 2}}\n" +
		"verifiers: {v: {type: yes-no, endpoint: VERIFIER}}\nreflectors: {r: {type: chat, endpoint: seer}}\nrefiners: {f: {type: chat, endpoint: seer}}\n" +
		"judges: {j: {type: vlm, endpoint: sage}}\nuse: {parser: none}\n"
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("c.yaml", strings.Replace(text, "VERIFIER", "seer", 1))
	write("same.yaml", strings.Replace(text, "VERIFIER", "sage", 1))
	write("suite.jsonl", suite)
	args := []string{"evaluate", "--strategies", "noise", "--budgets", "1", "--prompts", "suite.jsonl", "--json"}
	code, said, complained := here(t, append(args, "--config", "c.yaml", "--judge", "vlm", "--out", "e")...)
	if code != 0 || !strings.Contains(complained, "self-test: the judge agrees on 7 of 7 right scenes and on 10 of 10 flawed ones") || strings.Contains(complained, "warning") {
		t.Fatalf("exit code %d: %s", code, complained)
	}
	var s geneval.Summary
	if err := json.Unmarshal([]byte(said), &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Soft) != 1 || math.Abs(s.Soft[0].Geometric.Mean-(.9+.25)/2) > 1e-3 || s.By.Name != "vlm" || s.By.Shared != "" {
		t.Errorf("%+v", s)
	}
	if data, err := os.ReadFile("e/noise-1/score_lists.json"); err != nil || !strings.HasPrefix(string(data), "[[0.9") {
		t.Errorf("%s, %v", data, err)
	}
	// The model that guides the search judges too: every report says so.
	if code, _, complained := here(t, append(args, "--config", "same.yaml", "--judge", "j", "--out", "s")...); code != 0 || !strings.Contains(complained, "warning: the judge is also the verifier of the search (double-1 at http") {
		t.Errorf("exit code %d: %s", code, complained)
	}
	for _, name := range []string{"s/report.html", "s/report.md", "s/summary.json", "s/evaluation.json"} {
		if data, err := os.ReadFile(name); err != nil || !strings.Contains(string(data), judge.URL) || strings.HasPrefix(name, "s/report") && !strings.Contains(string(data), "are the same network") {
			t.Errorf("%s does not say that the judge is the verifier: %v", name, err)
		}
	}
	for name, c := range map[string]struct {
		answer func(testserver.Question) testserver.Answer
		reject []string
		says   string
	}{
		"yes to everything":    {func(testserver.Question) testserver.Answer { return always("Yes") }, nil, "not fit to score with"},
		"no log-probabilities": {nil, []string{"logprobs"}, "returns no log-probabilities"},
		"refusals": {func(testserver.Question) testserver.Answer {
			return testserver.Answer{Refusal: "I cannot look at people."}
		}, nil, "not fit to score with"},
	} {
		bad := testserver.NewChat(t, testserver.ChatOptions{Answer: c.answer, Reject: c.reject})
		write("bad.yaml", strings.Replace(strings.Replace(text, "VERIFIER", "seer", 1), judge.URL, bad.URL, 1))
		if code, _, complained := here(t, append(args, "--config", "bad.yaml", "--judge", "vlm", "--out", "b")...); code == 0 || !strings.Contains(complained, c.says) {
			t.Errorf("%s: exit code %d: %s", name, code, complained)
		}
	}
	mute := testserver.NewChat(t, testserver.ChatOptions{Reject: []string{"logprobs"}})
	write("mute.yaml", strings.Replace(strings.Replace(text, "VERIFIER", "seer", 1), judge.URL, mute.URL, 1))
	if code, table, _ := here(t, "config", "check", "--generate=false", "mute.yaml"); code == 0 || !strings.Contains(table, "it returns no log-probabilities, which the judge j needs") {
		t.Errorf("a check without log-probabilities: exit code %d: %s", code, table)
	}
	for says, more := range map[string][]string{
		"use --judge vlm":           {"--judge", "coco", "--out", "x"},
		"embedded knows clip-art":   {"--judge", "embedded", "--out", "x"},
		`there is no judge "other"`: {"--judge", "other", "--out", "x"},
	} {
		t.Setenv("FAKE_JUDGE", "good")
		if code, _, complained := here(t, append(append(args, "--config", "c.yaml"), more...)...); code != 2 || !strings.Contains(complained, says) {
			t.Errorf("%v: exit code %d: %s", more, code, complained)
		}
	}
}

// always is a model that gives one answer with certainty.
func always(word string) testserver.Answer {
	return testserver.Answer{Text: word, Tokens: [][]testserver.Alternative{{{Token: word}}}}
}

// Images that exist are judged: by file of paths and in GenEval's layout. A missing one is an
// error.
func TestEvaluateImages(t *testing.T) {
	t.Chdir(t.TempDir())
	known, err := geneval.KnownPhotos()
	if err != nil {
		t.Fatal(err)
	}
	save := func(name string, img image.Image) {
		t.Helper()
		var data bytes.Buffer
		if err := errors.Join(png.Encode(&data, img), os.MkdirAll(filepath.Dir(name), 0o755)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, data.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	judge := testserver.NewChat(t, testserver.ChatOptions{Answer: seeing(t, .8)})
	write("c.yaml", "endpoints: {sage: {url: '"+judge.URL+"', model: double-1, cache: none}}\nuse: {parser: none}\n")
	write("suite.jsonl", suite)
	save("made/robot.png", known[0].Image)
	write("made/paths.json", `{"a tin robot": "robot.png", "a glass owl": "owl.png"}`)
	args := []string{"evaluate", "images", "made/paths.json", "--prompts", "suite.jsonl", "--judge", "vlm", "--config", "c.yaml", "--out", "e", "--json"}
	if code, _, said := here(t, args...); code != 2 || !strings.Contains(said, `1 of 2 are missing, the first for the prompt "a glass owl" (owl.png)`) {
		t.Fatalf("exit code %d: %s", code, said)
	}
	save("made/owl.png", known[0].Image)
	code, out, said := here(t, args...)
	var s geneval.Summary
	if code != 0 || json.Unmarshal([]byte(out), &s) != nil || len(s.Soft) != 1 || math.Abs(s.Soft[0].Geometric.Mean-(.8+.25)/2) > 1e-6 {
		t.Fatalf("exit code %d: %s%s", code, out, said)
	}
	if data, err := os.ReadFile("e/images-1/score_lists.json"); err != nil || strings.Count(string(data), "[") != 3 {
		t.Errorf("%s, %v", data, err)
	}
	// GenEval's layout, two images per prompt, by the photo detector.
	write("meta.jsonl", `{"tag":"single_object","include":[{"class":"cat","count":1}],"prompt":"a photo of a cat"}`+"\n"+
		`{"tag":"single_object","include":[{"class":"cup","count":1}],"prompt":"a photo of a cup"}`+"\n")
	save("all/00000/samples/0000.png", known[0].Image) // the cat
	save("all/00000/samples/0001.png", known[8].Image) // a person
	save("all/00001/samples/0000.png", known[4].Image) // the cup
	save("all/00001/samples/0001.png", known[4].Image)
	if code, out, said = here(t, "evaluate", "images", "all", "--prompts", "meta.jsonl", "--out", "f", "--json"); code != 0 || json.Unmarshal([]byte(out), &s) != nil || s.Rows[0].Overall != .75 || s.Samples != 2 {
		t.Errorf("exit code %d: %s%s", code, out, said)
	}
	for says, args := range map[string][]string{
		"--prompts is missing":    {"all"},
		"images: stat nowhere":    {"nowhere", "--prompts", "meta.jsonl"},
		"no JSON object":          {"meta.jsonl", "--prompts", "meta.jsonl"},
		"1 of 2 are missing":      {"few", "--prompts", "meta.jsonl"},
		"need a judge of this":    {"all", "--prompts", "meta.jsonl", "--judge", "external"},
		"embedded knows clip-art": {"all", "--prompts", "meta.jsonl", "--judge", "embedded"},
	} {
		save("few/00000/samples/0000.png", known[0].Image)
		t.Setenv("FAKE_JUDGE", "good")
		if code, _, said := here(t, append(append([]string{"evaluate", "images"}, args...), "--out", "x")...); code != 2 || !strings.Contains(said, says) {
			t.Errorf("%v: exit code %d: %s", args, code, said)
		}
	}
}
