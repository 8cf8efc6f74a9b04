package genref

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"reflectionflow"
)

// Report is what [Check] found.
type Report struct {
	Shards   int            // that could be read
	Triplets int            // that are whole
	Subsets  map[string]int // triplets by subset
	// Problems says in words what is wrong, in order of shards; empty for a good set.
	Problems []string
}

// Check reads a whole set: checksums and counts against the manifest, every member,
// every picture to its last pixel, and that no key comes twice. The error is for what
// keeps it from reading at all; what is wrong with the set is in the report. notify may
// be nil; it is called with the number of triplets read.
func Check(ctx context.Context, dir string, notify func(triplets int)) (Report, error) {
	set, err := Open(dir)
	if err != nil {
		return Report{}, err
	}
	if notify == nil {
		notify = func(int) {}
	}
	c := checker{set: set, keys: make(map[string]bool), notify: notify}
	c.Subsets = make(map[string]int)
	if err := c.manifest(); err != nil {
		return Report{}, err
	}
	for _, name := range set.names {
		if err := c.shard(ctx, name); err != nil {
			return c.Report, err
		}
	}
	return c.Report, nil
}

type checker struct {
	Report
	set    *Set
	keys   map[string]bool
	notify func(int)
}

func (c *checker) problem(format string, args ...any) {
	c.Problems = append(c.Problems, fmt.Sprintf(format, args...))
}

// manifest compares the manifest with what a whole set has, and with the folder.
func (c *checker) manifest() error {
	m, found, err := readManifest(c.set.dir)
	if err != nil || !found {
		return err
	}
	if n := m.Triplets(); n != m.Count {
		c.problem("the set has %d of %d triplets: build it with the same command to go on", n, m.Count)
	}
	entries, err := os.ReadDir(c.set.dir)
	if err != nil {
		return fmt.Errorf("check set: %w", err)
	}
	for _, e := range entries {
		if _, listed := c.set.shards[e.Name()]; !listed && strings.HasSuffix(e.Name(), ".tar") {
			c.problem("%s is not in the manifest", e.Name())
		}
	}
	return nil
}

func (c *checker) shard(ctx context.Context, name string) error {
	if shard, listed := c.set.shards[name]; listed {
		sum, size, err := fileSum(filepath.Join(c.set.dir, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			c.problem("%s is missing", name)
			return nil
		case err != nil:
			return err
		case size != shard.Bytes:
			c.problem("%s has %d bytes, the manifest says %d", name, size, shard.Bytes)
		case sum != shard.SHA256:
			c.problem("%s has another checksum than the manifest says", name)
		}
	}
	c.Shards++
	for sample, err := range c.set.Shard(name) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, reflectionflow.ErrInvalid) {
			c.problem("%s", strings.ReplaceAll(err.Error(), reflectionflow.ErrInvalid.Error()+": ", ""))
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
	whole := true
	if c.keys[s.Key] {
		c.problem("%s: key %.100q was there before", shard, s.Key)
		whole = false
	}
	c.keys[s.Key] = true
	for _, m := range []member{{memberFlawed, s.Flawed}, {memberEnhanced, s.Enhanced}} {
		if _, _, err := image.Decode(bytes.NewReader(m.data)); err != nil {
			c.problem("%s: %.100s.%s is damaged: %v", shard, s.Key, m.name, err)
			whole = false
		}
	}
	if strings.TrimSpace(s.Prompt) == "" {
		c.problem("%s: %.100s.%s is empty", shard, s.Key, memberPrompt)
		whole = false
	}
	if whole {
		c.Triplets++
		c.Subsets[s.Subset]++
		c.notify(c.Triplets)
	}
}

// listed says counts in words, in order of reason.
func listed(counts map[string]int) string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[reason], reason))
	}
	return strings.Join(parts, ", ")
}
