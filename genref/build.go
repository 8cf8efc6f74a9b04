package genref

import (
	"context"
	"fmt"
	"math/rand/v2"

	"reflectionflow"
)

// Source makes triplets.
//
// Fill passes [FillRequest.Count] samples of one shard to [FillRequest.Add], in order. It is
// deterministic in Random, From and the results of Add; a larger Count extends the same
// sequence. Keys must be unique within the shard. When ctx ends it returns ctx.Err() soon.
// It may call Progress with the effort so far.
type Source interface {
	Fill(ctx context.Context, shard FillRequest) (FillResult, error)
}

// FillRequest describes a shard to be filled.
type FillRequest struct {
	Number int
	Count  int // number of samples
	Random *rand.Rand
	// CacheDir is a folder for answers of paid servers. It may not exist. It stays until the
	// shard is finished.
	CacheDir string
	// From is the Cursor of the shard before, "" for the first shard.
	From string
	// Add adds a sample to the shard and reports whether it did: a duplicate is not added.
	// See [Build] for what a duplicate is.
	Add      func(Sample) (added bool, err error)
	Progress func(Effort) // may be nil
}

// FillResult is the result of filling a shard.
type FillResult struct {
	Effort Effort
	// Cursor is the position of a source that has an order. It becomes the next shard's From.
	Cursor string
	// Faults describes some of the skipped items, for people.
	Faults []string
	// Ended is set when the source has no more samples: the shard may have fewer than Count.
	Ended bool
}

// Progress is the progress of a build.
type Progress struct {
	Done, Count int // triplets
	// Effort of all finished shards and of the shard in progress.
	Effort Effort
}

// Build makes the shards that a set lacks, and creates or extends the set in dir. When ctx
// ends it returns ctx.Err(). Finished shards stay, and so do the answers that the source
// caches ([FillRequest.CacheDir]). The same call resumes; the set is byte-identical to one
// that was not interrupted. notify may be nil.
//
// A triplet that is a duplicate is skipped: both images are byte-identical to those of an
// earlier triplet, or look the same for the same prompt (see [PerceptualHash]). That takes
// about 100 bytes of memory per triplet; all other memory is constant.
//
// An image whose failure is permanent ([reflectionflow.IsPermanent]) or that the verifier
// did not judge is skipped and counted. Any other failure of a server ends the build with an
// error, so that a set does not depend on the state of a server; the same call resumes.
//
// Errors wrap [reflectionflow.ErrInvalid] for a plan or folder that does not fit (see
// [NewWriter]), for a source without triplets, and for invalid settings of a source.
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

// Build is [Build] in a folder whose lock is held already. source may be nil if the set is
// complete.
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
		return m, fmt.Errorf("%w: the source gave no triplets%s", reflectionflow.ErrInvalid, because(b.fruitless.Effort.Skipped)+first(b.fruitless.Faults))
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

// first returns the first of a source's faults as a clause, or "".
func first(faults []string) string {
	if len(faults) == 0 {
		return ""
	}
	return ", such as " + faults[0]
}

// builder makes the shards in order, as a shard's content depends on those before.
type builder struct {
	*Writer
	source     Source
	notify     func(Progress)
	duplicates *duplicateIndex
	cursor     string
	missing    int        // the highest number of a missing shard, -1 for none
	made       Progress   // includes the shard that is being flushed
	ended      bool       // the source has no more samples
	fruitless  FillResult // result of the last shard
}

// shard makes a shard, or enters the triplets of a finished one.
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

// remember enters the triplets of a finished shard into the index of duplicates.
func (b *builder) remember(ctx context.Context, s Shard) error {
	if s.Number > b.missing {
		return nil // no later shard is missing
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
