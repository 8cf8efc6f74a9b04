package run_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/run"
)

var update = flag.Bool("update", false, "write the golden files")

// Later versions read the files of a run: a change to any of them is either a mistake or
// a new format.
func TestFilesAreGolden(t *testing.T) {
	dir := t.TempDir()
	f := create(t, dir)
	record(t, f, 0, 3)
	finish(t, f, 3)
	all := files(t, dir)
	for _, name := range []string{"run.json", "candidates.jsonl", "result.json", "report.html"} {
		path := filepath.Join("testdata", name)
		if *update {
			put(t, "testdata", name, all[name])
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if all[name] != string(want) {
			t.Errorf("%s differs from %s; if that is intended, run the test with -update", name, path)
		}
	}
}

func TestReportIsSelfContained(t *testing.T) {
	dir := t.TempDir()
	f := create(t, dir)
	record(t, f, 0, 4)
	finish(t, f, 4)
	report := files(t, dir)["report.html"]
	for _, forbidden := range []string{"http://", "https://", "<script src=\"http", "<link", "@import", `src="images`, "ZgotmplZ"} {
		if strings.Contains(report, forbidden) {
			t.Errorf("the report contains %q", forbidden)
		}
	}
	for _, wanted := range []string{
		"a photo of two clocks and a red cup", "clock: exactly 2", "Add one more clock.", "Tree of candidates", "correction of",
		"data:image/png;base64,", "seed 37037036703", "--replay run.json", "97% sure", "33% likely met", "prefers-color-scheme", `alt="Image 0, score 0.682; not met: clock: exactly 2"`,
	} {
		if !strings.Contains(report, wanted) {
			t.Errorf("the report lacks %q", wanted)
		}
	}
}

// The report shows what an adaptive search chose for each image, and why.
func TestReportSaysWhy(t *testing.T) {
	dir := t.TempDir()
	f := create(t, dir)
	for id := range 3 {
		c := candidate(id)
		c.Reason = "#0 lacks little"
		c.Abandoned = []reflectionflow.Abandoned{{Seed: 5, Steps: 4}, {Seed: 6, Steps: 4}}[:id]
		if err := f.Record(c, testImage(id)); err != nil {
			t.Fatal(err)
		}
	}
	finish(t, f, 2)
	report := files(t, dir)["report.html"]
	for _, wanted := range []string{"#0 lacks little</p>", "#0 lacks little; one noise abandoned after 4 steps", "; 2 noises abandoned after 4 steps each"} {
		if !strings.Contains(report, wanted) {
			t.Errorf("the report lacks %q", wanted)
		}
	}
	reopened, err := run.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFolder(t, reopened)
	if c, _, ok := reopened.Recall(2); !ok || c.Reason == "" || len(c.Abandoned) != 2 {
		t.Errorf("recalled %+v", c)
	}
}

// A rewritten prompt starts from new noise: the steps to the best image begin there.
func TestStepsBeginAtNoise(t *testing.T) {
	steps := func(actions ...reflectionflow.Action) []string {
		dir := t.TempDir()
		f := create(t, dir)
		for id, action := range actions {
			c := candidate(id)
			c.Parent, c.Action = id-1, action
			if err := f.Record(c, testImage(id)); err != nil {
				t.Fatal(err)
			}
		}
		finish(t, f, len(actions))
		_, section, _ := strings.Cut(files(t, dir)["report.html"], "<h2>Steps to the best image</h2>")
		section, _, _ = strings.Cut(section, "</section>")
		var list []string
		for _, part := range strings.Split(section, "<li>\n")[1:] {
			if _, rest, ok := strings.Cut(part, "<p><b>"); ok {
				text, _, _ := strings.Cut(rest, " <span")
				list = append(list, strings.ReplaceAll(text, "</b>", ""))
			}
		}
		return list
	}
	const explore, rewrite, reflect = reflectionflow.Explore, reflectionflow.Rewrite, reflectionflow.Reflect
	for _, tt := range []struct{ got, want []string }{
		{steps(explore, reflect, rewrite, reflect), []string{"#2 new noise, rewritten prompt", "#3 correction"}},
		{steps(explore, reflect, reflect), []string{"#0 new noise", "#1 correction", "#2 correction"}},
		{steps(explore, rewrite), []string{"#1 new noise, rewritten prompt"}},
		{steps(explore), nil},
	} {
		if !slices.Equal(tt.got, tt.want) {
			t.Errorf("steps %q, want %q", tt.got, tt.want)
		}
	}
}

func TestRecordRefusesTooManyAbandonedSteps(t *testing.T) {
	f := create(t, t.TempDir())
	defer closeFolder(t, f)
	c := candidate(0)
	c.Abandoned = []reflectionflow.Abandoned{{Steps: 21}}
	if err := f.Record(c, testImage(0)); err == nil {
		t.Error("recorded")
	}
}

// Prompts and model output are untrusted text.
func TestReportEscapes(t *testing.T) {
	const nasty = `<script>alert("x")</script>`
	dir := t.TempDir()
	f := create(t, dir)
	c := candidate(0)
	c.Request.Prompt, c.Request.Reflection, c.Request.ReferenceCaption = nasty, nasty, nasty
	c.Score.Requirements[0].Evidence[0].Class = nasty
	if err := f.Record(c, testImage(0)); err != nil {
		t.Fatal(err)
	}
	if err := f.Finish(0, reflectionflow.StoppedBudget); err != nil {
		t.Fatal(err)
	}
	closeFolder(t, f)
	if strings.Contains(files(t, dir)["report.html"], "<script>alert") {
		t.Error("text got into the report as markup")
	}
}

func TestReportWithoutFindings(t *testing.T) {
	dir := t.TempDir()
	f := create(t, dir)
	c := candidate(0)
	c.Score.Requirements = nil // a verifier that cannot tell requirements apart
	if err := f.Record(c, testImage(0)); err != nil {
		t.Fatal(err)
	}
	if err := f.Finish(0, reflectionflow.StoppedBudget); err != nil {
		t.Fatal(err)
	}
	closeFolder(t, f)
	if report := files(t, dir)["report.html"]; strings.Contains(report, ">Requirements<") {
		t.Error("the report lists requirements without findings")
	}
}

// One image without its seed marks the run as not reproducible, also when it is resumed.
func TestNotReproducible(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	f := create(t, dir)
	for id := range 3 {
		c := candidate(id)
		c.Unseeded = id == 1
		if err := f.Record(c, testImage(id)); err != nil {
			t.Fatal(err)
		}
		if f.Manifest().NotReproducible != (id >= 1) {
			t.Errorf("after candidate %d the run is marked %t", id, f.Manifest().NotReproducible)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := run.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if c, _, ok := f.Recall(1); !ok || !c.Unseeded || !f.Manifest().NotReproducible {
		t.Errorf("recalled %+v, %t; manifest %+v", c, ok, f.Manifest())
	}
	if err := f.Finish(0, reflectionflow.StoppedBudget); err != nil {
		t.Fatal(err)
	}
	report, err := os.ReadFile(filepath.Join(dir, "report.html"))
	if err != nil || !strings.Contains(string(report), "did not use the seeds of 1 of its 3 images") || strings.Count(string(report), "· seed not used") != 1 {
		t.Errorf("%v: the report does not say it", err)
	}
}
