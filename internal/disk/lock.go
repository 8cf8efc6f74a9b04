package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// LockName is the file that carries the lock of a folder.
const LockName = ".lock"

// ErrLocked says that somebody else has the lock.
var ErrLocked = errors.New("it is in use by another process")

// Lock is the lock of a folder: see [LockFolder].
type Lock struct{ file *os.File }

// LockFolder takes the exclusive lock of a folder that is there, or reports an error
// wrapping [ErrLocked] at once. The end of the process gives it back too, in whatever
// way it ends.
func LockFolder(dir string) (*Lock, error) {
	path := filepath.Join(dir, LockName)
	for {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, fmt.Errorf("lock folder: %w", err)
		}
		ok, err := TryLock(file)
		switch {
		case err != nil:
			return nil, errors.Join(fmt.Errorf("lock folder: %w", err), file.Close())
		case !ok:
			return nil, errors.Join(ErrLocked, file.Close())
		}
		// Who had it before may have removed the file since it was opened here: then it
		// locks nobody out.
		mine, err := file.Stat()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("lock folder: %w", err), file.Close())
		}
		if there, err := os.Stat(path); err == nil && os.SameFile(mine, there) {
			return &Lock{file}, nil
		}
		file.Close()
	}
}

// Unlock gives the lock back and removes its file.
func (l *Lock) Unlock() error {
	if runtime.GOOS == "windows" { // which removes no file that is open: here, or where it is locked next
		defer os.Remove(l.file.Name())
	} else {
		_ = os.Remove(l.file.Name()) // one that stays is the next one's
	}
	return l.file.Close()
}
