// Package disk is what folders that outlive a crash are kept with: whole files,
// durable renames, locks against other processes.
package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Temporary is what ends the names of files that are not whole yet.
const Temporary = ".tmp"

// WriteFile puts a whole file in its place, as [Write] does.
func WriteFile(path string, data []byte) error {
	return Write(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// Write puts a whole file in its place: fill writes it under a temporary name, it is
// flushed to disk and renamed. Whoever looks sees the old file or the new one, after a
// crash too. On an error nothing is left behind and an older file stays as it was. Two
// writers of one path must not meet: see [TryLock].
func Write(path string, fill func(io.Writer) error) error {
	temporary := path + Temporary
	err := writeSynced(temporary, fill)
	if err == nil {
		err = Rename(temporary, path)
	}
	if err != nil {
		_ = os.Remove(temporary) // it may not be there; the first error says more
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return nil
}

// Put puts a whole file in its place without flushing it to disk: whoever looks sees the
// old file or the new one, but for a crash before the next [SyncTree] of a folder above it.
func Put(path string, data []byte) error {
	temporary := path + Temporary
	err := os.WriteFile(temporary, data, 0o644)
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		_ = os.Remove(temporary) // it may not be there; the first error says more
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

// Rename gives a flushed file its name, for good: its folder is flushed too.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(to))
}
