package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/geneval"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/testserver"
	"reflectionflow/search"
)

// A generator named by its URL alone generates, and the embedded verifier judges. A
// server without seeds marks the run in every record of it.
func TestGeneratorURL(t *testing.T) {
	comfy, err := filepath.Abs("../../internal/remote/testdata/draw.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, url string
		seeded    bool
	}{
		{"sdcpp", "sdcpp+" + testserver.NewSDCPP(t).URL, true},
		{"a1111", "a1111+" + testserver.NewA1111(t, testserver.A1111Options{}).URL, true},
		{"mute a1111", "a1111+" + testserver.NewA1111(t, testserver.A1111Options{NoInfo: true}).URL, false},
		{"vllm-omni", "openai+" + testserver.NewOpenAIImages(t, testserver.OpenAIImagesOptions{Dialect: "vllm-omni"}).URL + "?model=q&dialect=vllm-omni", true},
		{"openai", "openai+" + testserver.NewOpenAIImages(t, testserver.OpenAIImagesOptions{}).URL + "?model=gpt-image-2", false},
		{"comfyui", "comfyui+" + testserver.NewComfyUI(t).URL + "?workflow=draw.json", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if err := os.Symlink(comfy, "draw.json"); err != nil {
				t.Fatal(err)
			}
			code, said, complained := here(t, "generate", "a clock and a cup", "--generator", tt.url, "--strategy", "noise",
				"--size", "64", "--steps", "4", "--guidance", "1", "--budget", "2", "--early-stop=false", "--out", "run")
			if code != 0 {
				t.Fatalf("exit code %d: %s", code, complained)
			}
			for file, mark := range map[string]string{"run.json": `"not_reproducible": true`, "candidates.jsonl": `"unseeded":true`, "report.html": "cannot be reproduced"} {
				data, err := os.ReadFile(filepath.Join("run", file))
				if err != nil || strings.Contains(string(data), mark) == tt.seeded {
					t.Errorf("%s (%v) with %q, seeded %t", file, err, mark, tt.seeded)
				}
			}
			if strings.Contains(said, "cannot be reproduced") == tt.seeded {
				t.Errorf("it said:\n%s", said)
			}
			// The record alone is enough to resume, and names the generator.
			if err := os.Remove("run/result.json"); err != nil {
				t.Fatal(err)
			}
			code, said, complained = here(t, "generate", "--resume", "run", "--json")
			var summary struct{ Reproducible bool }
			if err := json.Unmarshal([]byte(said), &summary); code != 0 || err != nil || summary.Reproducible != tt.seeded {
				t.Errorf("resumed: exit code %d, %v: %s%s", code, err, said, complained)
			}
		})
	}
}

// The image files and the report name the model that the server reports, else the host.
func TestGeneratorURLNamesModel(t *testing.T) {
	for _, reported := range []string{"", "flux.1-dev"} {
		double := testserver.NewSDCPP(t)
		double.SetModel(reported)
		t.Chdir(t.TempDir())
		code, _, complained := here(t, "generate", "a clock", "--generator", "sdcpp+"+double.URL, "--strategy", "noise",
			"--size", "64", "--steps", "4", "--guidance", "1", "--budget", "2", "--early-stop=false", "--out", "run")
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, complained)
		}
		host := strings.TrimPrefix(double.URL, "http://")
		name, shown := host, host
		if reported != "" {
			name, shown = reported, reported+" ("+host+")"
		}
		for file, want := range map[string]string{"images/0001.png": "tEXtmodel\x00" + name, "report.html": "<dd>" + shown + "</dd>"} {
			data, err := os.ReadFile(filepath.Join("run", file))
			if err != nil || !strings.Contains(string(data), want) {
				t.Errorf("%s (%v) does not say %q", file, err, want)
			}
		}
	}
}

// --generator takes the place of the configuration's own generator; what cannot be
// used is one line.
func TestGeneratorURLAndConfig(t *testing.T) {
	sd, vlm := testserver.NewSDCPP(t), testserver.NewChat(t, testserver.ChatOptions{Key: key})
	t.Chdir(deployed(t, strings.Replace(judgedByChat, "%s", vlm.URL, 1)))
	code, _, complained := here(t, "generate", "a clock and a cup", "--config", "config.yaml", "--generator", "sdcpp+"+sd.URL, "--size", "64", "--steps", "4",
		"--strategy", "noise", "--budget", "1", "--out", "run")
	if code != 0 || len(sd.Generated()) != 1 || vlm.Requests() == 0 {
		t.Errorf("exit code %d, %d images, %d questions: %s", code, len(sd.Generated()), vlm.Requests(), complained)
	}
	for url, says := range map[string]string{
		"sdcpp+" + sd.URL + "?key=hidden":  "a secret does not belong into a URL",
		"sdcpp+" + sd.URL + "?tempo=1":     `parameter "tempo"`,
		"http://localhost:1":               "must begin with openai+http://",
		"comfyui+http://localhost:1":       "workflow=FILE",
		"sdcpp+http://me:hidden@localhost": "has a user or password",
	} {
		code, _, complained := here(t, "generate", "a clock", "--generator", url, "--out", "x")
		if code != 2 || !strings.Contains(complained, says) || strings.Contains(complained, "hidden") || strings.Count(complained, "\n") != 1 {
			t.Errorf("%s: exit code %d, %q, want %q", url, code, complained, says)
		}
	}
	if _, err := os.Stat("x"); err == nil {
		t.Error("a run that could not begin left a folder behind")
	}
}

