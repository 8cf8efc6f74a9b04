package search_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"reflectionflow"
	"reflectionflow/search"
)

func tasks(n int) ([]search.Task, []*disk) {
	list, journals := make([]search.Task, n), make([]*disk, n)
	for i := range list {
		journals[i] = &disk{}
		list[i] = search.Task{Journal: journals[i], Prompt: reflectionflow.Prompt{
			Text: fmt.Sprintf("%d clocks", i+1),
			Requirements: []reflectionflow.Requirement{
				{Kind: reflectionflow.Exactly, Object: "clock", Count: i + 1},
			},
		}}
	}
	return list, journals
}

// TestRunMany: each result is that of Run alone, for any batch size and timing,
// interrupted or not.
func TestRunMany(t *testing.T) {
	const prompts = 7
	for seed := range uint64(12) {
		synctest.Test(t, func(t *testing.T) {
			cfg := config(search.Reflection, 2, 7)
			cfg.EarlyStop, cfg.Batch = true, int(seed%4)*3
			list, journals := tasks(prompts)
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(seed)*3*time.Second)
			defer cancel()
			slow := func() *search.Search {
				return &search.Search{
					Generator: &fakeGenerator{pause: pauses(seed)}, Verifier: &fakeVerifier{pause: pauses(seed + 1)},
					Reflector: fakeWriter{pause: pauses(seed + 2)}, Refiner: fakeWriter{},
				}
			}
			if res, err := slow().RunMany(ctx, list, cfg); err != nil && (!errors.Is(err, context.DeadlineExceeded) || len(res) != prompts) {
				t.Fatalf("%d results, error %v", len(res), err)
			}
			results, err := slow().RunMany(t.Context(), list, cfg)
			if err != nil {
				t.Fatal(err)
			}
			for i, res := range results {
				s, alone := fakes(), &disk{}
				s.Journal = alone
				want, err := s.Run(t.Context(), list[i].Prompt, cfg)
				if err != nil {
					t.Fatal(err)
				}
				if got, want := encode(t, res), encode(t, want); got != want {
					t.Errorf("prompt %d: got\n%s\nwant\n%s", i, got, want)
				}
				if journals[i].text() != alone.text() {
					t.Errorf("prompt %d: the journal differs", i)
				}
			}
		})
	}
}

// TestBatchesFill: chains of width 1 fill batches of 4 across prompts, and the
// first prompts end first.
func TestBatchesFill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &fakeGenerator{pause: sleep(time.Second)}
		var stopped []int
		begun := 0 // prompts with an image before the first prompt was through
		s := &search.Search{
			Generator: p, Verifier: &fakeVerifier{pause: sleep(time.Second)}, Reflector: fakeWriter{}, Refiner: fakeWriter{},
			Notify: func(e search.Event) {
				if e.Kind == search.Generated && len(stopped) == 0 {
					begun = max(begun, e.Task+1)
				}
				if e.Kind == search.Stopped {
					stopped = append(stopped, e.Task)
				}
			},
		}
		cfg := config(search.Reflection, 1, 4)
		cfg.Batch = 4
		list, _ := tasks(32)
		if _, err := s.RunMany(t.Context(), list, cfg); err != nil {
			t.Fatal(err)
		}
		if n := len(p.batches); n > 36 {
			t.Errorf("%d batches for 128 images", n)
		}
		if begun > 16 {
			t.Errorf("%d prompts were begun before the first was through: their images fill the memory", begun)
		}
		if len(stopped) != 32 || stopped[0] > 3 || stopped[31] < 28 {
			t.Errorf("the prompts ended in the order %v", stopped)
		}
	})
}

// TestOneBadPrompt: a prompt without images leaves the others alone.
func TestOneBadPrompt(t *testing.T) {
	s := fakes()
	s.Generator = &fakeGenerator{fail: func(r reflectionflow.Request) error {
		if strings.HasPrefix(r.Prompt, "2 ") {
			return errBroken
		}
		return nil
	}}
	list, _ := tasks(3)
	results, err := s.RunMany(t.Context(), list, config(search.Reflection, 2, 6))
	if err == nil || !strings.Contains(err.Error(), `prompt 2, "`) {
		t.Errorf("got error %v", err)
	}
	for i, want := range []int{6, 6, 6} {
		if got := len(results[i].Candidates); got != want || (results[i].Best < 0) != (i == 1) {
			t.Errorf("prompt %d: %d candidates, best %d; want %d", i, got, results[i].Best, want)
		}
	}
}

// TestTaskSeed: a task's own seed does what the configuration's would.
func TestTaskSeed(t *testing.T) {
	list, _ := tasks(2)
	list[1].Seed = 77
	cfg := config(search.Reflection, 2, 4)
	results, err := fakes().RunMany(t.Context(), list, cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i, seed := range []uint64{cfg.Seed, 77} {
		alone := cfg
		alone.Seed = seed
		want, err := fakes().Run(t.Context(), list[i].Prompt, alone)
		if err != nil {
			t.Fatal(err)
		}
		if encode(t, results[i]) != encode(t, want) {
			t.Errorf("prompt %d is not that of seed %d", i, seed)
		}
	}
}

func TestNoPrompts(t *testing.T) {
	if res, err := fakes().RunMany(t.Context(), nil, config(search.Noise, 1, 1)); len(res) != 0 || err != nil {
		t.Errorf("got %v, %v", res, err)
	}
}

// TestForeignJournalAmongMany: nothing is generated when one journal is refused.
func TestForeignJournalAmongMany(t *testing.T) {
	list, _ := tasks(2)
	list[1].Journal = list[0].Journal
	cfg := config(search.Noise, 2, 4)
	if _, err := fakes().RunMany(t.Context(), list[:1], cfg); err != nil {
		t.Fatal(err)
	}
	list[0].Journal = &disk{}
	s := fakes()
	_, err := s.RunMany(t.Context(), list, cfg)
	if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(err.Error(), "prompt 2: ") {
		t.Errorf("got error %v", err)
	}
	if n := len(s.Generator.(*fakeGenerator).requests()); n != 0 {
		t.Errorf("generated %d images", n)
	}
}
