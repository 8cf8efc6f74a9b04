package genref

import (
	"context"
	"fmt"
	"math/rand/v2"

	"reflectionflow"
)

// Source makes triplets.
//
// Fill hands over count samples for one shard, in order. What it gives is a function
// of the random source, of From, and of what Add answers; a larger count only adds to
// it; the keys need only differ within the shard. When ctx ends it returns ctx.Err()
// soon. It may call progress now and then with what was spent so far.
type Source interface {
	Fill(ctx context.Context, shard FillRequest) (FillResult, error)
}

// FillRequest is a shard to be filled.
type FillRequest struct {
	Number int
	Count  int // samples
	Random *rand.Rand
	// Keep is a folder, not made yet, for what was paid for on the way: it stays until the
	// shard is finished.
	CacheDir string
	// From is where the shard before ended, in the source's own words; empty for the
	// first shard.
	From string
	// Add takes a sample, unless the set has it already: a double is not added. See
	// [Build] for what a double is.
	Add      func(Sample) (added bool, err error)
	Progress func(Effort) // may be nil
}

// FillResult is what came of a shard.
type FillResult struct {
	Effort Effort
	// Cursor is where the source stands now, for sources that have an order; it
	// becomes the next shard's From.
	Cursor string
	// Faults lists in words some of what was passed over.
	Faults []string
	// Ended says that the source has no more: the shard may hold fewer than Count.
	Ended bool
}

// Progress is how far a build is.
type Progress struct {
	Done, Count int // triplets
	// Effort was spent by this call of [Build] and, on finished shards, before.
	Effort Effort
}

// Build makes the shards that a set still lacks. When ctx ends it returns ctx.Err();
// finished shards stay, and the same call goes on from there to the same bytes as if
// it had not been stopped; so does what the source keeps of a shard that is not finished
// ([FillRequest].CacheDir). notify may be nil.
//
// No triplet comes twice: one whose pictures are those of an earlier one, byte for
// byte, or look the same (see [PerceptualHash]) for the same prompt, is passed over. That takes
// about a hundred bytes of memory a triplet; all else is constant.
func Build(ctx context.Context, dir string, plan Plan, source Source, notify func(Progress)) (m Manifest, err error) {
	w, err := NewWriter(dir, plan)
	if err != nil {
		return Manifest{}, err
	}
	defer func() {
		if failed := w.Close(); err == nil { // the first error says more
			err = failed
		}
	}()
	return w.Build(ctx, source, notify)
}

// Build is [Build] in a folder that is claimed already. A set that is whole asks nothing of
// the source, which may be nil.
func (w *Writer) Build(ctx context.Context, source Source, notify func(Progress)) (Manifest, error) {
	if notify == nil {
		notify = func(Progress) {}
	}
	b := builder{Writer: w, source: source, notify: notify, duplicates: newDuplicateIndex(), missing: w.manifest.lastMissing()}
	b.made = Progress{Done: w.manifest.Triplets(), Count: w.manifest.Count, Effort: w.manifest.Effort()}
	var err error
	for i := 0; i < w.manifest.shards() && !b.ended && err == nil; i++ {
		err = b.shard(ctx, i)
	}
	if failed := w.Wait(); failed != nil {
		err = failed
	}
	m := w.Manifest()
	if err != nil {
		return m, err
	}
	if m.Triplets() == 0 {
		return m, fmt.Errorf("%w: the source is empty: it gave no triplets%s", reflectionflow.ErrInvalid, because(b.fruitless.Effort.Skipped)+first(b.fruitless.Faults))
	}
	notify(Progress{Done: m.Triplets(), Count: m.Triplets(), Effort: m.Effort()})
	return m, w.removeCaches()
}

func because(skipped map[string]int) string {
	if len(skipped) == 0 {
		return ""
	}
	return " (" + listed(skipped) + ")"
}

// first is the first of what a source lists as passed over.
func first(faults []string) string {
	if len(faults) == 0 {
		return ""
	}
	return ", such as " + faults[0]
}

// builder makes the shards in order: what a shard holds depends on those before.
type builder struct {
	*Writer
	source     Source
	notify     func(Progress)
	duplicates *duplicateIndex
	cursor     string
	missing    int        // the last shard that was to be made, -1 for none
	made       Progress   // with the shard that is being flushed
	ended      bool       // the source has no more
	fruitless  FillResult // the last shard made
}

// shard takes in a shard that is there, or makes it.
func (b *builder) shard(ctx context.Context, i int) error {
	if s, there := b.manifest.shard(i); there {
		b.cursor = s.Cursor
		return b.remember(ctx, s)
	}
	before := b.made
	b.notify(before)
	return b.Write(i, func(add func(Sample) error) (FillResult, error) {
		added := 0
		result, err := b.source.Fill(ctx, FillRequest{
			Number: i, Count: b.manifest.triplets(i), From: b.cursor, CacheDir: b.cacheDir(i),
			Random: rand.New(rand.NewPCG(b.manifest.Seed, uint64(i))),
			Progress: func(e Effort) {
				b.notify(Progress{Done: before.Done + added, Count: before.Count, Effort: before.Effort.Add(e)})
			},
			Add: func(s Sample) (bool, error) {
				if err := ctx.Err(); err != nil {
					return false, err
				}
				fresh, err := b.duplicates.add(s)
				if err != nil || !fresh {
					return false, err
				}
				added++
				return true, add(s)
			},
		})
		b.cursor, b.fruitless, b.ended = result.Cursor, result, result.Ended
		b.made.Done, b.made.Effort = before.Done+added, before.Effort.Add(result.Effort)
		return result, err
	})
}

// remember takes the triplets of a finished shard in.
func (b *builder) remember(ctx context.Context, s Shard) error {
	if s.Number > b.missing {
		return nil // nothing will be compared with them
	}
	set := Set{dir: b.dir, shards: map[string]Shard{ShardName(s.Number): s}}
	for sample, err := range set.Shard(ShardName(s.Number)) {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			_, err = b.duplicates.add(sample)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
