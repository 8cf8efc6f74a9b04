package genref

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"reflectionflow"
)

// The kinds of problems.
const (
	ProblemSet       = "problems of the whole set"
	ProblemShard     = "shards missing, truncated or changed"
	ProblemSample    = "samples that are not whole"
	ProblemImage     = "images that do not decode"
	ProblemDuplicate = "duplicate triplets"
	ProblemSplit     = "prompts of another split"
	// ProblemAnnotation counts annotations that are damaged or belong to no triplet.
	ProblemAnnotation = "invalid annotations"
)

// Problems lists what is wrong with a set, in order of shards, and counts it by kind.
type Problems struct {
	Listed []string       `json:"listed,omitempty"` // at most [MaxProblems], as text for people
	Counts map[string]int `json:"counts,omitempty"`
}

// MaxProblems is the largest number of problems that are listed. All are counted.
const MaxProblems = 1000

func (p *Problems) add(kind, format string, args ...any) {
	if p.Counts == nil {
		p.Counts = make(map[string]int)
	}
	p.Counts[kind]++
	if len(p.Listed) < MaxProblems {
		text := fmt.Sprintf(format, args...)
		p.Listed = append(p.Listed, strings.ReplaceAll(text, reflectionflow.ErrInvalid.Error()+": ", ""))
	}
}

// Total returns the number of problems.
func (p Problems) Total() int {
	total := 0
	for _, n := range p.Counts {
		total += n
	}
	return total
}

// differs compares a shard's file with the manifest. It returns the difference in words,
// or "" if there is none, and whether the file is missing.
func (s *Set) differs(shard Shard) (missing bool, problem string, err error) {
	name := ShardName(shard.Number)
	sum, size, err := fileSum(filepath.Join(s.dir, name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true, name + " is missing", nil
	case err != nil:
		return false, "", err
	case size != shard.Bytes:
		return false, fmt.Sprintf("%s has %d bytes, the manifest says %d", name, size, shard.Bytes), nil
	case sum != shard.SHA256:
		return false, name + " has another checksum than the manifest says", nil
	}
	return false, "", nil
}

// Walk calls visit for every whole sample, in order. It skips damage and reports it: a
// shard that is missing or differs from the manifest, the rest of a shard without a
// manifest that is truncated, and a single sample that is not whole. It ends with an error of
// visit, an error of reading, or the error of ctx.
func (s *Set) Walk(ctx context.Context, visit func(Sample) error) (Problems, error) {
	var skipped Problems
	for _, name := range s.names {
		if shard, listed := s.shards[name]; listed {
			_, differs, err := s.differs(shard)
			if err != nil {
				return skipped, err
			}
			if differs != "" {
				skipped.add(ProblemShard, "%s: skipped", differs)
				continue
			}
		}
		fault := func(err error) { skipped.add(ProblemSample, "%v", err) }
		for sample, err := range s.shard(name, fault) {
			if ctx.Err() != nil {
				return skipped, ctx.Err()
			}
			if errors.Is(err, reflectionflow.ErrInvalid) {
				skipped.add(ProblemShard, "%v", err)
				break
			}
			if err == nil {
				err = visit(sample)
			}
			if err != nil {
				return skipped, err
			}
		}
	}
	return skipped, ctx.Err()
}

// merge adds the problems of another set.
func (p *Problems) merge(q Problems) {
	for kind, n := range q.Counts {
		if p.Counts == nil {
			p.Counts = make(map[string]int)
		}
		p.Counts[kind] += n
	}
	p.Listed = append(p.Listed, q.Listed[:min(len(q.Listed), MaxProblems-len(p.Listed))]...)
}