// What reading the prompt costs is part of what the run costs.
func TestParsingIsPaid(t *testing.T) {
	vlm := testserver.NewChat(t, testserver.ChatOptions{Key: key})
	text := strings.Replace(judgedByChat, "%s", vlm.URL, 1) + "parsers: {asked: {type: chat, endpoint: vlm}}\n"
	t.Chdir(deployed(t, text))
	if code, _, complained := here(t, "generate", "a clock and a cup", "--config", "config.yaml", "--budget", "1", "--out", "run"); code != 0 {
		t.Fatalf("exit code %d: %s", code, complained)
	}
	var manifest struct{ Parsing reflectionflow.Cost }
	var result struct{ Cost reflectionflow.Cost }
	for file, into := range map[string]any{"run/run.json": &manifest, "run/result.json": &result} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, into); err != nil {
			t.Fatal(err)
		}
	}
	if manifest.Parsing.TokensIn != 100 || result.Cost.TokensIn != 100*vlm.Requests() {
		t.Errorf("parsing cost %+v, the run %+v for %d questions", manifest.Parsing, result.Cost, vlm.Requests())
	}
}

// An evaluation searches with the parts of a configuration and is judged by the
// embedded judge.
func TestEvaluateConfig(t *testing.T) {
	vlm := testserver.NewChat(t, testserver.ChatOptions{Key: key})
	t.Chdir(deployed(t, strings.Replace(judgedByChat, "%s", vlm.URL, 1)))
	t.Setenv("FAKE_JUDGE", "good")
	args := []string{"evaluate", "--limit", "2", "--budgets", "1,2", "--strategies", "noise", "--seed", "1", "--config", "config.yaml", "--out", "e"}
	code, said, complained := here(t, args...)
	if code != 0 || !strings.Contains(said, "| noise") || vlm.Requests() != 4 {
		t.Errorf("exit code %d after %d questions: %s%s", code, vlm.Requests(), said, complained)
	}
	if code, _, complained := here(t, append(args, "--seed", "3")...); code != 2 {
		t.Errorf("another seed in the same folder: exit code %d: %s", code, complained)
	}
	if code, _, _ := here(t, args...); code != 0 || vlm.Requests() != 4 {
		t.Errorf("again: exit code %d after %d questions", code, vlm.Requests())
	}
	images := testserver.NewOpenAIImages(t, testserver.OpenAIImagesOptions{Dialect: "vllm-omni"})
	code, _, complained = here(t, "evaluate", "--limit", "1", "--budgets", "1", "--strategies", "noise", "--size", "32", "--steps", "2", "--out", "g",
		"--generator", "openai+"+images.URL+"?dialect=vllm-omni")
	if code != 0 || len(images.Generated()) != 1 {
		t.Errorf("by URL: exit code %d, %d images: %s", code, len(images.Generated()), complained)
	}
}

