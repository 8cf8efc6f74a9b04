//go:build !linux

package mapped

const pageSize = 4096

// The standard library has no such advice for this system.
func release([]byte) {}
