package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/testserver"
	"reflectionflow/verifier"
)

// votes is a configuration with an ensemble of two chat verifiers and the embedded one.
const votes = `
endpoints:
  vlm: {url: "%s", model: double-1, cache: cache, price: {per_call: 0.01}}
verifiers:
  seen: {type: chat, endpoint: vlm, calibration: calibrations/seen.json}
  yes: {type: yes-no, endpoint: vlm, per_requirement: true, calibration: calibrations/yes.json}
  own: {type: embedded, calibration: calibrations/own.json}
  vote: {type: ensemble, method: METHOD, members: [{verifier: seen, weight: 2}, {verifier: yes}, {verifier: own}]}
annotators: {pairs: {type: chat, endpoint: vlm}}
use: {verifier: vote}
search: {budget: 4, early_stop: false, strategy: noise}
`

// labelled makes n labelled images: the embedded verifier of these tests values
// the brighter ones higher, and those are the right ones.
func labelled(t *testing.T, n int) {
	t.Helper()
	var lines strings.Builder
	for i := range n {
		m := image.NewNRGBA(image.Rect(0, 0, 32, 32))
		for p := range 32 * 32 {
			m.Set(p%32, p/32, color.NRGBA{R: uint8(255 * i / n), G: uint8(i), A: 255})
		}
		var data bytes.Buffer
		if err := png.Encode(&data, m); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(fmt.Sprintf("%d.png", i), data.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, `{"image":"%d.png","prompt":"a clock and a cup","right":%t}`+"\n", i, i >= n/2)
	}
	if err := os.WriteFile("labels.jsonl", []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A labelled set calibrates all members of an ensemble, which then votes by mean,
// rank and tournament. Again, nothing is asked.
func TestCalibrate(t *testing.T) {
	vlm := testserver.NewChat(t, testserver.ChatOptions{})
	text := strings.Replace(votes, "%s", vlm.URL, 1)
	t.Chdir(deployed(t, strings.Replace(text, "METHOD", "mean", 1)))
	labelled(t, 40)
	if code, _, said := here(t, "generate", "a clock and a cup", "--config", "config.yaml", "--out", "early"); code != 2 || !strings.Contains(said, "calibration") {
		t.Errorf("without calibrations: exit code %d: %s", code, said)
	}
	calibrate := []string{"verifiers", "calibrate", "--config", "config.yaml", "--labels", "labels.jsonl"}
	code, table, said := here(t, calibrate...)
	if code != 0 || !strings.Contains(said, "own: image 33 of 40") {
		t.Fatalf("exit code %d:\n%s%s", code, table, said)
	}
	for name, auc := range map[string]float64{"own": 1, "seen": -1, "yes": -1} {
		c, err := calibrationIn("calibrations/" + name + ".json")
		if err != nil || c.Verifier != name || c.Examples != 40 || c.Right != 20 || len(c.Reference) != 40 || auc >= 0 && c.AUC != auc {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
		if !strings.Contains(table, name) {
			t.Errorf("%s is not in the table:\n%s", name, table)
		}
	}
	// The double's verdicts are made up: three images have one that rests on no
	// object, which is asked about once more.
	asked := vlm.Requests()
	if asked != 40+80+3 {
		t.Errorf("%d questions about 40 images of two requirements, want 123", asked)
	}
	if code, again, said := here(t, append(calibrate, "--method", verifier.Isotonic, "--quiet")...); code != 0 || vlm.Requests() != asked || said != "" || strings.Contains(again, "cost") {
		t.Errorf("again: exit code %d, %d more questions:\n%s%s", code, vlm.Requests()-asked, again, said)
	}
	for _, method := range []string{"mean", "rank", "tournament"} {
		if err := os.WriteFile("config.yaml", []byte(strings.Replace(text, "METHOD", method, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, said := here(t, "generate", "a clock and a cup", "--config", "config.yaml", "--out", method); code != 0 {
			t.Fatalf("%s: exit code %d: %s", method, code, said)
		}
		data, err := os.ReadFile(method + "/candidates.jsonl")
		if err != nil || strings.Count(string(data), `"detail":"seen `) != 4 || strings.Count(string(data), ", own ") != 4 {
			t.Errorf("%s: %v\n%s", method, err, data)
		}
	}
}

// Without a configuration the embedded verifier is calibrated, and the command says
// what to write where.
func TestCalibrateEmbedded(t *testing.T) {
	t.Chdir(t.TempDir())
	labelled(t, 12)
	code, table, said := here(t, "verifiers", "calibrate", "--labels", "labels.jsonl", "--out", "kept", "--quiet")
	if code != 0 || said != "" || !strings.Contains(table, "1.000") || !strings.Contains(table, "calibration: kept/embedded.calibration.json") {
		t.Errorf("exit code %d:\n%s%s", code, table, said)
	}
	if _, err := calibrationIn("kept/embedded.calibration.json"); err != nil {
		t.Error(err)
	}
	for name, args := range map[string][]string{
		"--labels is missing": {},
		"no such file":        {"--labels", "nowhere.jsonl"},
		"--method":            {"--labels", "labels.jsonl", "--method", "guess"},
		`unknown verifier "other": use one of coco, embedded`: {"--labels", "labels.jsonl", "--verifier", "other"},
		"verifier coco: a calibration needs":                  {"--labels", "all-right.jsonl", "--verifier", "coco"},
		"label 1: \"met\" has 2":                              {"--labels", "met.jsonl"},
		"label 1: open":                                       {"--labels", "gone.jsonl"},
		"0.txt: bad image":                                    {"--labels", "text.jsonl"},
		"needs right and wrong":                               {"--labels", "all-right.jsonl"},
		"line 1":                                              {"--labels", "config.yaml"},
		"unknown object":                                      {"--labels", "unknown.jsonl"},
	} {
		for file, line := range map[string]string{
			"gone.jsonl":      `{"image":"99.png","prompt":"a clock","right":true}`,
			"text.jsonl":      `{"image":"0.txt","prompt":"a clock","right":true}`,
			"all-right.jsonl": `{"image":"0.png","prompt":"a clock","right":true}`,
			"met.jsonl":       `{"image":"0.png","prompt":"a clock","right":true,"met":[true,true]}`,
			"unknown.jsonl":   `{"image":"0.png","prompt":"a flibbertigibbet","right":true}`,
			"0.txt":           "no picture",
			"config.yaml":     "a: b",
		} {
			if err := os.WriteFile(file, []byte(line), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		code, _, said := here(t, append([]string{"verifiers", "calibrate", "--quiet"}, args...)...)
		if code != 2 || strings.Count(said, "\n") != 1 || !strings.Contains(said, name) {
			t.Errorf("%v: exit code %d, %q, want %q", args, code, said, name)
		}
	}
}

// The annotator of a configuration is there for whoever builds data.
func TestAnnotator(t *testing.T) {
	vlm := testserver.NewChat(t, testserver.ChatOptions{})
	c, err := assemble.ParseConfig("f.yaml", []byte(strings.Replace(strings.Replace(votes, "%s", vlm.URL, 1), "METHOD", "mean", 1)), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	annotator, description, err := (&program{}).builder(c).Annotator()
	if err != nil || !strings.Contains(description, "double-1, annotate.v2 sha256:") {
		t.Fatal(description, err)
	}
	white := image.NewGray(image.Rect(0, 0, 8, 8))
	got, err := annotator.Annotate(t.Context(), []reflectionflow.Pair{{Prompt: reflectionflow.Prompt{Text: "a cup"}, First: white, Second: white}})
	if err != nil || len(got) != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
	c.Annotators = nil
	if _, _, err := (&program{}).builder(c).Annotator(); err == nil {
		t.Error("an annotator out of nothing")
	}
}

func calibrationIn(path string) (verifier.Calibration, error) {
	f, err := os.Open(path)
	if err != nil {
		return verifier.Calibration{}, err
	}
	defer f.Close()
	return verifier.ReadCalibration(f)
}

// A model that says yes to everything is named, with the weight of its findings; the
// diagram is written next to the calibration.
func TestCalibrateUnmasksYesToEverything(t *testing.T) {
	vlm := testserver.NewChat(t, testserver.ChatOptions{Answer: func(testserver.Question) testserver.Answer { return always("Yes") }})
	t.Chdir(deployed(t, "endpoints:\n  vlm: {url: '"+vlm.URL+"', model: double-1, cache: none}\nverifiers: {yes: {type: yes-no, endpoint: vlm, per_requirement: true}}\n"))
	labelled(t, 24)
	data, err := os.ReadFile("labels.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(data), `"right":true`, `"right":true,"met":[true,true]`)
	text = strings.ReplaceAll(text, `"right":false`, `"right":false,"met":[true,false]`)
	if err := os.WriteFile("labels.jsonl", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, table, said := here(t, "verifiers", "calibrate", "--config", "config.yaml", "--labels", "labels.jsonl", "--quiet", "--pairs", "5")
	if !strings.Contains(table, "Comparing pairs, the model of yes: none of 5 pairs has an answer.") {
		t.Errorf("no pairs:\n%s%s", table, said)
	}
	if code != 0 || !strings.Contains(table, "warning: yes says yes to everything for at_least: it calls 12 of 12 met that are not (weight 0.00)") || !strings.Contains(table, "Reliability diagram of yes: yes.calibration.svg") {
		t.Errorf("exit code %d:\n%s%s", code, table, said)
	}
	if svg, err := os.ReadFile("yes.calibration.svg"); err != nil || !strings.Contains(string(svg), "at_least (48)") {
		t.Errorf("%.300s, %v", svg, err)
	}
}
