package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"reflectionflow"
)

// Options adapts a suite to an implementation; the zero value is the full suite.
type Options struct {
	// Expensive is for implementations that take seconds per sample: only the first
	// two samples are used, and each check makes as few calls as can show a fault.
	Expensive bool
}

// contract is a batch method with the rules for its samples and answers.
type contract[In, Out any] struct {
	call    func(context.Context, []In) ([]Out, error)
	samples []In
	options Options
	// valid says what is wrong with an answer on its own.
	valid func(In, Out) error
	// same says how two answers to one sample differ.
	same func(a, b Out) error
	// invalid are samples that must be refused, by what is wrong with them.
	invalid []sample[In]
	// moved gives a sample the same pixels in another form; false if it has none.
	moved func(In) (In, bool)
	// fingerprint tells whether a call has written to its sample.
	fingerprint func(In) uint64
}

type sample[In any] struct {
	name string
	in   In
}

// check is one rule of a contract.
type check struct {
	name string
	run  func(context.Context) error
}

func (c contract[In, Out]) run(t *testing.T) {
	t.Helper()
	if len(c.samples) < 2 {
		t.Fatalf("the suite needs 2 samples or more, got %d", len(c.samples))
	}
	runChecks(t, c.checks())
}

func runChecks(t *testing.T, checks []check) {
	t.Helper()
	for _, check := range checks {
		t.Run(check.name, func(t *testing.T) {
			if err := check.run(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func (c contract[In, Out]) checks() []check {
	if c.options.Expensive {
		c.samples = c.samples[:2]
	}
	checks := []check{
		{"empty batch", c.emptyBatch},
		{"ended context", c.endedContext},
		{"cancelled call", c.cancelledCall},
		{"alone and in any order", c.order},
		{"concurrent calls", c.concurrent},
		{"image form", c.imageForm},
	}
	for _, bad := range c.invalid {
		checks = append(checks, check{"invalid " + bad.name, func(ctx context.Context) error {
			return c.refuses(ctx, bad.in)
		}})
	}
	return checks
}

// answers calls with a batch and checks each answer on its own.
func (c contract[In, Out]) answers(ctx context.Context, batch []In) ([]Out, error) {
	var before []uint64
	for _, in := range batch {
		before = append(before, c.fingerprint(in))
	}
	outs, err := c.call(ctx, batch)
	if err != nil {
		return nil, err
	}
	if len(outs) != len(batch) {
		return nil, fmt.Errorf("%d answers to %d samples", len(outs), len(batch))
	}
	for i, out := range outs {
		if c.fingerprint(batch[i]) != before[i] {
			return nil, fmt.Errorf("the call wrote to sample %d", i)
		}
		if err := c.valid(batch[i], out); err != nil {
			return nil, fmt.Errorf("answer %d: %w", i, err)
		}
	}
	return outs, nil
}

func (c contract[In, Out]) emptyBatch(ctx context.Context) error {
	_, err := c.answers(ctx, nil)
	return err
}

// endedContext: a call that begins after the end of ctx returns its error.
func (c contract[In, Out]) endedContext(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.call(ctx, c.samples); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("got error %v, want context.Canceled", err)
	}
	return nil
}

// cancelledCall: a call that is cancelled returns all answers or ctx.Err(), and never an
// answer that the cancellation spoiled.
func (c contract[In, Out]) cancelledCall(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	time.AfterFunc(time.Millisecond, cancel) // most calls are under way by then
	_, err := c.answers(ctx, c.samples)
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("want all answers or context.Canceled: %w", err)
	}
	return nil
}

// order: answers come in the order of the samples, and depend neither on the
// batch nor on earlier calls.
func (c contract[In, Out]) order(ctx context.Context) error {
	want, err := c.answers(ctx, c.samples)
	if err != nil {
		return fmt.Errorf("the whole batch: %w", err)
	}
	reversed := slices.Clone(c.samples)
	slices.Reverse(reversed)
	got, err := c.answers(ctx, reversed)
	if err != nil {
		return fmt.Errorf("the batch reversed: %w", err)
	}
	slices.Reverse(got)
	for i := range want {
		if err := c.same(want[i], got[i]); err != nil {
			return fmt.Errorf("sample %d in a reversed batch: %w", i, err)
		}
	}
	alone := len(c.samples)
	if c.options.Expensive {
		alone = 1
	}
	for i := range alone {
		got, err := c.answers(ctx, c.samples[i:i+1])
		if err != nil {
			return fmt.Errorf("sample %d alone: %w", i, err)
		}
		if err := c.same(want[i], got[0]); err != nil {
			return fmt.Errorf("sample %d alone: %w", i, err)
		}
	}
	return nil
}

// concurrent: concurrent calls answer as sequential calls do.
func (c contract[In, Out]) concurrent(ctx context.Context) error {
	calls := 2 * len(c.samples)
	if c.options.Expensive {
		calls = 2
	}
	outs, errs := make([]Out, calls), make([]error, calls)
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			n := i % len(c.samples)
			var got []Out
			if got, errs[i] = c.answers(ctx, c.samples[n:n+1]); errs[i] == nil {
				outs[i] = got[0]
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	want, err := c.answers(ctx, c.samples)
	if err != nil {
		return err
	}
	for i, out := range outs {
		if err := c.same(want[i%len(want)], out); err != nil {
			return fmt.Errorf("sample %d with concurrent calls: %w", i%len(want), err)
		}
	}
	return nil
}

// imageForm: the pixels of an image count, not its Go type or its origin, for a resumed
// search reads its images from files.
func (c contract[In, Out]) imageForm(ctx context.Context) error {
	for i, in := range c.samples {
		other, ok := c.moved(in)
		if !ok {
			continue
		}
		want, err := c.answers(ctx, []In{in})
		if err != nil {
			return err
		}
		got, err := c.answers(ctx, []In{other})
		if err != nil {
			return fmt.Errorf("sample %d as *image.NRGBA away from the origin: %w", i, err)
		}
		if err := c.same(want[0], got[0]); err != nil {
			return fmt.Errorf("sample %d as *image.NRGBA away from the origin: %w", i, err)
		}
		if c.options.Expensive {
			return nil
		}
	}
	return nil
}

// refuses: a batch with a bad sample is refused whole.
func (c contract[In, Out]) refuses(ctx context.Context, bad In) error {
	outs, err := c.call(ctx, []In{c.samples[0], bad})
	if !errors.Is(err, reflectionflow.ErrInvalid) {
		return fmt.Errorf("got error %v, want one that wraps ErrInvalid", err)
	}
	if len(outs) > 0 {
		return fmt.Errorf("got %d answers with the error", len(outs))
	}
	return nil
}
