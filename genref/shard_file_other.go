//go:build !linux

package genref

import "os"

// openDirect creates a file. It is written to through the system's cache.
func openDirect(path string) (file *os.File, direct bool, err error) {
	file, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	return file, false, err
}

// indirect is for files that are written to directly.
func indirect(*os.File) error { return nil }
