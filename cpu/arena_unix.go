//go:build unix

package cpu

import "syscall"

// mapMemory returns at least n bytes of zeros that are not in the heap, or in the heap if the system refuses.
func mapMemory(n int) []byte {
	n = (n + page - 1) / page * page
	raw, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return make([]byte, n)
	}
	return raw
}

// unmapMemory gives memory back. That of the heap is refused, and left to the collector.
func unmapMemory(raw []byte) { _ = syscall.Munmap(raw) }
