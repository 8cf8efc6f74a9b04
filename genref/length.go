package genref

import (
	"context"
	"fmt"
	"strings"

	"reflectionflow"
)

// Length is the source of the subset length (arXiv 2504.16080 §4.1): the enhanced image is
// generated from a long prompt, the flawed one from its short summary. Both start from the
// same noise, so that they differ only by the prompt. The triplet has the short prompt.
type Length struct {
	Engine
	// Refiner writes the long wording of a short prompt.
	Refiner reflectionflow.Refiner
	// Verifier scores both images. Pairs whose enhanced image scores no higher are skipped.
	Verifier reflectionflow.Verifier
	Config   ImageConfig
}

var _ Source = (*Length)(nil)

// Fill implements [Source].
func (l *Length) Fill(ctx context.Context, shard FillRequest) (FillResult, error) {
	if err := l.Config.Validate(); err != nil {
		return FillResult{}, err
	}
	f := lengthFiller{
		filler: filler{Engine: l.Engine, subset: "length", source: "length", verifiers: []reflectionflow.Verifier{l.Verifier}, shard: shard},
		Length: l,
	}
	return f.fill(ctx, f.batch, f.pair)
}

type lengthFiller struct {
	filler
	*Length
}

// batch samples prompts and lengthens them. A prompt without a longer wording has no
// attempts.
func (f *lengthFiller) batch(ctx context.Context) ([]task, error) {
	tasks, err := f.tasks(1, f.Config)
	if err != nil {
		return nil, err
	}
	observations := make([]reflectionflow.Observation, len(tasks))
	for i, t := range tasks {
		observations[i] = reflectionflow.Observation{Prompt: t.prompt, Seed: t.attempts[0].request.Seed}
	}
	longer, err := f.Refiner.Refine(ctx, observations)
	if err != nil {
		return nil, fmt.Errorf("lengthen prompts: %w", err)
	}
	if len(longer) != len(tasks) {
		return nil, fmt.Errorf("the refiner returned %d wordings for %d prompts", len(longer), len(tasks))
	}
	for i := range tasks {
		t := &tasks[i]
		if len(strings.Fields(longer[i].Text)) <= len(strings.Fields(t.prompt.Text)) {
			t.attempts = nil
			continue
		}
		long := f.Config.request(longer[i].Text, t.attempts[0].request.Seed)
		long.PooledPrompt = t.prompt.Text // as a search generates from a refined prompt
		t.attempts = append(t.attempts, attempt{request: long})
	}
	return tasks, nil
}

// pair adds the triplet of a prompt.
func (f *lengthFiller) pair(ctx context.Context, t task) error {
	generated := t.judged()
	switch {
	case len(t.attempts) == 0:
		f.skipped[SkippedNoLonger]++
		return nil
	case len(generated) < 2:
		f.skipped[SkippedNoPair]++
		return nil
	}
	short, long := generated[0], generated[1]
	apart := distance(opaque(short.img), opaque(long.img))
	switch {
	case apart == 0:
		f.skipped[SkippedSame]++
		return nil
	case long.value <= short.value:
		f.skipped[SkippedNoBetter]++
		return nil
	}
	reflection, err := f.reflect(ctx, t.prompt, short)
	if err != nil {
		return err
	}
	if reflection == "" { // the image meets the short prompt; the long one says what to add
		reflection = long.request.Prompt
	}
	return f.add(pairing{t.prompt, long, short, reflection, Provenance{Distance: apart, Prompt: long.request.Prompt}})
}
