package run_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/run"
)

func TestIndexOfABatch(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "batch")
	asked := manifest()
	asked.UserPrompt = "2 clocks <b>& a red cup"
	folders, err := run.CreateBatch(dir, []string{"001-a", "002-b", "003-c"}, []run.Manifest{asked, manifest(), manifest()})
	if err != nil {
		t.Fatal(err)
	}
	record(t, folders[0], 0, 3)
	record(t, folders[1], 0, 1)
	if err := folders[0].Finish(2, reflectionflow.StoppedRight); err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		closeFolder(t, f)
	}
	if err := run.WriteIndex(dir); err != nil {
		t.Fatal(err)
	}
	index := files(t, dir)["index.html"]
	for _, want := range []string{
		`href="001-a/report.html"`, `src="001-a/best.png"`, "2 clocks &lt;b&gt;&amp; a red cup", "2 of 2 met",
		"1 of 3 met every requirement. 2 not finished.", "1 image so far", "0 images so far", `<dd>4</dd>`,
	} {
		if !strings.Contains(index, want) {
			t.Errorf("the index lacks %q", want)
		}
	}
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if timing := read("timing.js"); !strings.Contains(timing, "reflectionflowElapsed = ") || strings.Contains(timing, "shared") {
		t.Errorf("the index has the elapsed time %q", timing)
	}
	if timing := read("001-a/timing.js"); !strings.Contains(timing, "elapsed, shared with other prompts") {
		t.Errorf("a run of a batch has the elapsed time %q", timing)
	}
	if strings.Contains(index, "002-b/best.png") {
		t.Error("the index shows an image of a run that is not finished")
	}
	if err := run.WriteIndex(filepath.Join(dir, "001-a")); err != nil {
		t.Error(err)
	}
	if _, ok := files(t, dir)["001-a/index.html"]; ok {
		t.Error("a single run has an index")
	}
}

// TestPagesEscapeControls: texts of servers reach no page with characters that a terminal
// or browser acts on instead of showing them.
func TestPagesEscapeControls(t *testing.T) {
	const raw = "red\x1b]0;title\x07\u009b31m\u202ecup\u2066\x7f"
	const shown = `red\u001b]0;title\u0007\u009b31m\u202ecup\u2066\u007f`
	dir := filepath.Join(t.TempDir(), "batch")
	asked := manifest()
	asked.UserPrompt = "asked " + raw
	folders, err := run.CreateBatch(dir, []string{"001-a"}, []run.Manifest{asked})
	if err != nil {
		t.Fatal(err)
	}
	for id := range 2 {
		c := candidate(id)
		c.Request.Prompt, c.Request.Reflection, c.Reason = "prompt "+raw, "reflection "+raw, "reason "+raw
		c.Warnings = []string{"warning " + raw}
		for i := range c.Score.Requirements {
			c.Score.Requirements[i].Requirement.Object = "object " + raw
		}
		if err := folders[0].Record(c, testImage(id)); err != nil {
			t.Fatal(err)
		}
	}
	if err := folders[0].Finish(1, reflectionflow.StoppedBudget); err != nil {
		t.Fatal(err)
	}
	closeFolder(t, folders[0])
	if err := run.WriteIndex(dir); err != nil {
		t.Fatal(err)
	}
	pages := map[string][]string{"index.html": {"asked"}, "001-a/report.html": {"asked", "prompt", "reflection", "reason", "warning", "object"}}
	for name, texts := range pages {
		page := files(t, dir)[name]
		for _, text := range texts {
			if !strings.Contains(page, text+" "+shown) {
				t.Errorf("%s does not show %s", name, text)
			}
		}
		if i := strings.IndexAny(page, raw[3:4]+"\x07\u009b\u202e\u2066\x7f"); i >= 0 {
			t.Errorf("%s holds a control character: %q", name, page[max(0, i-40):i+40])
		}
	}
}
