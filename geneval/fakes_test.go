package geneval_test

import (
	"context"
	"errors"
	"image"
	"image/color"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"reflectionflow"
	"reflectionflow/clipart"
	"reflectionflow/geneval"
)

// blind is a judge that sees nothing.
type blind struct{}

func (blind) Detect(_ context.Context, images []image.Image) ([][]reflectionflow.Object, error) {
	return make([][]reflectionflow.Object, len(images)), nil
}

type calibrated struct {
	blind
	thresholds geneval.Thresholds
}

func (c calibrated) Thresholds() geneval.Thresholds { return c.thresholds }

// world generates images of four pixels that encode the prompt's number and whether the
// image is right, and judges them.
type world struct {
	prompts  []geneval.Metadata
	truth    [][]reflectionflow.Object // the objects of a right image
	searches atomic.Int64
	judged   atomic.Int64
}

func newWorld(t testing.TB, n int) *world {
	t.Helper()
	prompts, err := geneval.Builtin(clipart.Tasks(), clipart.Test, nil, n, 3)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{prompts: prompts}
	for _, m := range prompts {
		p, err := m.AsPrompt()
		if err != nil {
			t.Fatal(err)
		}
		scene, err := clipart.Layout(p.Requirements, rand.New(rand.NewPCG(1, 1)))
		if err != nil {
			t.Fatal(err)
		}
		truth, err := scene.Truth(128, 128)
		if err != nil {
			t.Fatal(err)
		}
		w.truth = append(w.truth, truth)
	}
	return w
}

func (w *world) Detect(_ context.Context, images []image.Image) ([][]reflectionflow.Object, error) {
	found := make([][]reflectionflow.Object, len(images))
	for i, img := range images {
		w.judged.Add(1)
		if c := img.At(0, 0).(color.NRGBA); c.G == 1 {
			found[i] = w.truth[c.R]
		}
	}
	return found, nil
}

// planned is one candidate of the fake strategies: its score and whether it is right.
type planned struct {
	score  float64
	right  bool
	failed bool // permanently
	flaky  bool // for now
}

// strategy generates the images of plan, at most the budget, and counts its searches.
func (w *world) strategy(name string, plan func(prompt int, seed uint64) []planned) geneval.Strategy {
	return geneval.Strategy{Arm: geneval.Arm{Name: name, Kind: name, Nested: true}, Search: func(ctx context.Context, job geneval.Job) error {
		for i, task := range job.Tasks {
			if err := ctx.Err(); err != nil {
				return err
			}
			w.searches.Add(1)
			prompt := slices.IndexFunc(w.prompts, func(m geneval.Metadata) bool { return m.Prompt == task.Prompt.Text })
			if err := job.Done(i, trajectory(prompt, job.Budget, plan(prompt, task.Seed))); err != nil {
				return err
			}
		}
		return nil
	}}
}

func trajectory(prompt, budget int, plan []planned) geneval.Trajectory {
	var t geneval.Trajectory
	for id, d := range plan[:min(budget, len(plan))] {
		c := reflectionflow.Candidate{
			ID: id, Parent: -1, Score: reflectionflow.Score{Value: d.score},
			Cost: reflectionflow.Cost{Images: 1, DenoiseSteps: 20, VerifierCalls: 1, Seconds: 0.5},
		}
		var img image.Image
		if d.failed || d.flaky {
			c.Error, c.Permanent = "the engine is on fire", d.failed
		} else {
			m := image.NewNRGBA(image.Rect(0, 0, 2, 2))
			right := uint8(0)
			if d.right {
				right = 1
			}
			m.SetNRGBA(0, 0, color.NRGBA{R: uint8(prompt), G: right, B: uint8(id), A: 255})
			img = m
		}
		t.Candidates, t.Images = append(t.Candidates, c), append(t.Images, img)
	}
	return t
}

// lucky generates eight images, of which a third are right, with informative scores.
func lucky(_ int, seed uint64) []planned {
	rng := rand.New(rand.NewPCG(seed, 0))
	plan := make([]planned, 8)
	for i := range plan {
		plan[i].right = rng.IntN(3) == 0
		plan[i].score = rng.Float64()
		if plan[i].right {
			plan[i].score += 0.5
		}
	}
	return plan
}

// hopeful is right from the third image on and stops at the fourth.
func hopeful(int, uint64) []planned {
	return []planned{{score: 1}, {score: 2}, {score: 3, right: true}, {score: 2.5}}
}

var errBroken = errors.New("the judge is ill")
