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

// OpenCache opens the folder in which the answers of paid servers are cached, and creates
// it if needed. The cache is in use until the closer is closed. The folder stays until
// the answers are part of the set.
type OpenCache func(folder string) (io.Closer, error)

// CachedSource is a [Source] whose paid answers are cached until their shard is finished,
// so that an interrupted build pays for none of them twice.
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

// claim holds the lock of a folder that is written to, and the folders that were created
// for it.
type claim struct {
	lock *disk.Lock
	made []string // innermost first
}

// claimFolder creates a folder, if it does not exist, and takes its lock.
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

// release gives the lock back and removes the folders that were created and are empty.
func (c claim) release() error {
	err := c.lock.Unlock()
	c.unmake()
	return err
}

func (c claim) unmake() {
	for _, folder := range c.made {
		_ = os.Remove(folder) // fails if it is not empty
	}
}

// lockFolder takes the lock of an existing folder. A folder that another process writes
// to is an error wrapping [reflectionflow.ErrInvalid].
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

// placeError says why a folder cannot be written to. Mistakes of the user, such as missing
// permissions, wrap [reflectionflow.ErrInvalid].
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

// unfinishedName is the folder of a set that caches paid answers, in one folder per
// unfinished shard.
const unfinishedName = "unfinished"

// Unfinished returns the path of the folder that caches paid answers while the set is
// built. It may not exist. It is removed when the set is complete.
func (w *Writer) Unfinished() string { return filepath.Join(w.dir, unfinishedName) }

// cacheDir returns the folder that caches paid answers for a shard.
func (w *Writer) cacheDir(shard int) string {
	return filepath.Join(w.Unfinished(), strconv.Itoa(shard))
}

// removeCache removes the cached answers of a shard.
func (w *Writer) removeCache(shard int) error {
	err := os.RemoveAll(w.cacheDir(shard))
	if err != nil {
		return fmt.Errorf("remove the cached answers of shard %d: %w", shard, err)
	}
	_ = os.Remove(w.Unfinished()) // fails if other shards have answers
	return nil
}

// removeCaches removes all cached answers.
func (w *Writer) removeCaches() error {
	if err := os.RemoveAll(w.Unfinished()); err != nil {
		return fmt.Errorf("remove the cached answers: %w", err)
	}
	return nil
}
