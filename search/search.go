package search

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"reflectionflow"
)

// Search connects the parts of a search. It holds no state of its own: several calls
// may run concurrently, as the contracts of the parts demand.
type Search struct {
	Generator reflectionflow.Generator
	Verifier  reflectionflow.Verifier
	Reflector reflectionflow.Reflector // needed for the reflection axis
	Refiner   reflectionflow.Refiner   // needed for the prompt axis
	// Comparer chooses among candidates that share the highest value, at most 8 of a
	// prompt: see [reflectionflow.Tiebreak]. Nil leaves the one with the lowest ID.
	Comparer reflectionflow.Comparer
	// Journal keeps finished candidates for [Search.Run]. Without one, the result has
	// the best image, and an interrupted search starts over.
	Journal Journal
	// Notify receives the events, in the goroutine that called Run or RunMany; nil
	// for none. The search waits while it runs.
	Notify func(Event)
	// Around, unless nil, is called before each call to a part, in the goroutine of the
	// call: "generate", "verify", "reflect" or "refine", with the IDs of the candidates that
	// the call is for, or "compare" without any. The call gets the context, and done its
	// error. It changes nothing that the search finds.
	Around func(ctx context.Context, call string, candidates []int) (_ context.Context, done func(error))
	// Elapsed returns the time already spent on the search, earlier calls included,
	// for Budget.Seconds. Nil measures from the start of the call.
	Elapsed func() time.Duration
}

// Task is one prompt of [Search.RunMany].
type Task struct {
	Prompt  reflectionflow.Prompt
	Journal Journal // of this prompt; nil keeps the best image in the result
	// Seed replaces Config.Seed, unless it is 0.
	Seed uint64
}

// Run searches for the best image of a prompt.
//
// A candidate whose image failed keeps its ID, counts in the budget and carries its
// error. The chain continues from its best image or, where it has none, from new noise;
// a prompt that the generator refused permanently is rewritten where there is a refiner.
// After 8 failures in a row, or width if that is more, the search stops with
// [reflectionflow.StoppedFailed]. A search that is resumed from its journal tries the
// places of failed candidates again, unless their failures are permanent.
//
// A call to the generator that fails as a whole is made three times before its error
// ends the search, unless the failure is permanent. An error of a call to the verifier,
// reflector, refiner, comparer or journal ends the search at once. Images generated before are
// still verified and recorded. When ctx ends, verified images are still recorded and
// ctx.Err() is returned. A search without an image, or without a verdict on any, is an
// error. With an error comes the Result so far. Bad input wraps
// [reflectionflow.ErrInvalid].
//
// The Result has the best image unless there is a journal; [Memory] is one that keeps
// every image. Request.Reference is nil in it: the candidate's Parent names the image.
func (s *Search) Run(ctx context.Context, prompt reflectionflow.Prompt, cfg Config) (reflectionflow.Result, error) {
	results, err := s.RunMany(ctx, []Task{{Prompt: prompt, Journal: s.Journal}}, cfg)
	if len(results) == 0 {
		return reflectionflow.Result{Prompt: prompt, Best: -1}, err
	}
	return results[0], err
}

// RunMany searches for several prompts concurrently, so that batches fill across chains
// and prompts. Earlier prompts come first; later ones fill the gaps. Each result, in
// the order of the tasks, is that of [Search.Run] alone, unless the tasks share their
// budgets (see [AdaptiveConfig]): then it depends on the other tasks of the call, and
// resuming needs all of them. A prompt without a result adds its error to the one
// returned and does not touch the others.
func (s *Search) RunMany(ctx context.Context, tasks []Task, cfg Config) ([]reflectionflow.Result, error) {
	if err := s.Check(cfg, promptsOf(tasks)...); err != nil {
		return nil, err
	}
	r := &run{Search: s, cfg: cfg, elapsed: s.Elapsed}
	if r.elapsed == nil {
		begin := time.Now()
		r.elapsed = func() time.Duration { return time.Since(begin) }
	}
	for i, task := range tasks {
		r.open(i, task)
	}
	err := r.loop(ctx)
	results := make([]reflectionflow.Result, len(r.searches))
	for i, p := range r.searches {
		results[i] = p.result()
	}
	return results, err
}

// Check reports what [Search.Run] would refuse for a prompt, and without prompts what it
// would refuse for any, as an error wrapping [reflectionflow.ErrInvalid]. It generates
// nothing.
func (s *Search) Check(cfg Config, prompts ...reflectionflow.Prompt) error {
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
	if err := s.checkReflection(cfg); err != nil {
		return err
	}
	for i, prompt := range prompts {
		if err := prompt.Validate(); err != nil {
			return fmt.Errorf("prompt %d: %w", i+1, err)
		}
		if err := reflectionflow.CheckRequest(s.Generator, cfg.request(prompt)); err != nil {
			return fmt.Errorf("prompt %d: %w", i+1, err)
		}
		if !cfg.Corrects() {
			continue
		}
		if err := reflectionflow.CheckCorrection(s.Generator, cfg.request(prompt)); err != nil {
			return fmt.Errorf("prompt %d: %w: use a generator that corrects images, or strategy %q", i+1, err, NoisePrompt)
		}
	}
	return nil
}

func promptsOf(tasks []Task) []reflectionflow.Prompt {
	prompts := make([]reflectionflow.Prompt, len(tasks))
	for i, task := range tasks {
		prompts[i] = task.Prompt
	}
	return prompts
}

// checkReflection reports a verifier and a reflector that cannot correct images
// together.
func (s *Search) checkReflection(cfg Config) error {
	if cfg.Corrects() && reflectionflow.NeedsFindings(s.Reflector) && !reflectionflow.AbilitiesOf(s.Verifier).Findings() {
		return invalid("the reflector works from findings and the verifier gives none, so no image would be corrected: "+
			"use a verifier with findings, a reflector that looks at the image, or strategy %q", NoisePrompt)
	}
	return nil
}

// loop keeps the stages busy until every search is settled, or until one stage fails
// or ctx ends and later stages have completed what had reached them.
func (r *run) loop(ctx context.Context) error {
	r.pipe = r.newPipeline(ctx)
	defer r.pipe.close(compareStage)
	var failure error
	for {
		if failure == nil {
			failure = r.admit()
		}
		if r.settled() {
			r.pipe.drain()
			return r.failures()
		}
		if failure == nil {
			failure = ctx.Err()
		}
		if failure != nil {
			r.pipe.close(generateStage)
			r.pipe.shut(compareStage) // paid comparisons are for a search that succeeds
		}
		if !r.pipe.start() {
			return failure
		}
		d := r.pipe.wait()
		if d.err == nil {
			r.advance(d)
			continue
		}
		if d.stage != compareStage {
			r.pipe.close(d.stage)
		}
		if failure == nil {
			failure = cmp.Or(ctx.Err(), d.err)
		}
	}
}
