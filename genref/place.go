package genref

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"reflectionflow"
	"reflectionflow/internal/disk"
)

// claim is a folder that is written to: it is locked, and remembers which folders were made
// for it.
type claim struct {
	lock *disk.Lock
	made []string // the innermost first
}

// claimFolder makes a folder, where it is not there, and takes its lock.
func claimFolder(dir string) (c claim, err error) {
	for at := filepath.Clean(dir); ; at = filepath.Dir(at) {
		if _, err := os.Lstat(at); !errors.Is(err, fs.ErrNotExist) || filepath.Dir(at) == at {
			break
		}
		c.made = append(c.made, at)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		c.unmake()
		return c, placeError(dir, err)
	}
	if c.lock, err = lockFolder(dir); err != nil {
		c.unmake()
	}
	return c, err
}

// release gives the lock back. Folders that were made and are empty are removed.
func (c claim) release() error {
	err := c.lock.Unlock()
	c.unmake()
	return err
}

func (c claim) unmake() {
	for _, folder := range c.made {
		_ = os.Remove(folder) // not one with something in it
	}
}

// lockFolder takes the lock of a folder that is there and is written to.
func lockFolder(dir string) (*disk.Lock, error) {
	lock, err := disk.LockFolder(dir)
	if errors.Is(err, disk.ErrLocked) {
		return nil, fmt.Errorf("%w: %s: %v", reflectionflow.ErrInvalid, dir, err)
	}
	if err != nil {
		return nil, placeError(dir, err)
	}
	return lock, nil
}

// placeError says why a folder cannot be written to, as the user's mistake where it is
// one.
func placeError(dir string, err error) error {
	reason := err
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		reason = path.Err
	}
	for _, mistake := range []error{fs.ErrPermission, fs.ErrNotExist, fs.ErrExist, syscall.ENOTDIR, syscall.EROFS, syscall.ENAMETOOLONG} {
		if errors.Is(err, mistake) {
			return fmt.Errorf("%w: %s cannot be written to: %v", reflectionflow.ErrInvalid, dir, reason)
		}
	}
	return fmt.Errorf("%s cannot be written to: %w", dir, reason)
}
