package main

import (
	"context"
	"image"
	"image/draw"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/pflag"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/geneval"
	"reflectionflow/internal/assemble"
	"reflectionflow/internal/progress"
	"reflectionflow/search"
)

// judged gives the fake model a third object, all colours and a judge.
func judged(m assemble.Model) assemble.Model {
	m.Classes, m.Colors = []string{"clock", "cup", "dog"}, clipart.Colors()
	m.OpenJudge = func(context.Context, string) (geneval.Detector, error) {
		if os.Getenv("FAKE_JUDGE") == "blind" {
			return fakeJudge{}, nil
		}
		scenes, err := geneval.KnownScenes([]geneval.Metadata{{Tag: "counting"}, {Tag: "three_attr"}}, m.Classes, image.Pt(m.Width, m.Height))
		return fakeJudge{classes: m.Classes, scenes: scenes}, err
	}
	return m
}

// fakeJudge knows the scenes of the self-test. In stripes of high quality it sees
// one of each object.
type fakeJudge struct {
	classes []string
	scenes  []geneval.KnownScene
}

func (j fakeJudge) Detect(_ context.Context, images []image.Image) ([][]reflectionflow.Object, error) {
	found := make([][]reflectionflow.Object, len(images))
	for i, img := range images {
		found[i] = j.look(img)
	}
	return found, nil
}

func (j fakeJudge) look(img image.Image) []reflectionflow.Object {
	pixels := pixelsOf(img)
	for _, s := range j.scenes {
		if pixelsOf(s.Image) == pixels {
			return s.Truth
		}
	}
	var seen []reflectionflow.Object
	for i, class := range j.classes {
		if quality := pixels[0]; quality > 80 {
			x := 0.3 * float64(i)
			seen = append(seen, reflectionflow.Object{Class: class, Color: "red", Box: [4]float64{x, 0.4, x + 0.2, 0.6}, Confidence: 0.95})
		}
	}
	return seen
}

func pixelsOf(img image.Image) string {
	m := image.NewNRGBA(img.Bounds())
	draw.Draw(m, m.Rect, img, m.Rect.Min, draw.Src)
	return string(m.Pix)
}

// Ctrl-C keeps what was judged; the same command resumes to the same results.
func TestEvaluateInterrupted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no interrupt signal to send")
	}
	home := t.TempDir()
	args := []string{"evaluate", "--limit", "12", "--budgets", "1,4", "--difficulty", "1", "--out"}
	t.Setenv("FAKE_JUDGE", "good")
	if out, err := command(t, home, append(args, "whole")...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := command(t, home, append(args, "cut")...)
	cmd.Env = append(cmd.Env, "FAKE_DELAY=40ms")
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, filepath.Join(home, "cut", "noise-1", "00001", "samples", "0000.png"))
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := exitOf(t, cmd.Wait()); code != 130 {
		t.Errorf("exit code %d, want 130", code)
	}
	if !strings.Contains(said.String(), "of 24 searches kept in cut; the same command resumes\n") || strings.Contains(said.String(), "context") {
		t.Errorf("it said %q", said.String())
	}
	if _, err := os.Stat(filepath.Join(home, "cut", "summary.json")); err == nil {
		t.Error("there is a summary of what was not finished")
	}
	if out, err := command(t, home, append(args, "cut")...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	sameFiles(t, evaluated(t, filepath.Join(home, "cut")), evaluated(t, filepath.Join(home, "whole")))
}

// evaluated are the files of an evaluation that no clock shows in; results.jsonl
// without its seconds and its order.
func evaluated(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := record(t, dir)
	for _, timed := range []string{"summary.json", "report.md", "usage.jsonl", "report.html", "figures/score-seconds.svg", "figures/score-seconds.png"} {
		if files[timed] == "" {
			t.Errorf("no %s", timed)
		}
		delete(files, timed)
	}
	lines := slices.Sorted(strings.Lines(seconds.ReplaceAllString(files["results.jsonl"], "")))
	files["results.jsonl"] = strings.Join(lines, "")
	return files
}

// A strategy that is marked as nested generates the same first images at a smaller
// budget, so that one search serves all budgets.
func TestNestedSearches(t *testing.T) {
	model := judged(fakeModel(0))
	e, err := model.Open(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	o := evaluateOptions{budgets: []int{16}}
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	prompts, err := geneval.Builtin(clipart.Tasks(), clipart.Test, model.Classes, 6, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{search.Noise, search.NoisePrompt, search.Reflection, "reflection+width4", "noise-prompt+width1"} {
		for _, early := range []bool{false, true} {
			a, err := o.arm(flags, model, name)
			if err != nil || !a.Nested {
				t.Fatalf("%s: nested %v, %v", name, a.Nested, err)
			}
			a.cfg.EarlyStop = early
			trajectories := func(budget int) []geneval.Trajectory {
				found := make([]geneval.Trajectory, len(prompts))
				job := geneval.Job{Budget: budget, Done: func(i int, tr geneval.Trajectory) error { found[i] = tr; return nil }}
				for i, m := range prompts {
					p, err := m.AsPrompt()
					if err != nil {
						t.Fatal(err)
					}
					job.Tasks = append(job.Tasks, geneval.Task{Prompt: p, Seed: uint64(i + 1)})
				}
				if err := searchStrategy(a, e, progress.NewEvaluation(nil, true)).Search(t.Context(), job); err != nil {
					t.Fatal(err)
				}
				return found
			}
			whole := trajectories(16)
			for _, budget := range []int{1, 2, 3, 4, 8} {
				for i, part := range trajectories(budget) {
					n := min(budget, len(whole[i].Candidates))
					if len(part.Candidates) != n || !reflect.DeepEqual(withoutTime(part.Candidates), withoutTime(whole[i].Candidates[:n])) ||
						!reflect.DeepEqual(part.Images, whole[i].Images[:n]) || part.Best(budget) != whole[i].Best(budget) {
						t.Errorf("%s, early stop %v: a budget of %d is not a prefix of one of 16 for prompt %d", name, early, budget, i)
					}
				}
			}
		}
	}
}

func withoutTime(candidates []reflectionflow.Candidate) []reflectionflow.Candidate {
	plain := slices.Clone(candidates)
	for i := range plain {
		plain[i].Cost.Seconds, plain[i].Score.Cost.Seconds = 0, 0
	}
	return plain
}

// told records the budgets that a display gets.
type told struct {
	progress.Evaluation
	budgets *[]int
}

func (d told) Event(cfg search.Config, _ search.Event) {
	*d.budgets = append(*d.budgets, cfg.Budget.Images)
}

// The display gets the budget of each search, which is not the largest one for strategies
// that plan with it.
func TestDisplayGetsTheBudgetOfTheSearch(t *testing.T) {
	model := judged(fakeModel(0))
	e, err := model.Open(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	a, err := (evaluateOptions{budgets: []int{2, 8}}).arm(pflag.NewFlagSet("", pflag.ContinueOnError), model, search.Adaptive)
	if err != nil {
		t.Fatal(err)
	}
	var budgets []int
	prompt, err := clipart.Parse("a clock")
	if err != nil {
		t.Fatal(err)
	}
	job := geneval.Job{Budget: 2, Tasks: []geneval.Task{{Prompt: prompt, Seed: 1}}, Done: func(int, geneval.Trajectory) error { return nil }}
	if err := searchStrategy(a, e, told{progress.NewEvaluation(nil, true), &budgets}).Search(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	if len(budgets) == 0 || slices.ContainsFunc(budgets, func(n int) bool { return n != 2 }) {
		t.Errorf("a search with a budget of 2 was shown with %v", budgets)
	}
}
