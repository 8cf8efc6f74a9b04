package disk

import (
	"errors"
	"math"
	"os"

	"golang.org/x/sys/windows"
)

// TryLock takes the exclusive lock that the open file carries until it is closed,
// also by the end of the process. It reports false when another process has it.
// The locked byte lies beyond any real content, because Windows would otherwise
// keep other readers from the file.
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
