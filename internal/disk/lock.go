package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// LockName is the name of a folder's lock file.
const LockName = ".lock"

// ErrLocked reports that another process has the lock.
var ErrLocked = errors.New("it is in use by another process")

// Lock is the lock of a folder: see [LockFolder].
type Lock struct{ file *os.File }

// LockFolder takes the exclusive lock of an existing folder. It does not wait: if another
// process has the lock, the error wraps [ErrLocked]. The lock ends with the process, also
// if that is killed.
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
		// The previous holder may have removed the file after it was opened here. Its lock
		// would then exclude no other process.
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

// Unlock releases the lock and removes its file.
func (l *Lock) Unlock() error {
	if runtime.GOOS == "windows" { // which does not remove an open file: remove it once it is closed
		defer os.Remove(l.file.Name())
	} else {
		_ = os.Remove(l.file.Name()) // on an error the next holder reuses it
	}
	return l.file.Close()
}
