package genref

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"reflectionflow"
)

// shardWriter writes one shard under a temporary name.
type shardWriter struct {
	path   string // temporary
	file   *shardFile
	header tarHeader
	keys   map[string]bool
}

func createShard(path string, free chunks) (*shardWriter, error) {
	header, err := newTarHeader()
	if err != nil {
		return nil, fmt.Errorf("create shard: %w", err)
	}
	file, err := createShardFile(path, free)
	if err != nil {
		return nil, fmt.Errorf("create shard: %w", err)
	}
	return &shardWriter{path: path, file: file, header: header, keys: make(map[string]bool)}, nil
}

// add writes the members of a sample.
func (s *shardWriter) add(sample Sample) error {
	list, err := sample.valid()
	if err != nil {
		return err
	}
	if s.keys[sample.Key] {
		return fmt.Errorf("%w: two samples have the key %s", reflectionflow.ErrInvalid, sample.Key)
	}
	s.keys[sample.Key] = true
	var zeros [len(s.header)]byte
	for _, m := range list {
		s.header.describe(sample.Key+"."+m.name, len(m.data))
		padding := -len(m.data) & (len(s.header) - 1)
		for _, part := range [][]byte{s.header[:], m.data, zeros[:padding]} {
			if _, err := s.file.Write(part); err != nil {
				return fmt.Errorf("write shard: %w", err)
			}
		}
	}
	return nil
}

// tarHeader is the header of a member (POSIX ustar). Members differ only in name and size,
// and making a header from scratch takes longer than hashing a small image.
type tarHeader [512]byte

// newTarHeader returns a header that does not depend on the time of writing.
func newTarHeader() (h tarHeader, err error) {
	var b bytes.Buffer
	err = tar.NewWriter(&b).WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Format: tar.FormatUSTAR, Name: "x", Mode: 0o444, ModTime: time.Unix(0, 0),
	})
	copy(h[:], b.Bytes())
	return h, err
}

// Offsets of the fields that describe writes; tarName is also the length of a name.
const (
	tarName     = 100
	tarSize     = 124
	tarSizeEnd  = 136
	tarChecksum = 148
)

// describe sets name and size.
func (h *tarHeader) describe(name string, size int) {
	clear(h[copy(h[:tarName], name):tarName])
	for i := tarSizeEnd - 2; i >= tarSize; i-- { // 11 octal digits and a zero byte
		h[i] = '0' + byte(size&7)
		size >>= 3
	}
	copy(h[tarChecksum:], "        ") // the checksum counts its own field as spaces
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	h[tarChecksum+6] = 0
	for i := tarChecksum + 5; i >= tarChecksum; i-- { // 6 octal digits, a zero byte and a space
		h[i] = '0' + byte(sum&7)
		sum >>= 3
	}
}

// finish flushes the shard to disk under its temporary name.
func (s *shardWriter) finish() (Shard, error) {
	_, err := s.file.Write(make([]byte, 2*len(s.header))) // the end mark
	sum, size, failed := s.file.finish()
	if err = errors.Join(err, failed); err != nil {
		return Shard{}, errors.Join(fmt.Errorf("write shard: %w", err), os.Remove(s.path))
	}
	return Shard{SHA256: sum, Bytes: size, Triplets: len(s.keys)}, nil
}

// abandon removes the shard.
func (s *shardWriter) abandon() error {
	return errors.Join(s.file.abandon(), os.Remove(s.path))
}

// fileSum returns the SHA-256 sum and the size of a file.
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