// A configuration's settings of the search hold for an evaluation too: its strategy at
// its budget is what is compared, unless flags say otherwise. What evaluations have no
// use for is refused in one line.
func TestEvaluateSearchSettings(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("FAKE_JUDGE", "good")
	evaluate := func(settings string, more ...string) (code int, rows []string, complained string) {
		t.Helper()
		if err := os.WriteFile("c.yaml", []byte("use: {generator: embedded}\nsearch: {"+settings+"}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		args := append([]string{"evaluate", "--limit", "1", "--difficulty", "0", "--config", "c.yaml", "--json", "--out", "e"}, more...)
		code, said, complained := here(t, args...)
		var summary geneval.Summary
		if code == 0 {
			if err := json.Unmarshal([]byte(said), &summary); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range summary.Rows {
			rows = append(rows, fmt.Sprintf("%s %d: %.0f", r.Strategy, r.Budget, r.Cost.DenoiseSteps))
		}
		if err := os.RemoveAll("e"); err != nil {
			t.Fatal(err)
		}
		return code, rows, complained
	}
	for settings, want := range map[string]string{
		"strategy: noise-prompt, budget: 3, steps: 2":                "noise-prompt 3: 6",
		"strategy: adaptive, budget: '2', early_stop: false":         "adaptive 2: 8",
		"budget: 4, width: 2, depth: 1, batch: 1":                    "noise 4: 8,reflection 4: 8",
		"strategy: noise, budget: 2, seed: 4, guidance: 2, width: 1": "noise 2: 8",
	} {
		if code, rows, complained := evaluate(settings); code != 0 || strings.Join(rows, ",") != want {
			t.Errorf("%s: exit code %d, %v, want %s: %s", settings, code, rows, want, complained)
		}
	}
	if code, rows, complained := evaluate("strategy: adaptive, budget: 9", "--strategies", "noise", "--budgets", "1,2"); code != 0 || strings.Join(rows, ",") != "noise 1: 4,noise 2: 8" {
		t.Errorf("flags: exit code %d, %v: %s", code, rows, complained)
	}
	for settings, says := range map[string]string{
		"axes: [noise, reflection]": "c.yaml: line 2: search.axes: ",
		"budget: 90s":               `c.yaml: line 2: search.budget: "90s": strategies are compared at budgets of images`,
		"budget: '8,90s'":           "budgets of images",
		"budget: 0":                 "budgets [0]",
		"strategy: luck":            `unknown strategy "luck"`,
	} {
		if code, _, complained := evaluate(settings); code != 2 || !strings.Contains(complained, says) || strings.Count(complained, "\n") != 1 {
			t.Errorf("%s: exit code %d, %q, want %q", settings, code, complained, says)
		}
	}
}

// A prompt that is left without requirements is refused before anything is generated where
// an embedded part that the search needs could not go by it, and by those alone.
func TestPromptsWithoutRequirements(t *testing.T) {
	vlm := testserver.NewChat(t, testserver.ChatOptions{Key: key, Answer: func(q testserver.Question) testserver.Answer {
		if q.SchemaName == "requirements" {
			return testserver.Answer{Text: `{"requirements": []}`}
		}
		return testserver.DefaultAnswer(q)
	}})
	images := testserver.NewSDCPP(t)
	parts := fmt.Sprintf(`
endpoints: {vlm: {url: "%s", model: double-1, key_env: TEST_KEY, cache: none}}
generators: {sd: {type: remote, url: "sdcpp+%s", size: 64, steps: 2}}
search: {budget: 2, early_stop: false}
`, vlm.URL, images.URL)
	const judge, words, asked, none = "verifiers: {seen: {type: chat, endpoint: vlm}}\n", "reflectors: {words: {type: chat, endpoint: vlm}}\n",
		"parsers: {asked: {type: chat, endpoint: vlm}}\n", "use: {parser: none, refiner: embedded}\n"
	const wordedNone, judgedNone = "use: {parser: none, reflector: embedded, refiner: embedded}\n", "use: {parser: none, verifier: embedded}\n"
	const plain, strange = "a clock", "a dragon of sorrow"
	for name, test := range map[string]struct{ config, strategy, prompt, says string }{
		"reflector":             {judge + wordedNone, "reflection", plain, "the embedded reflector needs requirements, and there are none: use.parser is none"},
		"reflector of adaptive": {judge + wordedNone, "adaptive", plain, "the embedded reflector needs requirements"},
		"reflector, parsed":     {judge + asked + "use: {reflector: embedded, refiner: embedded}\n", "reflection", plain, "parser asked found no requirements"},
		"no reflector needed":   {judge + wordedNone, "noise", strange, ""},
		"refiner":               {judge + words + none, "reflection", strange, "the embedded refiner must read it itself: use.parser is none"},
		"refiner that reads":    {judge + words + none, "reflection", plain, ""},
		"verifier":              {judgedNone, "noise", strange, "the embedded verifier must read it itself: use.parser is none"},
		"verifier, parsed":      {asked + "use: {verifier: embedded}\n", "noise", strange, "the embedded verifier must read it itself: parser asked found no requirements"},
		"verifier that reads":   {judgedNone, "reflection", plain, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(deployed(t, parts+test.config))
			before := len(images.Generated())
			code, _, complained := here(t, "generate", test.prompt, "--config", "config.yaml", "--strategy", test.strategy, "--out", "run", "--quiet")
			generated := len(images.Generated()) - before
			switch _, err := os.Stat("run"); {
			case test.says == "" && (code != 0 || generated != 2):
				t.Errorf("exit code %d, %d images: %s", code, generated, complained)
			case test.says != "" && (code != 2 || generated != 0 || err == nil || !strings.Contains(complained, test.says) || strings.Count(complained, "\n") != 1):
				t.Errorf("exit code %d, %d images: %q, want %q", code, generated, complained, test.says)
			}
		})
	}
}

// The check generates in the size and sampling of the run, and finds settings of the
// search that no run could have.
func TestCheckTriesTheRun(t *testing.T) {
	images := testserver.NewSDCPP(t)
	check := func(settings string) (code int, table, said string) {
		t.Helper()
		t.Chdir(deployed(t, fmt.Sprintf("generators: {sd: {type: remote, url: \"sdcpp+%s\", size: 128, steps: 9}}\nsearch: {%s}\n", images.URL, settings)))
		return here(t, "config", "check", "config.yaml")
	}
	code, table, said := check("size: 96x64, steps: 3, guidance: 2.5, budget: 4")
	if code != 0 || !strings.Contains(table, "96×64") {
		t.Fatalf("exit code %d\n%s%s", code, table, said)
	}
	for _, d := range images.Generated() {
		if d.Width != 96 || d.Height != 64 || d.Steps != 3 || d.Guidance != 2.5 {
			t.Errorf("generated %d×%d in %d steps at %v", d.Width, d.Height, d.Steps, d.Guidance)
		}
	}
	for settings, says := range map[string]string{
		"strategy: wish":                      `unknown strategy "wish"`,
		"strategy: noise, axes: [reflection]": "no reflection axis",
		"budget: none":                        `budget "none"`,
		"size: big":                           "search.size",
	} {
		if code, table, said := check(settings); code != 1 || !strings.Contains(table, says) {
			t.Errorf("%s: exit code %d\n%s%s", settings, code, table, said)
		}
	}
}

// A search that needs a correction or size that its generator cannot serve is refused
// before the first image is paid for.
func TestGeneratorThatCannotServe(t *testing.T) {
	images := testserver.NewOpenAIImages(t, testserver.OpenAIImagesOptions{})
	t.Chdir(deployed(t, fmt.Sprintf("generators: {oa: {type: remote, url: \"openai+%s?model=dall-e-3\"}}\nsearch: {budget: 2, early_stop: false}\n", images.URL)))
	t.Setenv("FAKE_JUDGE", "good")
	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"corrections":          {[]string{"generate", "a clock"}, "config.yaml: line 1: generators.oa: model dall-e-3 cannot correct an image"},
		"size":                 {[]string{"generate", "a clock", "--strategy", "noise", "--size", "512"}, "model dall-e-3 takes the sizes 1024x1024"},
		"an evaluation's":      {[]string{"evaluate", "--strategies", "noise,reflection", "--limit", "1"}, "model dall-e-3 cannot correct an image"},
		"without the axis":     {[]string{"generate", "a clock", "--axes", "noise,prompt"}, ""},
		"without a reflection": {[]string{"generate", "a clock", "--strategy", "noise"}, ""},
	} {
		before := len(images.Generated())
		code, _, said := here(t, append(test.args, "--config", "config.yaml", "--quiet", "--out", "run")...)
		generated := len(images.Generated()) - before
		if test.says == "" && (code != 0 || generated != 2) || test.says != "" && (code != 2 || generated != 0 || !strings.Contains(said, test.says) || strings.Count(said, "\n") != 1) {
			t.Errorf("%s: exit code %d, %d images: %q, want %q", name, code, generated, said, test.says)
		}
		if err := os.RemoveAll("run"); err != nil {
			t.Fatal(err)
		}
	}
}

// Several prompts fill the batch of a generator, those of an evaluation too,
// and no more than a search takes.
func TestSeveralPromptsFillTheGenerator(t *testing.T) {
	for _, test := range []struct{ least, concurrency, want int }{{1, 0, 1}, {4, 0, 4}, {1, 2, 8}, {4, 16, 64}, {4, 1024, search.MaxBatch}} {
		if got := manyBatch(test.least, assemble.Model{Concurrency: test.concurrency}); got != test.want {
			t.Errorf("%+v: got %d", test, got)
		}
	}
	images := testserver.NewOpenAIImages(t, testserver.OpenAIImagesOptions{Dialect: "vllm-omni"})
	t.Chdir(t.TempDir())
	t.Setenv("FAKE_JUDGE", "good")
	for _, args := range [][]string{
		{"generate", "a clock", "a cup", "--strategy", "noise", "--budget", "1"},
		{"evaluate", "--limit", "2", "--strategies", "noise", "--budgets", "1"},
	} {
		before := len(images.Generated())
		args = append(args, "--size", "32", "--steps", "2", "--generator", "openai+"+images.URL+"?dialect=vllm-omni&concurrency=1024", "--quiet", "--out", args[0])
		if code, _, said := here(t, args...); code != 0 || len(images.Generated()) != before+2 {
			t.Errorf("%s: exit code %d, %d images: %s", args[0], code, len(images.Generated())-before, said)
		}
	}
}
