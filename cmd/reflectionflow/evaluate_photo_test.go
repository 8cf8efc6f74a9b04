package main

import (
	"encoding/json"
	"image"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"reflectionflow"
	"reflectionflow/geneval"
	"reflectionflow/internal/photocases"
	"reflectionflow/internal/testserver"
	"reflectionflow/vision/composite"
)

// staged is a prompt with a photograph that shows it, and one that does not.
type staged struct {
	metadata     geneval.Metadata
	right, wrong photocases.Shot
}

// stages are prompts about what cut-outs exist of.
func stages() []staged {
	include := func(class string, n int, color string) geneval.Include {
		return geneval.Include{Class: class, Count: n, Color: color}
	}
	row := func(groups ...photocases.Group) photocases.Shot { return photocases.Shot{Groups: groups} }
	some := func(n int, class, color string) photocases.Group {
		return photocases.Group{N: n, Class: class, Color: color}
	}
	one := func(class string) photocases.Group { return some(1, class, "") }
	var list []staged
	add := func(tag, prompt string, right, wrong photocases.Shot, clauses ...geneval.Include) {
		m := geneval.Metadata{Tag: tag, Prompt: "a photo of " + prompt, Include: clauses}
		if tag == "counting" {
			m.Exclude = []geneval.Exclude{{Class: clauses[0].Class, Count: clauses[0].Count + 1}}
		}
		list = append(list, staged{m, right, wrong})
	}
	classes := []string{"cat", "cup", "person", "giraffe", "bird", "dog", "couch", "horse"}
	for i, class := range classes {
		add("single_object", "a "+class, row(one(class)), row(one(classes[(i+3)%len(classes)])), include(class, 1, ""))
	}
	for _, pair := range [][2]string{{"cat", "cup"}, {"person", "cat"}, {"cup", "person"}, {"giraffe", "bird"}, {"dog", "giraffe"}, {"bird", "person"}, {"dog", "cup"}, {"horse", "giraffe"}} {
		a, b := pair[0], pair[1]
		add("two_object", "a "+a+" and a "+b, row(one(a), one(b)), row(one(a)), include(a, 1, ""), include(b, 1, ""))
		if a == "dog" || a == "horse" {
			continue
		}
		place := include(a, 1, "")
		place.Position = &geneval.Position{Relation: reflectionflow.LeftOf}
		add("position", "a "+a+" left of a "+b, row(one(a), one(b)), row(one(b), one(a)), include(b, 1, ""), place)
	}
	for _, class := range []string{"cup", "giraffe", "bird", "cat"} {
		for i, number := range []string{"two", "three"} {
			add("counting", number+" "+class+"s", row(some(i+2, class, "")), row(some(i+1, class, "")), include(class, i+2, ""))
		}
	}
	for _, class := range []string{"cup", "couch"} {
		for _, pair := range [][2]string{{"blue", "yellow"}, {"yellow", "green"}, {"green", "purple"}, {"purple", "blue"}} {
			add("colors", "a "+pair[0]+" "+class, row(some(1, class, pair[0])), row(some(1, class, pair[1])), include(class, 1, pair[0]))
		}
	}
	return list
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
	double, cuts := testserver.NewSDCPP(t), composite.CutOuts()
	var mu sync.Mutex
	served, right := map[string]int{}, map[string]int{} // by tag
	double.Paint = func(r testserver.ImageRequest) image.Image {
		s := byPrompt[r.Prompt]
		mu.Lock()
		defer mu.Unlock()
		served[s.metadata.Tag]++
		if r.Seed%3 == 0 {
			img, _ := s.wrong.Render(r.Seed, cuts)
			return img
		}
		right[s.metadata.Tag]++
		img, _ := s.right.Render(r.Seed, cuts)
		return img
	}
	code, said, complained := here(t, "evaluate", "--generator", "sdcpp+"+double.URL, "--size", strconv.Itoa(photocases.Side), "--prompts", "prompts.jsonl", "--strategies", "noise",
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
