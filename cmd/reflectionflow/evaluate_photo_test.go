package main

import (
	"encoding/json"
	"image"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"

	"reflectionflow"
	"reflectionflow/geneval"
	"reflectionflow/internal/testserver"
	"reflectionflow/vision/composite"
)

// thing is an object of a composite: class, color, and its place from left to right.
type thing struct {
	class, color string
	x            float64
}

// staged is a prompt with an image that shows it, and one that does not.
type staged struct {
	metadata     geneval.Metadata
	right, wrong []thing
}

// stages are prompts about what cut-outs exist of.
func stages() []staged {
	include := func(class string, n int, color string) geneval.Include {
		return geneval.Include{Class: class, Count: n, Color: color}
	}
	row := func(class, color string, n int) []thing {
		var list []thing
		for i := range n {
			list = append(list, thing{class, color, (float64(i) + .5) / float64(n)})
		}
		return list
	}
	var list []staged
	add := func(tag, prompt string, right, wrong []thing, clauses ...geneval.Include) {
		m := geneval.Metadata{Tag: tag, Prompt: "a photo of " + prompt, Include: clauses}
		if tag == "counting" {
			m.Exclude = []geneval.Exclude{{Class: clauses[0].Class, Count: clauses[0].Count + 1}}
		}
		list = append(list, staged{m, right, wrong})
	}
	for _, pair := range [][2]string{{"cat", "cup"}, {"cup", "cat"}, {"person", "cat"}} {
		add("single_object", "a "+pair[0], row(pair[0], "", 1), row(pair[1], "", 1), include(pair[0], 1, ""))
	}
	for _, pair := range [][2]string{{"cat", "cup"}, {"person", "cat"}, {"cup", "person"}} {
		add("two_object", "a "+pair[0]+" and a "+pair[1], []thing{{pair[0], "", .27}, {pair[1], "", .75}}, row(pair[0], "", 1), include(pair[0], 1, ""), include(pair[1], 1, ""))
	}
	for _, class := range []string{"cat", "cup"} {
		add("counting", "two "+class+"s", row(class, "", 2), row(class, "", 1), include(class, 2, ""))
		add("counting", "three "+class+"s", row(class, "", 3), row(class, "", 2), include(class, 3, ""))
	}
	for _, pair := range [][2]string{{"blue", "yellow"}, {"yellow", "green"}, {"green", "purple"}, {"purple", "blue"}} {
		add("colors", "a "+pair[0]+" cup", row("cup", pair[0], 1), row("cup", pair[1], 1), include("cup", 1, pair[0]))
	}
	for _, pair := range [][2]string{{"cat", "cup"}, {"cup", "cat"}, {"person", "cat"}} {
		there, back := []thing{{pair[0], "", .25}, {pair[1], "", .77}}, []thing{{pair[1], "", .25}, {pair[0], "", .77}}
		place := include(pair[0], 1, "")
		place.Position = &geneval.Position{Relation: reflectionflow.LeftOf}
		add("position", "a "+pair[0]+" left of a "+pair[1], there, back, include(pair[1], 1, ""), place)
	}
	return list
}

// stage renders things in a room.
func stage(things []thing, seed uint64) image.Image {
	cuts := map[string]composite.CutOut{}
	for _, c := range composite.CutOuts() {
		if _, known := cuts[c.Class]; !known {
			cuts[c.Class] = c
		}
	}
	rng := rand.New(rand.NewPCG(seed, 9))
	scene := composite.Scene{Seed: seed}
	for _, th := range things {
		height := map[string]float64{"cat": .42, "cup": .42, "person": .72}[th.class]
		switch len(things) {
		case 1:
			height = map[string]float64{"cat": .55, "cup": .6, "person": .8}[th.class]
		case 3:
			height = .3
		}
		scene.Items = append(scene.Items, composite.Item{CutOut: cuts[th.class], Color: th.color, Height: height, Mirror: rng.IntN(2) == 0, Center: [2]float64{th.x + .02*(rng.Float64()-.5), .9 - height/2}})
	}
	img, _ := scene.Render(320, 320)
	return img
}

// On an engine that returns composites of which it is known which are right, the photo
// detector as the judge gives that score within its interval.
func TestEvaluateByCocoGivesTheKnownScore(t *testing.T) {
	t.Chdir(t.TempDir())
	list := stages()
	byPrompt := map[string]staged{}
	var lines strings.Builder
	for _, s := range list {
		byPrompt[s.metadata.Prompt] = s
		text, err := s.metadata.Text()
		if err != nil {
			t.Fatal(err)
		}
		lines.WriteString(text + "\n")
	}
	if err := os.WriteFile("prompts.jsonl", []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	double := testserver.NewSDCPP(t)
	var mu sync.Mutex
	served, right := map[string]int{}, map[string]int{} // by tag
	double.Paint = func(r testserver.ImageRequest) image.Image {
		s := byPrompt[r.Prompt]
		mu.Lock()
		defer mu.Unlock()
		served[s.metadata.Tag]++
		if r.Seed%3 == 0 {
			return stage(s.wrong, r.Seed)
		}
		right[s.metadata.Tag]++
		return stage(s.right, r.Seed)
	}
	code, said, complained := here(t, "evaluate", "--generator", "sdcpp+"+double.URL, "--size", "320", "--prompts", "prompts.jsonl", "--strategies", "noise",
		"--budgets", "1", "--seed", "1", "--judge", "coco", "--json", "--out", "e")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, complained)
	}
	var s geneval.Summary
	if err := json.Unmarshal([]byte(said), &s); err != nil {
		t.Fatal(err)
	}
	known := 0.0
	for tag, n := range served {
		known += float64(right[tag]) / float64(n) / float64(len(served))
	}
	row := s.Rows[0]
	t.Logf("known %.3f, measured %.3f (%.3f to %.3f)", known, row.Overall, row.CILow, row.CIHigh)
	if len(served) != 5 || !(row.CILow <= known && known <= row.CIHigh) {
		t.Errorf("known %.3f of %v, measured %.3f (%.3f to %.3f)", known, served, row.Overall, row.CILow, row.CIHigh)
	}
	if s.By.Name != "coco" || !strings.Contains(complained, "self-test: the judge agrees on") {
		t.Errorf("judged by %+v: %s", s.By, complained)
	}
	// The default verifier of such an engine is the same detector: that is said.
	if s.By.Shared != "coco" || !strings.Contains(complained, "warning: the judge is also the verifier of the search (coco)") {
		t.Errorf("shared %q: %s", s.By.Shared, complained)
	}
}
