//go:build !unix

package mapped

import "os"

// mapFile reads the whole file: this system has no mmap in the standard library.
func mapFile(path string) (data []byte, unmap func() error, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errNotRegular
	}
	data, err = os.ReadFile(path)
	return data, func() error { return nil }, err
}
