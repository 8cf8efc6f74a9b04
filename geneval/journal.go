package geneval

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"reflectionflow"
)

// Bounds on what is read back.
const (
	maxJournalBytes = 4 << 30
	maxRecordBytes  = 1 << 20
)

// journal is a file of JSON lines that is only appended to.
type journal[T interface{ check() error }] struct {
	path string
	file *os.File
	size int64 // of the whole lines
}

// openJournal opens the file, or makes it.
func openJournal[T interface{ check() error }](path string) (*journal[T], error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return nil, placeError(filepath.Dir(path), err)
	}
	return &journal[T]{path: path, file: file}, nil
}

// read returns the whole lines and where each ends.
func (j *journal[T]) read() ([]T, []int, error) { return readLines[T](j.path) }

// cut keeps the first n lines only.
func (j *journal[T]) cut(ends []int, n int) error {
	j.size = 0
	if n > 0 {
		j.size = int64(ends[n-1])
	}
	if err := j.file.Truncate(j.size); err != nil {
		return fmt.Errorf("cut %s: %w", filepath.Base(j.path), err)
	}
	return nil
}

// append adds whole lines and flushes them to disk, or leaves the file as it was.
func (j *journal[T]) append(values ...T) error {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	for _, v := range values {
		if err := encoder.Encode(v); err != nil {
			return fmt.Errorf("encode a line of %s: %w", filepath.Base(j.path), err)
		}
	}
	_, err := j.file.Write(b.Bytes())
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", filepath.Base(j.path), err), j.file.Truncate(j.size))
	}
	j.size += int64(b.Len())
	return nil
}

func (j *journal[T]) close() error { return j.file.Close() }

// readLines reads a file of JSON lines; none is there is no line. It returns where
// each line ends: what follows the last was cut off while being written. A line
// that is damaged is an error wrapping [reflectionflow.ErrInvalid].
func readLines[T interface{ check() error }](path string) (values []T, ends []int, err error) {
	data, err := readBounded(path, maxJournalBytes)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil, nil
		}
		return nil, nil, err
	}
	for start := 0; ; {
		length := bytes.IndexByte(data[start:], '\n')
		if length < 0 {
			return values, ends, nil
		}
		var v T
		if err := parseLine(data[start:start+length], &v); err != nil {
			return nil, nil, fmt.Errorf("%w: %s, line %d is damaged: %v", reflectionflow.ErrInvalid, filepath.Base(path), len(values)+1, err)
		}
		start += length + 1
		values, ends = append(values, v), append(ends, start)
	}
}

func parseLine[T interface{ check() error }](line []byte, v *T) error {
	if len(line) > maxRecordBytes {
		return fmt.Errorf("longer than %d bytes", maxRecordBytes)
	}
	if err := decodeStrictly(line, v); err != nil {
		return err
	}
	return (*v).check()
}
