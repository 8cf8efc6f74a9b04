package genref

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"image"
	"maps"
	"os"
	"slices"
	"strings"

	"reflectionflow"
	"reflectionflow/clipart"
)

// CheckReport is the result of [Check].
type CheckReport struct {
	Shards   int            // shards that could be read
	Triplets int            // whole triplets
	Subsets  map[string]int // triplets by subset
	Problems Problems
}

// Check reads a whole set. It compares checksums and counts with the manifest, decodes every
// member and every image completely, and looks for keys and pairs of images that occur twice
// and for prompts of another split than the set's. Problems are in the report; the error is
// for a set that cannot be read at all. notify may be nil; it is called with the number of
// triplets read.
func Check(ctx context.Context, dir string, notify func(triplets int)) (CheckReport, error) {
	set, err := Open(dir)
	if err != nil {
		return CheckReport{}, err
	}
	if notify == nil {
		notify = func(int) {}
	}
	c := checker{set: set, keys: make(map[uint64]bool), pairs: make(map[uint64]bool), seed: maphash.MakeSeed(), notify: notify}
	c.Subsets = make(map[string]int)
	if err := c.manifest(); err != nil {
		return CheckReport{}, err
	}
	for _, name := range set.names {
		if err := c.shard(ctx, name); err != nil {
			return c.CheckReport, err
		}
	}
	return c.CheckReport, c.annotations(ctx)
}

type checker struct {
	CheckReport
	set    *Set
	split  clipart.Split // required of all prompts; empty for any
	seed   maphash.Seed
	keys   map[uint64]bool // hashes take a third of the memory of names
	pairs  map[uint64]bool
	notify func(int)
}

func (c *checker) problem(kind, format string, args ...any) { c.Problems.add(kind, format, args...) }

// manifest compares the manifest with its plan and with the folder.
func (c *checker) manifest() error {
	m, found, err := readManifest(c.set.dir)
	if err != nil || !found {
		return err
	}
	c.split = clipart.Split(m.Split)
	if n := m.Triplets(); n != m.Count && !m.Ended() {
		c.problem(ProblemSet, "the set has %d of %d triplets: run the same build command to resume", n, m.Count)
	}
	entries, err := os.ReadDir(c.set.dir)
	if err != nil {
		return fmt.Errorf("check set: %w", err)
	}
	for _, e := range entries {
		if _, listed := c.set.shards[e.Name()]; !listed && strings.HasSuffix(e.Name(), ".tar") {
			c.problem(ProblemSet, "%s is not in the manifest", e.Name())
		}
	}
	return nil
}

func (c *checker) shard(ctx context.Context, name string) error {
	changed := false
	if shard, listed := c.set.shards[name]; listed {
		missing, differs, err := c.set.differs(shard)
		changed = differs != ""
		if err != nil {
			return err
		}
		if changed {
			c.problem(ProblemShard, "%s", differs)
		}
		if missing {
			return nil
		}
	}
	c.Shards++
	fault := func(err error) { c.problem(ProblemSample, "%v", err) }
	for sample, err := range c.set.shard(name, fault) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, reflectionflow.ErrInvalid) {
			if !changed { // one problem per shard
				c.problem(ProblemShard, "%v", err)
			}
			return nil
		}
		if err != nil {
			return err
		}
		c.sample(name, sample)
	}
	return nil
}

func (c *checker) sample(shard string, s Sample) {
	problems := 0
	wrong := func(kind, format string, args ...any) {
		problems++
		c.problem(kind, "%s: "+format, append([]any{shard}, args...)...)
	}
	key := maphash.String(c.seed, s.Key)
	if c.keys[key] {
		wrong(ProblemDuplicate, "key %.100q occurs twice", s.Key)
	}
	c.keys[key] = true
	if pair := pairHash(c.seed, s); c.pairs[pair] {
		wrong(ProblemDuplicate, "the images of %.100q occur twice", s.Key)
	} else {
		c.pairs[pair] = true
	}
	for _, m := range []member{{memberFlawed, s.Flawed}, {memberEnhanced, s.Enhanced}} {
		if _, _, err := image.Decode(bytes.NewReader(m.data)); err != nil {
			wrong(ProblemImage, "%.100s.%s is damaged: %v", s.Key, m.name, err)
		}
	}
	if strings.TrimSpace(s.Prompt) == "" {
		wrong(ProblemSample, "%.100s.%s is empty", s.Key, memberPrompt)
	}
	if c.split != "" && clipart.SplitOf(s.Prompt) != c.split {
		wrong(ProblemSplit, "the prompt of %.100q is not in the split %s: %.80q", s.Key, c.split, s.Prompt)
	}
	if problems == 0 {
		c.Triplets++
		c.Subsets[s.Subset]++
		c.notify(c.Triplets)
	}
}

// annotations checks the annotations of the set.
func (c *checker) annotations(ctx context.Context) error {
	for a, err := range c.set.Annotations() {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, reflectionflow.ErrInvalid):
			c.problem(ProblemAnnotation, "%v", err)
			return nil
		case err != nil:
			return err
		case !c.keys[maphash.String(c.seed, a.Key)]:
			c.problem(ProblemAnnotation, "%s: there is no triplet %.100q", annotationsName, a.Key)
		}
	}
	return nil
}

// listed returns counts in words, in order of reason.
func listed(counts map[string]int) string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[reason], reason))
	}
	return strings.Join(parts, ", ")
}
