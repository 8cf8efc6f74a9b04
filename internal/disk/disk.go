// Package disk is what folders that outlive a crash are kept with: whole files,
// durable renames, locks against other processes.
package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// WriteFile puts a whole file in its place: under a temporary name (.tmp at the end),
// flushed to disk, renamed. Whoever looks sees the old file or the new one, after a
// crash too. Two writers of one path must not meet: see [TryLock].
func WriteFile(path string, data []byte) error {
	temporary := path + ".tmp"
	err := writeSynced(temporary, data)
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		_ = os.Remove(temporary) // it may not be there; the first error says more
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	if err := SyncFolder(filepath.Dir(path)); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return nil
}

func writeSynced(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}
