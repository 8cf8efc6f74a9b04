package genref

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"reflectionflow"
)

// Subsets lists the subsets of GenRef, as the authors' loader spells them.
func Subsets() []string { return []string{"general", "length", "rule", "editing"} }

// Triplet is a flawed and an enhanced image of the same prompt, and the reflection
// that leads from one to the other.
type Triplet struct {
	Prompt     string
	Flawed     []byte // encoded image, as stored
	Enhanced   []byte
	Reflection string
	Subset     string // general, length, rule or editing
}

// Sample is a triplet in a shard.
type Sample struct {
	// Key identifies the sample in its set: a file name in ASCII without dots, of at most 84
	// bytes.
	Key string
	Triplet
	// Provenance is nil if nothing is known about the sample.
	Provenance *Provenance
}

// The members of a sample, in the order in which they are written.
const (
	memberFlawed     = "bad_image.jpg"
	memberEnhanced   = "good_image.jpg"
	memberPrompt     = "prompt.txt"
	memberProvenance = "provenance.json"
	memberReflection = "reflection.txt"
	memberSubset     = "subset.txt"
)

// Bounds on a member, against damaged and hostile shards.
const (
	maxImageBytes = 32 << 20
	maxTextBytes  = 64 << 10
)

// maxKey bounds a key, so that the names of members fit into a tar header.
const maxKey = tarName - len(".") - len(memberProvenance)

// maxMembers bounds the members of a sample, unknown ones included.
const maxMembers = 64

// member is one file of a sample.
type member struct {
	name string
	data []byte
}

// members returns the files of a sample in writing order.
func (s Sample) members() ([]member, error) {
	list := []member{
		{memberFlawed, s.Flawed}, {memberEnhanced, s.Enhanced}, {memberPrompt, []byte(s.Prompt)},
	}
	if s.Provenance != nil {
		data, err := json.Marshal(s.Provenance)
		if err != nil {
			return nil, fmt.Errorf("encode provenance: %w", err)
		}
		list = append(list, member{memberProvenance, data})
	}
	return append(list, member{memberReflection, []byte(s.Reflection)}, member{memberSubset, []byte(s.Subset)}), nil
}

// limit returns the largest size of a known member in bytes, 0 for an unknown member.
func limit(name string) int64 {
	switch name {
	case memberFlawed, memberEnhanced:
		return maxImageBytes
	case memberPrompt, memberReflection, memberSubset, memberProvenance:
		return maxTextBytes
	}
	return 0
}

// check reports invalid content, except of a provenance, as an error wrapping
// [reflectionflow.ErrInvalid].
func (m member) check() error {
	switch m.name {
	case memberFlawed, memberEnhanced:
		return checkImage(m.data)
	case memberPrompt, memberReflection, memberSubset:
		if !utf8.Valid(m.data) {
			return fmt.Errorf("%w: the text is not valid UTF-8", reflectionflow.ErrInvalid)
		}
	}
	if m.name == memberSubset && !slices.Contains(Subsets(), string(m.data)) {
		return fmt.Errorf("%w: the subset is %.20q: it must be %s, without a newline", reflectionflow.ErrInvalid, m.data, strings.Join(Subsets(), ", "))
	}
	return nil
}

// set sets the field of a member.
func (s *Sample) set(m member) error {
	switch m.name {
	case memberFlawed:
		s.Flawed = m.data
	case memberEnhanced:
		s.Enhanced = m.data
	case memberPrompt:
		s.Prompt = string(m.data)
	case memberReflection:
		s.Reflection = string(m.data)
	case memberSubset:
		s.Subset = string(m.data)
	case memberProvenance:
		s.Provenance = new(Provenance)
		if err := json.Unmarshal(m.data, s.Provenance); err != nil {
			return fmt.Errorf("%w: it is not a provenance: %v", reflectionflow.ErrInvalid, err)
		}
	}
	return m.check()
}

// valid returns the files of a sample, or an error wrapping [reflectionflow.ErrInvalid] if
// a shard cannot hold it.
func (s Sample) valid() ([]member, error) {
	if s.Key == "" || len(s.Key) > maxKey || strings.ContainsAny(s.Key, "./\\") || strings.HasPrefix(s.Key, "__") || strings.ContainsFunc(s.Key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return nil, fmt.Errorf("%w: sample key %.100q: it must be a short file name in ASCII without dots", reflectionflow.ErrInvalid, s.Key)
	}
	if p := s.Provenance; p != nil && max(p.Enhanced.Seed, p.Flawed.Seed) > reflectionflow.MaxSeed {
		return nil, fmt.Errorf("%w: sample %s: a seed is above %d", reflectionflow.ErrInvalid, s.Key, uint64(reflectionflow.MaxSeed))
	}
	list, err := s.members()
	if err != nil {
		return nil, err
	}
	for _, m := range list {
		if int64(len(m.data)) > limit(m.name) {
			return nil, fmt.Errorf("%w: sample %s: %s has %d bytes, at most %d are allowed", reflectionflow.ErrInvalid, s.Key, m.name, len(m.data), limit(m.name))
		}
		if err := m.check(); err != nil {
			return nil, fmt.Errorf("sample %s: %s: %w", s.Key, m.name, err)
		}
	}
	return list, nil
}
