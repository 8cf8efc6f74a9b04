package genref

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"reflectionflow"
	"reflectionflow/internal/disk"
)

// OpenCache opens a folder, which need not be there yet, for what is paid for until the
// closer is closed. It stays until what was paid for is used.
type OpenCache func(folder string) (io.Closer, error)

// CachedSource is a source that keeps what it has paid for on the way to a shard.
type CachedSource struct {
	Source
	Open OpenCache
}

// Fill implements [Source].
func (k CachedSource) Fill(ctx context.Context, shard FillRequest) (result FillResult, err error) {
	kept, err := k.Open(shard.CacheDir)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	return k.Source.Fill(ctx, shard)
}

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

// unfinishedName is the folder of a set for what was paid for and is no finished shard yet:
// one folder a shard.
const unfinishedName = "unfinished"

// Unfinished is the folder, not made yet, for what was paid for before the set is whole.
// It is removed when that is so.
func (w *Writer) Unfinished() string { return filepath.Join(w.dir, unfinishedName) }

// keep is the folder for what was paid for on the way to a shard.
func (w *Writer) cacheDir(shard int) string {
	return filepath.Join(w.Unfinished(), strconv.Itoa(shard))
}

// forget removes what was kept on the way to a shard.
func (w *Writer) removeCache(shard int) error {
	err := os.RemoveAll(w.cacheDir(shard))
	if err != nil {
		return fmt.Errorf("remove the answers of shard %d: %w", shard, err)
	}
	_ = os.Remove(w.Unfinished()) // unless others are in it
	return nil
}

// forgetAll removes all that was kept.
func (w *Writer) removeCaches() error {
	if err := os.RemoveAll(w.Unfinished()); err != nil {
		return fmt.Errorf("remove what was kept: %w", err)
	}
	return nil
}
