package geneval_test

import (
	"context"
	"errors"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/geneval"
)

// compared is an evaluation with everything that the figures and the page show.
func (w *world) compared(dir string) *geneval.Evaluation {
	e := w.probed(dir)
	e.Samples = 1
	e.Strategies = nil
	for _, a := range []geneval.Arm{
		{Name: "noise", Kind: "noise"},
		{Name: "noise-prompt", Kind: "noise-prompt"},
		{Name: "reflection", Kind: "reflection", Width: 2},
		{Name: "reflection+oracle", Kind: "reflection", Width: 2, Verifier: "oracle"},
		{Name: "reflection+width4", Kind: "reflection", Width: 4},
	} {
		s := w.strategy(a.Name, lucky)
		a.Nested = true
		s.Arm = a
		e.Strategies = append(e.Strategies, s)
	}
	return e
}

// A published folder has its figures and a self-contained report; images that do not
// decode are listed.
func TestPublish(t *testing.T) {
	w := newWorld(t, 6)
	e := w.compared(t.TempDir())
	run(t, e)
	damaged := filepath.Join(e.Dir, "noise-8", "00002", "samples", "0000.png")
	if err := os.WriteFile(damaged, []byte("no image"), 0o644); err != nil {
		t.Fatal(err)
	}
	results, err := geneval.ReadResults(e.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := results.Publish(); err != nil {
		t.Fatal(err)
	}
	all := files(t, e.Dir)
	for _, name := range []string{"score-images", "score-seconds", "tasks", "difficulty", "verifiers", "width-depth"} {
		if all["figures/"+name+".svg"] == "" || all["figures/"+name+".png"] == "" {
			t.Errorf("no figure %s", name)
		}
	}
	if all["figures/judge.png"] == "" {
		t.Error("no contact sheet of the judge")
	}
	report := all["report.html"]
	for _, want := range []string{"data:image/jpeg;base64,", "noise-8/00002/samples/0000.png", `data-strategy="reflection&#43;oracle"`, w.prompts[5].Prompt} {
		if !strings.Contains(report, want) {
			t.Errorf("no %q in the report", want)
		}
	}
	if strings.Contains(report, "http://") || strings.Contains(report, "https://") {
		t.Error("the report asks for something from elsewhere")
	}
	page := filepath.Join(t.TempDir(), "results.md")
	if err := results.WritePage(page, "make it"); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if at := strings.Index(string(first), "%!"); at >= 0 {
		t.Errorf("a format lacks its value: %.60q", first[at:])
	}
	for _, want := range []string{"| Hard prompts gain most ", "oracle (the judge itself)", "images/results-width-depth.svg", "make it"} {
		if !strings.Contains(string(first), want) {
			t.Errorf("no %q in the page", want)
		}
	}
	// Notes are kept.
	noted := strings.Replace(string(first), "kept -->\n", "kept -->\nMind this: 5% of all.", 1)
	if err := os.WriteFile(page, []byte(noted), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := results.WritePage(page, "make it"); err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(page); err != nil || !strings.Contains(string(again), "Mind this: 5% of all.\n") {
		t.Errorf("the notes are lost: %v", err)
	}
	if err := os.WriteFile(page, []byte("# Another page"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := results.WritePage(page, "make it"); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("another page: %v", err)
	}
}

// Searches that plan with their budgets may answer with candidates of one number and
// two images: the report shows both.
func TestReportOfSearchesThatPlan(t *testing.T) {
	w := newWorld(t, 1)
	e := w.evaluation(t.TempDir())
	e.Samples, e.Budgets = 1, []int{4, 8}
	s := w.strategy("adaptive", lucky)
	s.Nested = false
	plan := s.Search
	s.Search = func(ctx context.Context, job geneval.Job) error {
		done := job.Done
		job.Done = func(task int, tr geneval.Trajectory) error {
			shade := image.NewNRGBA(image.Rect(0, 0, 4, 4))
			shade.Set(0, 0, color.NRGBA{B: uint8(10 * job.Budget), A: 255})
			tr.Candidates, tr.Images = tr.Candidates[:1], []image.Image{shade}
			return done(task, tr)
		}
		return plan(ctx, job)
	}
	e.Strategies = []geneval.Strategy{s}
	published(t, e)
	if n := strings.Count(files(t, e.Dir)["report.html"], "data:image/jpeg;base64,"); n != 2 {
		t.Errorf("%d images in the report, want 2", n)
	}
}

// published runs an evaluation and writes its report.
func published(t *testing.T, e *geneval.Evaluation) geneval.Results {
	t.Helper()
	run(t, e)
	results, err := geneval.ReadResults(e.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := results.Publish(); err != nil {
		t.Fatal(err)
	}
	return results
}

func TestReadResultsRefuses(t *testing.T) {
	w := newWorld(t, 2)
	e := w.evaluation(t.TempDir())
	run(t, e)
	results := files(t, e.Dir)["results.jsonl"]
	write(t, e.Dir, strings.Replace(results, "noise-1/00000/samples", "../secret", 1))
	if _, err := geneval.ReadResults(e.Dir); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("an image outside of the folder: %v", err)
	}
	write(t, e.Dir, results)
	if _, err := geneval.ReadResults(e.Dir); err != nil {
		t.Error(err)
	}
	remove(t, e.Dir, "evaluation.json")
	if _, err := geneval.ReadResults(e.Dir); !errors.Is(err, reflectionflow.ErrInvalid) {
		t.Errorf("no evaluation: %v", err)
	}
}

// With one prompt per task every resample is the same: no difference is called better or
// worse, and no claim confirmed or refuted.
func TestTooFewPrompts(t *testing.T) {
	w := newWorld(t, 6)
	e := w.compared(t.TempDir())
	results := published(t, e)
	page := filepath.Join(t.TempDir(), "results.md")
	if err := results.WritePage(page, "make it"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	all := files(t, e.Dir)
	for name, text := range map[string]string{"report.md": all["report.md"], "report.html": all["report.html"], "the page": string(text)} {
		if !strings.Contains(text, "too few prompts") {
			t.Errorf("%s says nothing of few prompts", name)
		}
		for _, sure := range []string{"| better |", "| worse |", ">better<", ">worse<", "| agrees |", "| does not agree |"} {
			if strings.Contains(text, sure) {
				t.Errorf("%s is sure: %s", name, sure)
			}
		}
	}
}
