//go:build !linux

package main

import "os"

// addressSpaceLimit is the process's limit of virtual memory; only Linux enforces one.
func addressSpaceLimit() (uint64, bool) { return 0, false }

// endAtOnce prints a message to the standard error and ends the process.
func endAtOnce(message string, code int) {
	_, _ = os.Stderr.WriteString(message)
	os.Exit(code)
}
