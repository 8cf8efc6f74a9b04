//go:build cgo

package main

// cgoMemory is the virtual memory that the C library takes for its threads: a heap of
// 64 to 128 MB each.
const cgoMemory = 800 << 20
