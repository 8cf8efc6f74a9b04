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

// CheckReport is what [Check] found.
type CheckReport struct {
	Shards   int            // that could be read
	Triplets int            // that are whole
	Subsets  map[string]int // triplets by subset
	Problems Problems
}

// Check reads a whole set: checksums and counts against the manifest, every member,
// every picture to its last pixel; that no key and no pair of pictures comes twice; and
// that every prompt is of the set's split. The error is for what keeps it from reading at
// all; what is wrong with the set is in the report. notify may be nil; it is called with
// the number of triplets read.
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
	split  clipart.Split // that all prompts must be of; empty for any
	seed   maphash.Seed
	keys   map[uint64]bool // hashes: a name would take three times the memory
	pairs  map[uint64]bool
	notify func(int)
}

func (c *checker) problem(kind, format string, args ...any) { c.Problems.add(kind, format, args...) }

// manifest compares the manifest with what a whole set has, and with the folder.
func (c *checker) manifest() error {
	m, found, err := readManifest(c.set.dir)
	if err != nil || !found {
		return err
	}
	c.split = clipart.Split(m.Split)
	if n := m.Triplets(); n != m.Count && !m.Ended() {
		c.problem(ProblemSet, "the set has %d of %d triplets: build it with the same command to go on", n, m.Count)
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
			if !changed { // a shard is one problem
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
		wrong(ProblemDuplicate, "key %.100q was there before", s.Key)
	}
	c.keys[key] = true
	if pair := pairHash(c.seed, s); c.pairs[pair] {
		wrong(ProblemDuplicate, "the pictures of %.100q were there before", s.Key)
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
		wrong(ProblemSplit, "the prompt of %.100q is not of the split %s: %.80q", s.Key, c.split, s.Prompt)
	}
	if problems == 0 {
		c.Triplets++
		c.Subsets[s.Subset]++
		c.notify(c.Triplets)
	}
}

// annotations reads the annotations beside the shards.
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

// listed says counts in words, in order of reason.
func listed(counts map[string]int) string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[reason], reason))
	}
	return strings.Join(parts, ", ")
}
