//go:build unix

package mapped

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// mapError says what to do if a file cannot be mapped.
func mapError(size int64, err error) error {
	if errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("the address space has no room for its %d bytes (%w): raise the limit of virtual memory (ulimit -v unlimited)", size, err)
	}
	return os.NewSyscallError("mmap", err)
}

// mapFile maps a file for reading. The slice is valid until unmap is called.
func mapFile(path string) (data []byte, unmap func() error, err error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, nil, errNotRegular // opening a pipe would wait for a writer
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close() // the mapping outlives the descriptor
	info, err := file.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errNotRegular
	}
	if info.Size() == 0 { // cannot be mapped
		return nil, func() error { return nil }, nil
	}
	err = syscall.EFBIG // on 32 bits
	if int64(int(info.Size())) == info.Size() {
		data, err = syscall.Mmap(int(file.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	}
	if err != nil {
		return nil, nil, mapError(info.Size(), err)
	}
	register(data)
	return data, func() error {
		forget(data)
		return syscall.Munmap(data)
	}, nil
}
