package geneval_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"reflectionflow"
	"reflectionflow/geneval"
)

func TestLevel(t *testing.T) {
	for _, c := range []struct {
		correct []bool
		want    geneval.Level
	}{
		{nil, geneval.Hard},
		{[]bool{false, false, false, true}, geneval.Hard},
		{[]bool{false, false, true}, geneval.Medium},
		{[]bool{true, false}, geneval.Medium},
		{[]bool{true, true, false}, geneval.Medium},
		{[]bool{true, true, true, false}, geneval.Easy},
	} {
		if got := (geneval.Probe{Correct: c.correct}).Level(); got != c.want {
			t.Errorf("%v is %s, want %s", c.correct, got, c.want)
		}
	}
}

func TestDiscernment(t *testing.T) {
	rate, pairs := geneval.Discernment([]geneval.Probe{
		{Correct: []bool{true, false, false}, Scores: []float64{2, 1, 3}}, // one of two
		{Correct: []bool{false, true}, Scores: []float64{1, 1}},           // a tie
		{Correct: []bool{true, true}, Scores: []float64{9, 1}},            // no pair
		{Correct: []bool{false, true}, Scores: []float64{-1, 0}},          // right
	})
	if pairs != 4 || math.Abs(rate-2.5/4) > 1e-12 {
		t.Errorf("%g of %d pairs", rate, pairs)
	}
}

// probed is an evaluation that probes three images of each prompt: as many are
// right as the prompt's index says, and the verifier likes the wrong ones.
func (w *world) probed(dir string) *geneval.Evaluation {
	e := w.evaluation(dir)
	probe := w.strategy("difficulty", func(prompt int, _ uint64) []planned {
		plan := make([]planned, 3)
		for i := range plan {
			plan[i].right = i < prompt%4
			plan[i].score = float64(i)
		}
		return plan
	})
	e.Probe, e.ProbeImages = &probe, 3
	return e
}

func TestDifficulty(t *testing.T) {
	w := newWorld(t, 8)
	e := w.probed(t.TempDir())
	s := run(t, e)
	if want := map[geneval.Level]int{geneval.Hard: 2, geneval.Medium: 4, geneval.Easy: 2}; !reflect.DeepEqual(s.Levels, want) {
		t.Errorf("levels %v, want %v", s.Levels, want)
	}
	if s.Verify == nil || s.Verify.Rate != 0 || s.Verify.Pairs != 2*(2+2) {
		t.Errorf("discernment %+v", s.Verify)
	}
	for level, got := range s.Rows[5].Levels { // hopeful is always right at 8
		if least := math.Pow(0.025, 1/float64(s.Levels[level])); got.Mean != 1 || got.High != 1 || got.Low < least || got.Low > 0.9 {
			t.Errorf("%s: %+v", level, got)
		}
	}
	all := files(t, e.Dir)
	for _, name := range []string{"difficulty/00007/samples/0002.png", "difficulty/00007/metadata.jsonl"} {
		if all[name] == "" {
			t.Errorf("no %s", name)
		}
	}
}

// The seeds of the probes are not scored.
func TestProbeSeeds(t *testing.T) {
	w := newWorld(t, 6)
	e := w.probed(t.TempDir())
	asked := map[uint64]string{}
	watch := func(s geneval.Strategy) geneval.Strategy {
		inner := s.Search
		s.Search = func(ctx context.Context, job geneval.Job) error {
			for _, task := range job.Tasks {
				if was, ok := asked[task.Seed]; ok && (was == "difficulty") != (s.Name == "difficulty") {
					t.Errorf("%s and %s share a seed", was, s.Name)
				}
				asked[task.Seed] = s.Name
			}
			return inner(ctx, job)
		}
		return s
	}
	probe := watch(*e.Probe)
	e.Probe, e.Strategies = &probe, []geneval.Strategy{watch(e.Strategies[0])}
	run(t, e)
	if len(asked) != 6*3 { // two samples and the probe
		t.Errorf("%d seeds", len(asked))
	}
}

