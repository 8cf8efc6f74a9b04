package geneval_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/geneval"
)

func (w *world) evaluation(dir string) *geneval.Evaluation {
	return &geneval.Evaluation{
		Prompts: w.prompts, Budgets: []int{1, 4, 8}, Samples: 2, Seed: 9, Dir: dir,
		Strategies: []geneval.Strategy{w.strategy("noise", lucky), w.strategy("reflection", hopeful)},
		Judge:      geneval.ByRules(w), Thresholds: geneval.OfficialThresholds(), Settings: json.RawMessage(`{"model":"x"}`),
	}
}

func run(t *testing.T, e *geneval.Evaluation) geneval.Summary {
	t.Helper()
	s, err := e.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		all[filepath.ToSlash(name)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// The rows are what the plans say: the best by score among the first images.
func TestRun(t *testing.T) {
	w := newWorld(t, 12)
	e := w.evaluation(filepath.Join(t.TempDir(), "new", "eval"))
	e.Samples = 1
	s := run(t, e)
	if len(s.Rows) != 6 {
		t.Fatalf("%d rows", len(s.Rows))
	}
	for i, want := range []struct {
		strategy string
		budget   int
	}{{"noise", 1}, {"noise", 4}, {"noise", 8}, {"reflection", 1}, {"reflection", 4}, {"reflection", 8}} {
		r := s.Rows[i]
		if r.Strategy != want.strategy || r.Budget != want.budget || len(r.Tags) != 6 ||
			r.CILow > r.Overall || r.CIHigh < r.Overall {
			t.Errorf("row %d: %+v", i, r)
		}
	}
	if s.Rows[0].Overall >= s.Rows[2].Overall {
		t.Errorf("eight images are no better than one: %g, %g", s.Rows[2].Overall, s.Rows[0].Overall)
	}
	for i, want := range []float64{0, 1, 1} {
		if got := s.Rows[3+i].Overall; got != want {
			t.Errorf("reflection at %d: %g, want %g", s.Rows[3+i].Budget, got, want)
		}
	}
	// It stopped at four images: the rest costs nothing.
	if got := s.Rows[5].Cost; got.Images != 4 || got.DenoiseSteps != 80 || got.VerifierCalls != 4 || got.Seconds != 2 {
		t.Errorf("cost %+v", got)
	}
	if got := w.searches.Load(); got != 12*2 {
		t.Errorf("%d searches", got)
	}
	// An image that is the answer at several budgets is judged once.
	if got := w.judged.Load(); got > 12*(3+2) {
		t.Errorf("%d images judged", got)
	}
	for _, want := range []string{"| noise ", "| reflection ", "reflection at 8 minus noise at 8", "| reflection |                 8 |   100.0 | 60.8 to 100.0 |"} {
		if !strings.Contains(s.Markdown(), want) {
			t.Errorf("no %q in\n%s", want, s.Markdown())
		}
	}
}

// A difference is the mean of the tasks' differences. The mean over all prompts is given
// too: it differs where tasks have unequal numbers of prompts.
func TestDifferencesOfTasks(t *testing.T) {
	w := newWorld(t, 9) // the first three tasks have two prompts each
	e := w.evaluation(t.TempDir())
	e.Samples = 1
	s := run(t, e)
	uneven := 0
	for _, d := range s.Differences {
		overall, alike := 0.0, 0.0
		for tag, of := range d.Tags {
			overall += of.Mean / float64(len(s.Prompts))
			alike += of.Mean * float64(s.Prompts[tag]) / 9
		}
		if len(d.Tags) != 6 || math.Abs(overall-d.Mean) > 1e-9 || math.Abs(alike-d.Alike.Mean) > 1e-9 {
			t.Errorf("%+v: the tasks' mean is %g, that of the prompts %g", d, overall, alike)
		}
		if d.Alike.Low > d.Alike.Mean || d.Alike.High < d.Alike.Mean {
			t.Errorf("%+v is not within its interval", d.Alike)
		}
		if math.Abs(overall-alike) > 1e-9 {
			uneven++
		}
	}
	if len(s.Differences) == 0 || uneven == 0 {
		t.Errorf("%d differences, %d of them uneven: the test shows nothing", len(s.Differences), uneven)
	}
}

// summary.json has rows of at least these fields.
func TestSummaryFile(t *testing.T) {
	w := newWorld(t, 2)
	e := w.evaluation(t.TempDir())
	s := run(t, e)
	data, err := os.ReadFile(filepath.Join(e.Dir, "summary.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Rows []map[string]any }
	if err := json.Unmarshal(data, &got); err != nil || len(got.Rows) != len(s.Rows) {
		t.Fatalf("%v: %s", err, data)
	}
	for _, name := range []string{"strategy", "budget", "overall", "ci_low", "ci_high", "tags", "cost"} {
		if _, ok := got.Rows[0][name]; !ok {
			t.Errorf("row %v: no %s", got.Rows[0], name)
		}
	}
}

// The folders are what GenEval's evaluate_images.py reads, and results.jsonl what
// its summary_scores.py reads.
func TestOfficialLayout(t *testing.T) {
	w := newWorld(t, 3)
	e := w.evaluation(t.TempDir())
	run(t, e)
	all := files(t, e.Dir)
	for i, m := range w.prompts {
		dir := fmt.Sprintf("reflection-4/%05d/", i)
		var got geneval.Metadata
		if err := json.Unmarshal([]byte(all[dir+"metadata.jsonl"]), &got); err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%smetadata.jsonl: %v, %v", dir, got, err)
		}
		for _, name := range []string{"samples/0000.png", "samples/0001.png"} {
			img, err := png.Decode(strings.NewReader(all[dir+name]))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if r, _, b, _ := img.At(0, 0).RGBA(); int(r>>8) != i || b>>8 != 2 {
				t.Errorf("%s shows candidate %d of prompt %d", dir+name, b>>8, r>>8)
			}
		}
	}
	distinct := map[string]bool{}
	lines := strings.Split(strings.TrimSuffix(all["results.jsonl"], "\n"), "\n")
	for _, line := range lines {
		var r geneval.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		distinct[r.Metadata] = true
		var boxes map[string][][5]float64
		if err := json.Unmarshal([]byte(r.Details), &boxes); err != nil || r.Correct != (len(boxes) > 0) || r.Correct != (r.Reason == "") {
			t.Errorf("%+v: %v", r, err)
		}
		for _, list := range boxes {
			for _, b := range list {
				if b[2] > 2 || b[3] > 2 || b[4] != 1 {
					t.Errorf("box %v of an image of 2×2 pixels", b)
				}
			}
		}
		if _, ok := all[r.Filename]; !ok {
			t.Errorf("no file %q", r.Filename)
		}
	}
	if len(lines) != 3*2*2*3 || len(distinct) != 3 {
		t.Errorf("%d lines about %d prompts", len(lines), len(distinct))
	}
}

// An evaluation whose record was cut at any byte resumes with the same result, and does
// not repeat what was recorded completely.
func TestResumeAtEveryLine(t *testing.T) {
	w := newWorld(t, 2)
	whole := w.evaluation(filepath.Join(t.TempDir(), "whole"))
	whole.Samples, whole.Budgets = 1, []int{1, 4}
	run(t, whole)
	want := files(t, whole.Dir)
	results := []byte(want["results.jsonl"])
	var cuts []int
	for i, b := range results {
		if b == '\n' {
			cuts = append(cuts, i+1, i, min(i+40, len(results)))
		}
	}
	for _, cut := range append(cuts, 0, 1) {
		dir := filepath.Join(t.TempDir(), "cut")
		if err := os.CopyFS(dir, os.DirFS(whole.Dir)); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"summary.json", "report.md"} {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "results.jsonl"), results[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		w.searches.Store(0)
		e := w.evaluation(dir)
		e.Samples, e.Budgets = 1, []int{1, 4}
		first := -1
		e.Notify = func(p geneval.Progress) {
			if first < 0 {
				first = p.Done
			}
		}
		run(t, e)
		kept := bytes.Count(results[:cut], []byte("\n")) / len(e.Budgets)
		if first != kept || int(w.searches.Load()) != 4-kept {
			t.Fatalf("cut at byte %d: %d searches kept, %d made; %d are whole", cut, first, w.searches.Load(), kept)
		}
		got := files(t, dir)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("cut at byte %d: the files differ", cut)
		}
	}
}

// An evaluation that is canceled after each search and resumed has the same result.
func TestInterrupted(t *testing.T) {
	w := newWorld(t, 3)
	whole := w.evaluation(filepath.Join(t.TempDir(), "whole"))
	want := run(t, whole)
	w.searches.Store(0)
	dir := t.TempDir()
	for sittings := 1; ; sittings++ {
		ctx, cancel := context.WithCancel(t.Context())
		e := w.evaluation(dir)
		e.Notify = func(p geneval.Progress) {
			if len(p.Records) > 0 {
				cancel()
			}
		}
		got, err := e.Run(ctx)
		cancel()
		if err == nil {
			if sittings < 4 || // the search goes one prompt on while the judge looks
				!reflect.DeepEqual(got, want) || !reflect.DeepEqual(files(t, dir), files(t, whole.Dir)) {
				t.Errorf("after %d sittings: %+v, want %+v", sittings, got, want)
			}
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	if got := w.searches.Load(); got != 12 {
		t.Errorf("%d searches, want 12", got)
	}
}

// Every prompt has its own seeds. They are the same for all strategies and do not depend
// on the other prompts.
func TestSeeds(t *testing.T) {
	w := newWorld(t, 6)
	asked := map[string]map[uint64]int{}
	note := func(_ int, seed uint64) []planned { return []planned{{score: float64(seed)}} }
	record := func(name string, prompts []geneval.Metadata) {
		s := w.strategy(name, note)
		inner := s.Search
		s.Search = func(ctx context.Context, job geneval.Job) error {
			for _, task := range job.Tasks {
				if asked[task.Prompt.Text] == nil {
					asked[task.Prompt.Text] = map[uint64]int{}
				}
				asked[task.Prompt.Text][task.Seed]++
			}
			return inner(ctx, job)
		}
		e := w.evaluation(t.TempDir())
		e.Strategies, e.Prompts, e.Budgets = []geneval.Strategy{s}, prompts, []int{1}
		run(t, e)
	}
	record("noise", w.prompts)
	record("reflection", w.prompts[:3])
	all := map[uint64]bool{}
	for i, m := range w.prompts {
		if len(asked[m.Prompt]) != 2 {
			t.Errorf("%d seeds for 2 samples", len(asked[m.Prompt]))
		}
		for seed, times := range asked[m.Prompt] {
			if all[seed] || seed >= 1<<53 || (times == 2) != (i < 3) {
				t.Errorf("prompt %d: seed %d, %d times", i, seed, times)
			}
			all[seed] = true
		}
	}
}

// An image that could not be generated is wrong, and says why.
func TestRefusedImagesCountAsWrong(t *testing.T) {
	w := newWorld(t, 6)
	e := w.evaluation(t.TempDir())
	e.Samples = 1
	search := w.strategy("noise", func(prompt int, _ uint64) []planned {
		if prompt == 2 {
			return []planned{{failed: true}, {failed: true}}
		}
		return []planned{{failed: true, score: 9}, {score: 1, right: true}}
	}).Search
	e.Strategies = []geneval.Strategy{{Arm: geneval.Arm{Name: "noise", Kind: "noise", Nested: true}, Search: func(ctx context.Context, job geneval.Job) error {
		return errors.Join(search(ctx, job), errors.New("prompt 2: no image was generated"))
	}}}
	s := run(t, e)
	if s.Rows[0].Overall != 0 || math.Abs(s.Rows[2].Overall-5.0/6) > 1e-9 {
		t.Errorf("%+v", s.Rows)
	}
	if got := files(t, e.Dir)["results.jsonl"]; !strings.Contains(got, "no image was generated: the engine is on fire") {
		t.Error(got)
	}
	if s.Refused != 6 || s.Rows[0].Refused != 6 || s.Rows[1].Refused != 1 || s.Rows[2].Refused != 1 {
		t.Errorf("%d prompts refused, %+v", s.Refused, s.Rows)
	}
	const fact = "Refused: the generator refused every image of some searches for 6 prompts, which count as wrong (noise at 1: 6, noise at "
	if !strings.Contains(s.Markdown(), fact) {
		t.Error(s.Markdown())
	}
	results, err := geneval.ReadResults(e.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := results.Publish(); err != nil {
		t.Fatal(err)
	}
	all := files(t, e.Dir)
	if !strings.Contains(all["summary.json"], `"refused": 6`) || !strings.Contains(all["report.html"], fact) {
		t.Errorf("summary %s", all["summary.json"])
	}
}

func TestRunRefuses(t *testing.T) {
	w := newWorld(t, 6)
	for name, spoil := range map[string]func(e *geneval.Evaluation){
		"no prompts":       func(e *geneval.Evaluation) { e.Prompts = nil },
		"twice a prompt":   func(e *geneval.Evaluation) { e.Prompts = append(e.Prompts, e.Prompts[0]) },
		"bad prompt":       func(e *geneval.Evaluation) { e.Prompts = []geneval.Metadata{{Tag: "x"}} },
		"no strategies":    func(e *geneval.Evaluation) { e.Strategies = nil },
		"twice a strategy": func(e *geneval.Evaluation) { e.Strategies = append(e.Strategies, e.Strategies[0]) },
		"a path":           func(e *geneval.Evaluation) { e.Strategies[0].Name = "../noise" },
		"no budgets":       func(e *geneval.Evaluation) { e.Budgets = nil },
		"falling budgets":  func(e *geneval.Evaluation) { e.Budgets = []int{8, 1} },
		"budget 0":         func(e *geneval.Evaluation) { e.Budgets = []int{0} },
		"no samples":       func(e *geneval.Evaluation) { e.Samples = 0 },
	} {
		e := w.evaluation(filepath.Join(t.TempDir(), "new"))
		spoil(e)
		if _, err := e.Run(t.Context()); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := os.Stat(e.Dir); err == nil {
			t.Errorf("%s: left something behind", name)
		}
	}
}

// Two processes in one folder would mix their lines: the second is refused.
func TestFolderInUse(t *testing.T) {
	w := newWorld(t, 2)
	dir := t.TempDir()
	first, second := w.evaluation(dir), w.evaluation(dir)
	begun := false
	first.Begin = func() error {
		begun = true
		if _, err := second.Run(t.Context()); !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "in use by another process") {
			t.Errorf("got %v", err)
		}
		return nil
	}
	run(t, first)
	run(t, second)
	if !begun {
		t.Error("the first was not asked before it began")
	}
	first.Begin = func() error { return errBroken }
	if _, err := first.Run(t.Context()); !errors.Is(err, errBroken) {
		t.Errorf("got %v, want that it could not begin", err)
	}
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

type ill struct{}

func (ill) Detect(context.Context, []image.Image) ([][]reflectionflow.Object, error) {
	return nil, errBroken
}

// A judge that fails, and strategies that break their contract, end the evaluation.
func TestBrokenParts(t *testing.T) {
	w := newWorld(t, 6)
	e := w.evaluation(t.TempDir())
	e.Judge = geneval.ByRules(ill{})
	if _, err := e.Run(t.Context()); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
	for name, search := range map[string]func(ctx context.Context, job geneval.Job) error{
		"did not answer": func(context.Context, geneval.Job) error { return nil },
		"twice": func(_ context.Context, job geneval.Job) error {
			return errors.Join(job.Done(0, geneval.Trajectory{}), job.Done(0, geneval.Trajectory{}))
		},
		"images for": func(_ context.Context, job geneval.Job) error {
			return job.Done(0, geneval.Trajectory{Candidates: make([]reflectionflow.Candidate, 1)})
		},
	} {
		e := w.evaluation(t.TempDir())
		e.Strategies = []geneval.Strategy{{Arm: geneval.Arm{Name: "noise", Kind: "noise", Nested: true}, Search: search}}
		if _, err := e.Run(t.Context()); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestBest(t *testing.T) {
	tr := trajectory(0, 9, []planned{{failed: true, score: 9}, {score: 1}, {score: 3}, {score: 2}, {score: 3}, {score: 4}})
	for budget, want := range map[int]int{1: -1, 2: 1, 3: 2, 5: 2, 6: 5, 99: 5} {
		if got := tr.Best(budget); got != want {
			t.Errorf("best of %d is %d, want %d", budget, got, want)
		}
	}
	if got := tr.Cost(3).Images; got != 3 {
		t.Errorf("3 images cost %d", got)
	}
}

// TestReportEscapesControls: the texts of servers reach the report without characters
// that a terminal or browser acts on.
func TestReportEscapesControls(t *testing.T) {
	w := newWorld(t, 6)
	e := w.evaluation(t.TempDir())
	search := func(ctx context.Context, job geneval.Job) error {
		for i := range job.Tasks {
			answer := trajectory(i, 1, []planned{{failed: true}})
			answer.Candidates[0].Error = "declined\x1b[31m\x07\u009b\u202e"
			if err := job.Done(i, answer); err != nil {
				return err
			}
		}
		return nil
	}
	e.Strategies = []geneval.Strategy{{Arm: geneval.Arm{Name: "noise", Kind: "noise", Nested: true}, Search: search}}
	run(t, e)
	results, err := geneval.ReadResults(e.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := results.Publish(); err != nil {
		t.Fatal(err)
	}
	report := files(t, e.Dir)["report.html"]
	if strings.ContainsAny(report, "\x1b\x07\u009b\u202e") || !strings.Contains(report, `declined\u001b[31m\u0007\u009b\u202e`) {
		t.Error("the report does not escape control characters")
	}
}
