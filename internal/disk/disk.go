// Package disk keeps folders consistent across crashes and processes: atomic file
// writes, durable renames, and locks.
package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Temporary is the suffix of files that are not complete yet.
const Temporary = ".tmp"

// WriteFile writes data to a file atomically and durably, as [Write] does.
func WriteFile(path string, data []byte) error {
	return Write(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// Write replaces a file atomically and durably: fill writes a temporary file, which is
// flushed to disk and renamed. Readers see the old file or the new one, also after a
// crash. On an error, the temporary file is removed and an older file is unchanged. A
// path must have one writer at a time: see [TryLock].
func Write(path string, fill func(io.Writer) error) error {
	temporary := path + Temporary
	err := writeSynced(temporary, fill)
	if err == nil {
		err = Rename(temporary, path)
	}
	if err != nil {
		_ = os.Remove(temporary) // it may not exist; the first error says more
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return nil
}

// Put replaces a file atomically without flushing it to disk: readers see the old file or
// the new one, unless the system crashes before the next [SyncTree] of a parent folder.
func Put(path string, data []byte) error {
	temporary := path + Temporary
	err := os.WriteFile(temporary, data, 0o644)
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		_ = os.Remove(temporary) // it may not exist; the first error says more
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return nil
}

func writeSynced(path string, fill func(io.Writer) error) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	if err = fill(file); err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// Rename renames a flushed file durably: it also flushes the file's folder.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(to))
}