// Cut anywhere in difficulty.jsonl, what is complete is kept and the rest generated again.
func TestResumeProbes(t *testing.T) {
	w := newWorld(t, 4)
	whole := w.probed(filepath.Join(t.TempDir(), "whole"))
	run(t, whole)
	want := files(t, whole.Dir)
	lines := want["difficulty.jsonl"]
	for _, cut := range []int{0, 1, len(lines) / 2, len(lines) - 1, len(lines)} {
		dir := filepath.Join(t.TempDir(), "cut")
		if err := os.CopyFS(dir, os.DirFS(whole.Dir)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "difficulty.jsonl"), []byte(lines[:cut]), 0o644); err != nil {
			t.Fatal(err)
		}
		w.searches.Store(0)
		run(t, w.probed(dir))
		if got, want := int(w.searches.Load()), 4-strings.Count(lines[:cut], "\n"); got != want {
			t.Errorf("cut at %d: %d searches, want %d", cut, got, want)
		}
		if got := files(t, dir); !reflect.DeepEqual(got, want) {
			t.Errorf("cut at %d: the files differ", cut)
		}
	}
	for name, foreign := range map[string]string{
		"twice":  strings.Repeat(lines[:strings.Index(lines, "\n")+1], 2),
		"beyond": `{"index":99,"tag":"colors","prompt":"x","correct":[],"scores":[]}` + "\n",
		"uneven": `{"index":0,"tag":"colors","prompt":"x","correct":[true],"scores":[]}` + "\n",
	} {
		if err := os.WriteFile(filepath.Join(whole.Dir, "difficulty.jsonl"), []byte(foreign), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := w.probed(whole.Dir).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "difficulty.jsonl") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A strategy that plans with its budget is searched for each budget; one that does
// not pays for the largest alone.
func TestNestedBudgets(t *testing.T) {
	w := newWorld(t, 3)
	e := w.evaluation(t.TempDir())
	e.Samples = 1
	e.Strategies[1].Nested = false
	var paid []int
	for i, s := range e.Strategies {
		inner := s.Search
		e.Strategies[i].Search = func(ctx context.Context, job geneval.Job) error {
			paid = append(paid, job.Budget)
			return inner(ctx, job)
		}
	}
	want := run(t, e)
	if !reflect.DeepEqual(paid, []int{8, 1, 4, 8}) {
		t.Errorf("searches of %v images", paid)
	}
	if got := run(t, e); !reflect.DeepEqual(got, want) || len(paid) != 4 {
		t.Errorf("again: searches of %v images, %+v", paid, got)
	}
	if results := files(t, e.Dir)["results.jsonl"]; strings.Count(results, "\n") != 3*3*2 {
		t.Errorf("results:\n%s", results)
	}
	// Cut inside the groups of either strategy.
	lines := strings.SplitAfter(files(t, e.Dir)["results.jsonl"], "\n")
	for _, kept := range []int{4, 10, 13} {
		write(t, e.Dir, strings.Join(lines[:kept], "")+`{"filename":"cut`)
		if got := run(t, e); !reflect.DeepEqual(got, want) {
			t.Errorf("after a cut at line %d: %+v", kept, got)
		}
	}
}

// The meter counts the time in which something is generated, once for calls that
// overlap, and the summary has its share.
func TestMeter(t *testing.T) {
	w := newWorld(t, 2)
	e := w.evaluation(t.TempDir())
	e.Meter = &geneval.Meter{}
	engine := e.Meter.Watch(nothing{})
	for i, s := range e.Strategies {
		inner := s.Search
		e.Strategies[i].Search = func(ctx context.Context, job geneval.Job) error {
			if _, err := engine.Generate(ctx, make([]reflectionflow.Request, 3)); err != nil {
				return err
			}
			return inner(ctx, job)
		}
	}
	s := run(t, e)
	if s.Engine == nil || s.Engine.Images != 3*4 || s.Engine.Share <= 0 || s.Engine.Share > 1 {
		t.Errorf("%+v", s.Engine)
	}
}

type nothing struct{}

func (nothing) Generate(_ context.Context, r []reflectionflow.Request) ([]reflectionflow.Generation, error) {
	return make([]reflectionflow.Generation, len(r)), nil
}

// A search that pools its budget over the prompts of a job is asked for all of
// them again after an interruption; what was recorded stays.
func TestPooled(t *testing.T) {
	w := newWorld(t, 4)
	e := w.evaluation(t.TempDir())
	e.Samples, e.Budgets = 1, []int{2}
	e.Strategies = e.Strategies[1:]
	e.Strategies[0].Nested, e.Strategies[0].Pooled = false, true
	want := run(t, e)
	lines := strings.SplitAfter(files(t, e.Dir)["results.jsonl"], "\n")
	write(t, e.Dir, lines[0]+lines[1])
	w.searches.Store(0)
	if got := run(t, e); !reflect.DeepEqual(got, want) || w.searches.Load() != 4 {
		t.Errorf("%d searches, %+v", w.searches.Load(), got)
	}
	if run(t, e); w.searches.Load() != 4 {
		t.Error("a finished evaluation searched again")
	}
}
