package disk

import (
	"errors"
	"math"
	"os"

	"golang.org/x/sys/windows"
)

// TryLock takes the exclusive lock of an open file. The lock lasts until the file is
// closed or the process ends. TryLock returns false when another process has the lock.
// The locked byte is beyond any content, because Windows would otherwise block other
// readers of the file.
func TryLock(file *os.File) (bool, error) {
	at := &windows.Overlapped{Offset: math.MaxUint32, OffsetHigh: math.MaxInt32}
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err := windows.LockFileEx(windows.Handle(file.Fd()), flags, 0, 1, 0, at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}

// SyncFolder does nothing: Windows has no handle to flush for a folder.
func SyncFolder(string) error { return nil }
