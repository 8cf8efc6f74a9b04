package genref

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"reflectionflow"
)

// Set is a folder of shards, opened for reading.
type Set struct {
	dir    string
	names  []string
	shards map[string]Shard // by name; empty without a manifest
}

// Open opens a set: the shards of its manifest or, without a manifest, all .tar files in
// order of the number in their names. For a set that is still being built these are the
// finished shards; [Check] reports what is missing. A folder without shards is an error
// wrapping [reflectionflow.ErrInvalid].
func Open(dir string) (*Set, error) {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%w: %s is not a folder", reflectionflow.ErrInvalid, dir)
	}
	manifest, found, err := readManifest(dir)
	if err != nil {
		return nil, err
	}
	s := &Set{dir: dir, shards: make(map[string]Shard)}
	if found {
		for _, shard := range manifest.Shards {
			name := ShardName(shard.Number)
			s.names, s.shards[name] = append(s.names, name), shard
		}
	} else if s.names, err = numbered(dir, ".tar"); err != nil {
		return nil, err
	}
	if len(s.names) == 0 {
		return nil, fmt.Errorf("%w: %s has no GenRef shards", reflectionflow.ErrInvalid, dir)
	}
	return s, nil
}

// numbered lists the files of a folder with an ending, in order of the number before the
// ending.
func numbered(dir, ending string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: folder %s does not exist", reflectionflow.ErrInvalid, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open set: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && strings.HasSuffix(e.Name(), ending) {
			names = append(names, e.Name())
		}
	}
	number := func(name string) int { return numberOf(strings.TrimSuffix(name, ending)) }
	slices.SortStableFunc(names, func(a, b string) int { return number(a) - number(b) })
	return names, nil
}

// numberOf returns the number at the end of a name or before "-of-", -1 for none.
func numberOf(stem string) int {
	stem, _, _ = strings.Cut(stem, "-of-")
	digits := stem[len(strings.TrimRight(stem, "0123456789")):]
	n, err := strconv.Atoi(digits)
	if err != nil {
		return -1
	}
	return n
}

// Shards returns the file names of the shards, in reading order.
func (s *Set) Shards() []string { return slices.Clone(s.names) }

// All returns the samples in order, read one at a time. It ends at the first error. Damage
// wraps [reflectionflow.ErrInvalid] and names shard and member.
func (s *Set) All() iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		for _, name := range s.names {
			for sample, err := range s.Shard(name) {
				if !yield(sample, err) || err != nil {
					return
				}
			}
		}
	}
}

// Shard returns the samples of one shard. It is an error if their number differs from the
// manifest's.
func (s *Set) Shard(name string) iter.Seq2[Sample, error] { return s.shard(name, nil) }

// shard is [Set.Shard]. If fault is not nil, faults of single samples are passed to it and
// do not end the reading.
func (s *Set) shard(name string, fault func(error)) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		file, err := os.Open(filepath.Join(s.dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: %s is missing in %s", reflectionflow.ErrInvalid, name, s.dir)
		}
		if err != nil {
			yield(Sample{}, err)
			return
		}
		defer file.Close() //nolint:errcheck // nothing was written
		n := 0
		if report := fault; report != nil {
			fault = func(err error) { n++; report(err) }
		}
		for sample, err := range readShard(file, name, fault) {
			if !yield(sample, err) || err != nil {
				return
			}
			n++
		}
		if shard, listed := s.shards[name]; listed && n != shard.Triplets {
			yield(Sample{}, fmt.Errorf("%w: %s holds %d triplets, the manifest says %d", reflectionflow.ErrInvalid, name, n, shard.Triplets))
		}
	}
}
