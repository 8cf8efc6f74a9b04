package genref

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"time"

	"reflectionflow"
)

// shardWriter writes one shard under a temporary name.
type shardWriter struct {
	path    string // temporary
	file    *os.File
	sum     hash.Hash
	bytes   int64
	archive *tar.Writer
	keys    map[string]bool

	flushed  int64      // bytes whose flushing has begun
	flushing chan error // of a flush that is under way, else nil
}

// flushEvery is after how many bytes what was written is flushed to the disk, beside the
// writing of more. So the disk does not rest until a shard is whole.
const flushEvery = 8 << 20

func createShard(path string) (*shardWriter, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create shard: %w", err)
	}
	s := &shardWriter{path: path, file: file, sum: sha256.New(), keys: make(map[string]bool)}
	s.archive = tar.NewWriter(s)
	return s, nil
}

// Write takes what the archive is made of.
func (s *shardWriter) Write(p []byte) (int, error) {
	n, err := s.file.Write(p)
	s.sum.Write(p[:n]) // a hash takes everything
	s.bytes += int64(n)
	if err == nil && s.bytes-s.flushed >= flushEvery {
		err = s.flush()
	}
	return n, err
}

// flush begins a flush, unless one is under way.
func (s *shardWriter) flush() error {
	if s.flushing != nil {
		select {
		case err := <-s.flushing:
			s.flushing = nil
			if err != nil {
				return err
			}
		default:
			return nil
		}
	}
	done := make(chan error, 1)
	s.flushed, s.flushing = s.bytes, done
	go func() { done <- s.file.Sync() }()
	return nil
}

// settle waits for a flush that is under way.
func (s *shardWriter) settle() error {
	if s.flushing == nil {
		return nil
	}
	err := <-s.flushing
	s.flushing = nil
	return err
}

var _ io.Writer = (*shardWriter)(nil)

// add writes a sample: its members side by side.
func (s *shardWriter) add(sample Sample) error {
	list, err := sample.valid()
	if err != nil {
		return err
	}
	if s.keys[sample.Key] {
		return fmt.Errorf("%w: two samples have the key %s", reflectionflow.ErrInvalid, sample.Key)
	}
	s.keys[sample.Key] = true
	for _, m := range list {
		header := &tar.Header{
			Typeflag: tar.TypeReg, Format: tar.FormatUSTAR, Name: sample.Key + "." + m.name,
			Mode: 0o444, Size: int64(len(m.data)), ModTime: time.Unix(0, 0), // the same bytes whenever it is built
		}
		if err := s.archive.WriteHeader(header); err != nil {
			return fmt.Errorf("write shard: %w", err)
		}
		if _, err := s.archive.Write(m.data); err != nil {
			return fmt.Errorf("write shard: %w", err)
		}
	}
	return nil
}

// finish flushes the shard to the disk, still under its temporary name.
func (s *shardWriter) finish() (Shard, error) {
	err := errors.Join(s.archive.Close(), s.settle())
	if err == nil {
		err = s.file.Sync()
	}
	if err = errors.Join(err, s.file.Close()); err != nil {
		return Shard{}, errors.Join(fmt.Errorf("write shard: %w", err), os.Remove(s.path))
	}
	return Shard{SHA256: hex.EncodeToString(s.sum.Sum(nil)), Bytes: s.bytes, Triplets: len(s.keys)}, nil
}

// abandon removes the shard.
func (s *shardWriter) abandon() error {
	_ = s.settle() // what it wrote is not wanted
	return errors.Join(s.file.Close(), os.Remove(s.path))
}

// writeFile puts a whole file in place: under a temporary name, flushed, renamed.
func writeFile(path string, data []byte) error {
	temporary := path + temporarySuffix
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return rename(temporary, path)
}

// rename moves a flushed file to its name, and flushes the folder.
func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	_ = dir.Sync() // some systems cannot flush a folder; the file itself is safe
	return dir.Close()
}

// fileSum is the SHA-256 sum and the size of a file.
func fileSum(path string) (sum string, size int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	h := sha256.New()
	size, err = io.Copy(h, file)
	if err = errors.Join(err, file.Close()); err != nil {
		return "", 0, fmt.Errorf("read %s: %w", filepath.Base(path), err)
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}
