//go:build !linux

package genref

import "os"

// openDirect creates a file. Writes go through the system's cache.
func openDirect(path string) (file *os.File, direct bool, err error) {
	file, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	return file, false, err
}

// indirect is not needed on this system.
func indirect(*os.File) error { return nil }
