package search

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"reflectionflow"
)

// Search wires the loop to what draws and judges. It holds no state of its own:
// several calls may run at once if its parts allow it, as the contracts demand.
type Search struct {
	Generator reflectionflow.Generator
	Verifier  reflectionflow.Verifier
	Reflector reflectionflow.Reflector // needed for the reflection axis only
	Refiner   reflectionflow.Refiner   // needed for the prompt axis only
	// Journal remembers finished candidates for [Search.Run]; nil forgets.
	Journal Journal
	// Notify is told what happens, from the goroutine that called Run or RunMany;
	// nil is told nothing. The search waits while it runs.
	Notify func(Event)
	// Elapsed is the time already spent on the search, earlier sittings included,
	// for Budget.Seconds. Nil measures from the beginning of the call.
	Elapsed func() time.Duration
}

// Task is one prompt of [Search.RunMany].
type Task struct {
	Prompt  reflectionflow.Prompt
	Journal Journal // of its own; nil forgets
	// Seed takes the place of Config.Seed, unless it is 0.
	Seed uint64
}

// Run searches for the best image of a prompt.
//
// A candidate that failed alone keeps its ID, counts in the budget and carries
// its error; the others are not touched. If the first width candidates and all
// that were begun meanwhile failed, the search ends with an error. An error of a
// whole call to the generator, verifier, reflector, refiner or journal ends it
// too; what was drawn before is still verified and recorded. When ctx ends, what
// was verified before is still recorded and ctx.Err() is returned. With an error
// comes the Result so far, with Stopped empty. Bad input wraps
// [reflectionflow.ErrInvalid].
//
// In the Result, Request.Reference is nil: the candidate's Parent names it. The
// pictures are in the journal ([Memory] is one) and pass by in Notify.
func (s *Search) Run(ctx context.Context, prompt reflectionflow.Prompt, cfg Config) (reflectionflow.Result, error) {
	results, err := s.RunMany(ctx, []Task{{Prompt: prompt, Journal: s.Journal}}, cfg)
	if len(results) == 0 {
		return reflectionflow.Result{Prompt: prompt, Best: -1}, err
	}
	return results[0], err
}

// RunMany searches for several prompts at once, so that batches fill across
// chains and prompts. Earlier prompts come first; later ones fill the gaps. Each
// result, in the order of the tasks, is that of [Search.Run] alone, unless the
// tasks share their budgets (see [AdaptiveConfig]): then it depends on the other tasks
// of the call, and resuming needs all of them again. A prompt that
// nothing could be drawn for adds its error to the one returned and does not
// touch the others.
func (s *Search) RunMany(ctx context.Context, tasks []Task, cfg Config) ([]reflectionflow.Result, error) {
	if err := s.validate(tasks, cfg); err != nil {
		return nil, err
	}
	r := &run{Search: s, cfg: cfg, elapsed: s.Elapsed}
	if r.elapsed == nil {
		begin := time.Now()
		r.elapsed = func() time.Duration { return time.Since(begin) }
	}
	for i, task := range tasks {
		r.lanes = append(r.lanes, newLane(i, task, cfg))
	}
	if cfg.Adaptive != nil {
		r.allot()
	}
	err := r.loop(ctx)
	results := make([]reflectionflow.Result, len(r.lanes))
	for i, l := range r.lanes {
		results[i] = l.result()
	}
	return results, err
}

func (s *Search) validate(tasks []Task, cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	switch {
	case s.Generator == nil:
		return invalid("a search needs a generator")
	case s.Verifier == nil:
		return invalid("a search needs a verifier")
	case s.Reflector == nil && cfg.Axes.Reflection:
		return invalid("the reflection axis needs a reflector")
	case s.Refiner == nil && cfg.Axes.Prompt:
		return invalid("the prompt axis needs a refiner")
	}
	for i, task := range tasks {
		if err := task.Prompt.Validate(); err != nil {
			return fmt.Errorf("prompt %d: %w", i, err)
		}
	}
	return nil
}

// loop keeps the stages busy until every lane is settled, or until one stage
// fails or ctx ends and what was under way is brought home.
func (r *run) loop(ctx context.Context) error {
	r.pipe = r.newPipeline(ctx)
	defer r.pipe.close(recordStage)
	var failure error
	for {
		if failure == nil {
			failure = r.admit()
		}
		if r.settled() {
			r.pipe.drain()
			return r.noImages()
		}
		if failure == nil {
			failure = ctx.Err()
		}
		if failure != nil {
			r.pipe.close(drawStage)
		}
		if !r.pipe.start() {
			return failure
		}
		d := r.pipe.wait()
		if d.err == nil {
			r.advance(d)
			continue
		}
		r.pipe.close(d.stage)
		if failure == nil {
			failure = cmp.Or(ctx.Err(), d.err)
		}
	}
}
