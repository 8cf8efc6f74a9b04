package jobs_test

import (
	"context"
	"fmt"
	"image"
	"slices"
	"sync"
	"testing"

	"reflectionflow"
	"reflectionflow/internal/jobs"
	"reflectionflow/search"
)

// shaded generates an image whose shade its seed decides.
func shaded(_ context.Context, r reflectionflow.Request) (image.Image, error) {
	return picture(uint8(r.Seed)), nil
}

// alike finds the same in every image.
func alike(context.Context, reflectionflow.PromptedImage) (reflectionflow.Score, error) {
	return reflectionflow.Score{Value: .5}, nil
}

// brighter is a comparer that prefers the brighter image. It waits at the comparison stopAt
// until its search ends; 0 is never.
type brighter struct {
	mutex   sync.Mutex
	asked   []string // pairs, by shades
	stopAt  int
	waiting chan struct{} // closed when it waits
}

func (b *brighter) Compare(ctx context.Context, pairs []reflectionflow.Pair) ([]reflectionflow.Preference, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	list := make([]reflectionflow.Preference, len(pairs))
	for i, p := range pairs {
		first, _, _, _ := p.First.At(3, 4).RGBA()
		second, _, _, _ := p.Second.At(3, 4).RGBA()
		b.asked = append(b.asked, fmt.Sprint(first>>8, " ", second>>8))
		list[i] = reflectionflow.Preference{First: .1, Shown: .5, Cost: reflectionflow.Cost{VerifierCalls: 2, USD: .25}}
		if first > second {
			list[i].First = .9
		}
	}
	if len(b.asked) == b.stopAt {
		close(b.waiting)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return list, nil
}

// compare runs a search of four images whose verifier cannot tell them apart.
func compare(c reflectionflow.Comparer, found *reflectionflow.Result) func(context.Context, *jobs.Run) (jobs.Outcome, error) {
	return func(ctx context.Context, r *jobs.Run) (jobs.Outcome, error) {
		s := &search.Search{Generator: reflectionflow.GeneratorFunc(shaded), Verifier: reflectionflow.VerifierFunc(alike), Comparer: c, Journal: r}
		cfg := search.Default(search.Noise)
		cfg.Budget.Images, cfg.EarlyStop, cfg.Batch = 4, false, 1
		cfg.ImageWidth, cfg.ImageHeight, cfg.Steps, cfg.Seed = 16, 16, 1, 5
		result, err := s.Run(ctx, reflectionflow.Prompt{Text: r.Spec.Prompt}, cfg)
		*found = result
		return jobs.Outcome{Best: result.Best, Stopped: result.Stopped, Cost: result.Cost, Tiebreak: result.Tiebreak}, err
	}
}

// TestResumeBetweenComparisons stops a server while it makes the second comparison of three.
// The next one asks for that and the third, and ends as a server that was left alone.
func TestResumeBetweenComparisons(t *testing.T) {
	var whole, part reflectionflow.Result
	calm := &brighter{}
	q := open(t, embedded(t), jobs.Options{})
	job, err := q.Submit(t.Context(), jobs.Spec{Prompt: "two clocks"}, "")
	if err != nil {
		t.Fatal(err)
	}
	work(t, q, 1, compare(calm, &whole))
	want := ended(t, q, job.ID)
	if len(calm.asked) != 3 || want.Outcome.Best == 0 || want.Outcome.Tiebreak == nil {
		t.Fatalf("left alone it compares %q and ends as %+v with error %q", calm.asked, want.Outcome, want.Error)
	}

	q = open(t, embedded(t), jobs.Options{})
	job, err = q.Submit(t.Context(), jobs.Spec{Prompt: "two clocks"}, "")
	if err != nil {
		t.Fatal(err)
	}
	stopped := &brighter{stopAt: 2, waiting: make(chan struct{})}
	stop := work(t, q, 1, compare(stopped, &part))
	<-stopped.waiting
	stop()
	compared := func() (n int) {
		for _, kind := range kinds(t, q, job.ID) {
			if kind == jobs.KindCompared {
				n++
			}
		}
		return n
	}
	if n := compared(); n != 1 {
		t.Errorf("%d comparisons are stored, want the first", n)
	}
	resumed := &brighter{}
	work(t, q, 1, compare(resumed, &part))
	got := ended(t, q, job.ID)
	if !slices.Equal(resumed.asked, calm.asked[1:]) || compared() != 3 {
		t.Errorf("resumed, it compares %q, want %q", resumed.asked, calm.asked[1:])
	}
	if fmt.Sprintf("%+v", *got.Outcome.Tiebreak) != fmt.Sprintf("%+v", *want.Outcome.Tiebreak) || got.Outcome.Best != want.Outcome.Best || got.Outcome.Cost.USD != .75 {
		t.Errorf("it ends as %+v, want %+v", got.Outcome, want.Outcome)
	}
}
