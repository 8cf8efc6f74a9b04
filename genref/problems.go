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

// The kinds of problem.
const (
	ProblemSet       = "of the set as a whole"
	ProblemShard     = "shards missing, cut or changed"
	ProblemSample    = "samples that are not whole"
	ProblemImage     = "pictures that do not decode"
	ProblemDuplicate = "triplets that come twice"
	ProblemSplit     = "prompts of another split"
	// ProblemAnnotation is that of an annotation that is damaged, or of no triplet.
	ProblemAnnotation = "annotations that do not fit"
)

// Problems is what is wrong with a set: in words, in order of shards, and counted by
// kind.
type Problems struct {
	Listed []string       `json:"listed,omitempty"` // at most [MaxProblems]
	Counts map[string]int `json:"counts,omitempty"`
}

// MaxProblems is how many problems are listed.
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

// Total is the number of problems.
func (p Problems) Total() int {
	total := 0
	for _, n := range p.Counts {
		total += n
	}
	return total
}

// differs says in words how a shard's file is not that of the manifest; empty where it
// is.
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

// Walk hands every whole sample to visit, in order. What is damaged is passed over and
// reported: a shard that is missing or is not the manifest's as a whole, one that has no
// manifest and was cut from there on, a sample that is not whole by itself. An error of
// visit ends it and is returned; so is that of ctx.
func (s *Set) Walk(ctx context.Context, visit func(Sample) error) (Problems, error) {
	var passed Problems
	for _, name := range s.names {
		if shard, listed := s.shards[name]; listed {
			_, differs, err := s.differs(shard)
			if err != nil {
				return passed, err
			}
			if differs != "" {
				passed.add(ProblemShard, "%s: it is passed over", differs)
				continue
			}
		}
		fault := func(err error) { passed.add(ProblemSample, "%v", err) }
		for sample, err := range s.shard(name, fault) {
			if ctx.Err() != nil {
				return passed, ctx.Err()
			}
			if errors.Is(err, reflectionflow.ErrInvalid) {
				passed.add(ProblemShard, "%v", err)
				break
			}
			if err == nil {
				err = visit(sample)
			}
			if err != nil {
				return passed, err
			}
		}
	}
	return passed, ctx.Err()
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
