//go:build !linux

package main

// addressSpaceLimit is the process's limit of virtual memory; only Linux enforces one.
func addressSpaceLimit() (uint64, bool) { return 0, false }
