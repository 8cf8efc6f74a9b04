//go:build !unix

package cpu

// mapMemory returns n bytes of the heap: this system has no such mapping in the standard library.
func mapMemory(n int) []byte { return make([]byte, n) }

func unmapMemory([]byte) {}
