//go:build !linux

package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// SyncTree flushes the files and folders under a folder to disk.
func SyncTree(path string) error {
	return filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return SyncFolder(name)
		case !entry.Type().IsRegular():
			return nil
		}
		file, err := os.OpenFile(name, os.O_RDWR, 0) // Windows flushes writable handles only
		if err != nil {
			return err
		}
		return errors.Join(file.Sync(), file.Close())
	})
}
