//go:build !cgo

package main

// cgoMemory is the virtual memory that the C library takes, which this build is without.
const cgoMemory = 0
