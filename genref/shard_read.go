package genref

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"reflectionflow"
)

// ReadShard reads the samples of a shard one by one, by the rules of WebDataset:
// the members of a sample stand side by side; its key is the path up to the first
// dot of the file's name. Unknown members, names without a dot, names that begin
// with two underscores, and what is no regular file are passed over. The name is for
// errors. A damaged shard gives the samples before the damage and then one error
// wrapping [reflectionflow.ErrInvalid].
func ReadShard(r io.Reader, name string) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		s := shardReader{name: name, tail: &tail{from: r, block: [512]byte{1}}} // nothing read is no end mark
		s.archive = tar.NewReader(s.tail)
		for {
			sample, err := s.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(sample, err) || err != nil {
				return
			}
		}
	}
}

// tail remembers the last block read. It hides a file's Seek, so that all of a shard
// is read, and a shard that was cut is found.
type tail struct {
	from  io.Reader
	block [512]byte
	err   error // of from, but for the end
}

func (t *tail) Read(p []byte) (int, error) {
	n, err := t.from.Read(p)
	if n < len(t.block) {
		copy(t.block[:], t.block[n:])
	}
	last := p[max(0, n-len(t.block)):n]
	copy(t.block[len(t.block)-len(last):], last)
	if err != nil && err != io.EOF {
		t.err = err
	}
	return n, err
}

// shardReader reads samples off a tar archive.
type shardReader struct {
	name    string
	tail    *tail
	archive *tar.Reader

	// What has been read of the next sample.
	sample  Sample
	seen    map[string]bool
	started bool
	done    bool
	failed  error // met after the sample last given
}

// next is the next sample, or io.EOF.
func (s *shardReader) next() (Sample, error) {
	if s.failed != nil {
		return Sample{}, s.failed
	}
	for !s.done {
		header, err := s.archive.Next()
		if errors.Is(err, io.EOF) {
			s.done = true
			if s.tail.block != [512]byte{} { // an archive ends with blocks of zeros
				return Sample{}, fmt.Errorf("%w: %s: the shard ends without an end mark: it was cut", reflectionflow.ErrInvalid, s.name)
			}
			break
		}
		if err != nil {
			return Sample{}, s.damaged(err)
		}
		finished, err := s.member(header)
		if finished != nil {
			s.failed = err
			return s.complete(finished)
		}
		if err != nil {
			return Sample{}, err
		}
	}
	if s.started {
		s.started = false
		last := pending{s.sample, s.seen}
		return s.complete(&last)
	}
	return Sample{}, io.EOF
}

// pending is a sample all of whose members have been read.
type pending struct {
	sample Sample
	seen   map[string]bool
}

// member takes one member in. Where it begins another sample, the one before is
// returned, beside what is wrong with the member itself.
func (s *shardReader) member(header *tar.Header) (finished *pending, err error) {
	key, suffix, ok := splitName(header.Name)
	if !ok || header.Typeflag != tar.TypeReg {
		return nil, nil // the next header is looked for behind it
	}
	if s.started && key != s.sample.Key {
		finished = &pending{s.sample, s.seen}
	}
	if !s.started || finished != nil {
		s.sample, s.seen, s.started = Sample{Key: key}, make(map[string]bool), true
	}
	switch {
	case s.seen[suffix]:
		return finished, fmt.Errorf("%w: %s: sample %.100q has %.40q twice", reflectionflow.ErrInvalid, s.name, key, suffix)
	case len(s.seen) >= maxMembers:
		return finished, fmt.Errorf("%w: %s: sample %.100q has more than %d members", reflectionflow.ErrInvalid, s.name, key, maxMembers)
	}
	s.seen[suffix] = true
	most := limit(suffix)
	if most == 0 {
		return finished, nil
	}
	if header.Size > most {
		return finished, fmt.Errorf("%w: %s: %.100s has %d bytes, at most %d are allowed", reflectionflow.ErrInvalid, s.name, header.Name, header.Size, most)
	}
	data, err := io.ReadAll(s.archive)
	if err != nil {
		return finished, s.damaged(err)
	}
	if err := s.sample.set(member{suffix, data}); err != nil {
		return finished, fmt.Errorf("%s: %.100s: %w", s.name, header.Name, err)
	}
	return finished, nil
}

// complete is a finished sample, when nothing is missing.
func (s *shardReader) complete(p *pending) (Sample, error) {
	for _, name := range []string{memberFlawed, memberEnhanced, memberPrompt, memberReflection, memberSubset} {
		if !p.seen[name] {
			return Sample{}, fmt.Errorf("%w: %s: sample %.100q has no %s", reflectionflow.ErrInvalid, s.name, p.sample.Key, name)
		}
	}
	return p.sample, nil
}

// damaged tells what the tar reader says from a failure to read the file.
func (s *shardReader) damaged(err error) error {
	if s.tail.err != nil {
		return fmt.Errorf("read %s: %w", s.name, s.tail.err)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the shard was cut")
	}
	return fmt.Errorf("%w: %s is no whole tar archive: %v", reflectionflow.ErrInvalid, s.name, err)
}

// splitName splits a member's name at the first dot of its file name, as
// WebDataset does (tariterators.base_plus_ext, group_by_keys).
func splitName(name string) (key, suffix string, ok bool) {
	file := strings.LastIndexByte(name, '/') + 1
	dot := strings.IndexByte(name[file:], '.')
	if dot <= 0 || strings.HasPrefix(name[file:], "__") {
		return "", "", false
	}
	return name[:file+dot], strings.ToLower(name[file+dot+1:]), true
}
