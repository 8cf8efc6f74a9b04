package genref

import (
	"context"
	"fmt"
	"math/rand/v2"
)

// Source makes triplets.
//
// Fill hands over count samples for one shard, in order. What it gives is a function
// of the random source alone, and a larger count only adds to it; the keys need only
// differ within the shard. When ctx ends it returns ctx.Err() soon. It may call progress
// now and then with what was spent so far.
type Source interface {
	Fill(ctx context.Context, shard Filling) (Effort, error)
}

// Filling is a shard to be filled.
type Filling struct {
	Number   int
	Count    int // samples
	Random   *rand.Rand
	Add      func(Sample) error
	Progress func(Effort)
}

// Progress is how far a build is.
type Progress struct {
	Done, Count int // triplets
	// Effort was spent by this call of [Build] and, on finished shards, before.
	Effort Effort
}

// Build makes the shards that a set still lacks. When ctx ends it returns ctx.Err();
// finished shards stay, and the same call goes on from there to the same bytes as if
// it had not been stopped. notify may be nil.
func Build(ctx context.Context, dir string, plan Plan, source Source, notify func(Progress)) (Manifest, error) {
	w, err := NewWriter(dir, plan)
	if err != nil {
		return Manifest{}, err
	}
	if notify == nil {
		notify = func(Progress) {}
	}
	for _, i := range w.Missing() {
		before := Progress{Done: w.manifest.Triplets(), Count: plan.Count, Effort: w.manifest.Effort()}
		notify(before)
		err := w.Write(i, func(add func(Sample) error) (Effort, error) {
			added := 0
			spent := func(e Effort) {
				notify(Progress{Done: before.Done + added, Count: plan.Count, Effort: before.Effort.Add(e)})
			}
			return source.Fill(ctx, Filling{
				Number: i, Count: plan.triplets(i), Progress: spent,
				Random: rand.New(rand.NewPCG(plan.Seed, uint64(i))),
				Add: func(s Sample) error {
					if err := ctx.Err(); err != nil {
						return err
					}
					if err := add(s); err != nil {
						return err
					}
					added++
					return nil
				},
			})
		})
		if err != nil {
			return w.Manifest(), fmt.Errorf("shard %d: %w", i, err)
		}
	}
	m := w.Manifest()
	notify(Progress{Done: m.Triplets(), Count: plan.Count, Effort: m.Effort()})
	return m, nil
}
