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

// ReadShard returns the samples of a shard by the rules of WebDataset: the members of a
// sample are adjacent, and its key is the path up to the first dot of the file name. It
// ignores unknown members, names without a dot, names that begin with two underscores, and
// anything but regular files. name is used in errors. A damaged shard gives the samples
// before the damage and then one error wrapping [reflectionflow.ErrInvalid].
func ReadShard(r io.Reader, name string) iter.Seq2[Sample, error] {
	return readShard(r, name, nil)
}

// readShard is [ReadShard]. If fault is not nil, faults of single samples are passed to it,
// and only damage of the archive ends the reading.
func readShard(r io.Reader, name string, fault func(error)) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		s := shardReader{name: name, fault: fault, tail: &tail{from: r, block: [512]byte{1}}} // an empty file has no end mark
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

// tail remembers the last block that was read. It hides the Seek method of a file, so that
// a shard is read to its end and truncation is noticed.
type tail struct {
	from  io.Reader
	block [512]byte
	err   error // error of from, except io.EOF
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
	fault   func(error) // nil: the first fault ends the reading

	pending *pending // the next sample, as far as read
	done    bool
	failed  error // error after the last returned sample
}

// pending is a sample with the members read so far.
type pending struct {
	sample Sample
	seen   map[string]bool
	faults []error
}

// next returns the next sample, or io.EOF.
func (s *shardReader) next() (Sample, error) {
	if s.failed != nil {
		return Sample{}, s.failed
	}
	for !s.done {
		header, err := s.archive.Next()
		if errors.Is(err, io.EOF) {
			s.done = true
			if s.tail.block != [512]byte{} { // an archive ends with blocks of zeros
				return Sample{}, fmt.Errorf("%w: %s: the shard has no end mark: it is truncated", reflectionflow.ErrInvalid, s.name)
			}
			break
		}
		if err != nil {
			return Sample{}, s.damaged(err)
		}
		finished, err := s.member(header)
		if finished == nil && err == nil {
			continue
		}
		s.failed = err
		if finished == nil {
			return Sample{}, err
		}
		if sample, whole, err := s.complete(finished); whole || err != nil {
			return sample, err
		}
		if s.failed != nil {
			return Sample{}, s.failed
		}
	}
	if last := s.pending; last != nil {
		s.pending = nil
		if sample, whole, err := s.complete(last); whole || err != nil {
			return sample, err
		}
	}
	return Sample{}, io.EOF
}

// member reads one member. If it is the first of another sample, the finished sample is
// returned. The error is damage of the archive.
func (s *shardReader) member(header *tar.Header) (finished *pending, err error) {
	key, suffix, ok := splitName(header.Name)
	if !ok || header.Typeflag != tar.TypeReg {
		return nil, nil // Next skips its content
	}
	if s.pending == nil || key != s.pending.sample.Key {
		finished = s.pending
		s.pending = &pending{sample: Sample{Key: key}, seen: make(map[string]bool)}
	}
	p := s.pending
	wrong := func(format string, args ...any) {
		p.faults = append(p.faults, fmt.Errorf("%w: %s: "+format, append([]any{reflectionflow.ErrInvalid, s.name}, args...)...))
	}
	switch {
	case p.seen[suffix]:
		wrong("sample %.100q has %.40q twice", key, suffix)
		return finished, nil
	case len(p.seen) >= maxMembers:
		if len(p.faults) == 0 {
			wrong("sample %.100q has more than %d members", key, maxMembers)
		}
		return finished, nil
	}
	p.seen[suffix] = true
	most := limit(suffix)
	if most == 0 {
		return finished, nil
	}
	if header.Size > most {
		wrong("%.100s has %d bytes, at most %d are allowed", header.Name, header.Size, most)
		return finished, nil
	}
	data, err := io.ReadAll(s.archive)
	if err != nil {
		return finished, s.damaged(err)
	}
	if err := p.sample.set(member{suffix, data}); err != nil {
		p.faults = append(p.faults, fmt.Errorf("%s: %.100s: %w", s.name, header.Name, err))
	}
	return finished, nil
}

// complete returns a finished sample, or reports its faults.
func (s *shardReader) complete(p *pending) (sample Sample, whole bool, err error) {
	for _, name := range []string{memberFlawed, memberEnhanced, memberPrompt, memberReflection, memberSubset} {
		if !p.seen[name] {
			p.faults = append(p.faults, fmt.Errorf("%w: %s: sample %.100q has no %s", reflectionflow.ErrInvalid, s.name, p.sample.Key, name))
		}
	}
	if len(p.faults) > 0 && s.fault == nil {
		s.failed = p.faults[0]
		return Sample{}, false, s.failed
	}
	for _, fault := range p.faults {
		s.fault(fault)
	}
	return p.sample, len(p.faults) == 0, nil
}

// damaged distinguishes a damaged archive from a failure to read the file.
func (s *shardReader) damaged(err error) error {
	if s.tail.err != nil {
		return fmt.Errorf("read %s: %w", s.name, s.tail.err)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the shard is truncated")
	}
	return fmt.Errorf("%w: %s is not a complete tar archive: %v", reflectionflow.ErrInvalid, s.name, err)
}

// splitName splits a member's name at the first dot of its file name, as WebDataset does
// (tariterators.base_plus_ext, group_by_keys).
func splitName(name string) (key, suffix string, ok bool) {
	file := strings.LastIndexByte(name, '/') + 1
	dot := strings.IndexByte(name[file:], '.')
	if dot <= 0 || strings.HasPrefix(name[file:], "__") {
		return "", "", false
	}
	return name[:file+dot], strings.ToLower(name[file+dot+1:]), true
}
