package genref

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"math/rand/v2"
	"slices"

	"reflectionflow"
)

// Rule is the source of the subset rule (arXiv 2504.16080 §4.1): a model generates several
// images per prompt, and a verifier checks the requirements. Each wrong image is paired
// with the most similar right image of its prompt, so that they differ in little but the
// mistake.
type Rule struct {
	Engine
	Verifier reflectionflow.Verifier // must return a finding per requirement
	Config   RuleConfig
}

// RuleConfig sets how images are generated and paired.
type RuleConfig struct {
	Images   int `json:"images"`    // images per prompt, from 2 to 1024
	MaxPairs int `json:"max_pairs"` // largest number of triplets per prompt; the most similar pairs come first
	ImageConfig
}

// Validate reports settings out of range, as an error wrapping
// [reflectionflow.ErrInvalid].
func (c RuleConfig) Validate() error {
	if err := checkImages(c.Images); err != nil {
		return err
	}
	if c.MaxPairs < 1 {
		return fmt.Errorf("%w: %d pairs per prompt: must be 1 or more", reflectionflow.ErrInvalid, c.MaxPairs)
	}
	return c.ImageConfig.Validate()
}

// Settings encodes the settings of a source for [Plan.Settings].
func Settings(config any) (json.RawMessage, error) {
	data, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("encode settings: %w", err)
	}
	return data, nil
}

var _ Source = (*Rule)(nil)

// Fill implements [Source].
func (r *Rule) Fill(ctx context.Context, shard FillRequest) (FillResult, error) {
	if err := r.Config.Validate(); err != nil {
		return FillResult{}, err
	}
	f := ruleFiller{
		filler:   filler{Engine: r.Engine, subset: "rule", source: "rule", verifiers: []reflectionflow.Verifier{r.Verifier}, shard: shard},
		maxPairs: r.Config.MaxPairs,
	}
	return f.fill(ctx, func(context.Context) ([]task, error) { return f.tasks(r.Config.Images, r.Config.ImageConfig) }, f.pair)
}

// tasks samples the next prompts, with n seeds for each.
func (f *filler) tasks(n int, c ImageConfig) ([]task, error) {
	tasks := make([]task, c.Batch)
	for i := range tasks {
		p, err := f.Prompts(f.shard.Random)
		if err != nil {
			return nil, err
		}
		tasks[i].prompt = p
		for range n {
			tasks[i].attempts = append(tasks[i].attempts, attempt{request: c.request(p.Text, newSeed(f.shard.Random))})
		}
	}
	return tasks, nil
}

// newSeed returns a random seed from 0 to [reflectionflow.MaxSeed].
func newSeed(rng *rand.Rand) uint64 { return rng.Uint64() & reflectionflow.MaxSeed }

// ruleFiller fills one shard.
type ruleFiller struct {
	filler
	maxPairs int
}

// pair adds the triplets of a prompt.
func (f *ruleFiller) pair(ctx context.Context, t task) error {
	right, wrong := f.split(t)
	switch {
	case len(right) == 0:
		f.skipped[SkippedNoRight]++
		return nil
	case len(wrong) == 0:
		f.skipped[SkippedAllRight]++
		return nil
	}
	passRate := float64(len(right)) / float64(len(t.judged()))
	return f.triplets(ctx, t.prompt, f.match(right, wrong), f.maxPairs, passRate)
}

// triplets adds pairs of a prompt, at most maxPairs.
func (f *filler) triplets(ctx context.Context, prompt reflectionflow.Prompt, found []match, maxPairs int, passRate float64) error {
	pairs := 0
	for _, m := range found {
		switch {
		case f.added >= f.shard.Count:
			return nil
		case pairs >= maxPairs:
			f.skipped[SkippedMany]++
			continue
		}
		reflection, err := f.reflect(ctx, prompt, m.wrong)
		if err != nil {
			return err
		}
		if reflection == "" {
			f.skipped[SkippedNoFix]++
			continue
		}
		pairs++
		if err := f.add(pairing{prompt, m.right, m.wrong, reflection, Provenance{PassRate: passRate, Distance: m.distance}}); err != nil {
			return err
		}
	}
	return nil
}

// split returns the right images and those with a requirement that is not met.
func (f *filler) split(t task) (right, wrong []attempt) {
	for _, a := range t.judged() {
		score := a.score()
		switch {
		case score.Right():
			right = append(right, a)
		case slices.ContainsFunc(score.Requirements, func(r reflectionflow.Finding) bool { return r.Verdict == reflectionflow.NotMet }):
			wrong = append(wrong, a)
		default:
			f.skipped[SkippedUnsure]++
		}
	}
	return right, wrong
}

// match is a wrong image with the most similar right one.
type match struct {
	right, wrong attempt
	distance     float64
}

// match pairs every wrong image and sorts the pairs by distance.
func (f *filler) match(right, wrong []attempt) []match {
	hashes := make([]*image.RGBA, len(right))
	for i, a := range right {
		hashes[i] = opaque(a.img)
	}
	var found []match
	for _, w := range wrong {
		m := match{wrong: w, distance: 2}
		hash := opaque(w.img)
		for i, r := range right {
			if d := distance(hash, hashes[i]); d < m.distance {
				m.right, m.distance = r, d
			}
		}
		if m.distance == 0 {
			f.skipped[SkippedSame]++
			continue
		}
		found = append(found, m)
	}
	slices.SortStableFunc(found, func(a, b match) int { return cmp.Compare(a.distance, b.distance) })
	return found
}
