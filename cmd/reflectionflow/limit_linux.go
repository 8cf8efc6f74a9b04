package main

import "syscall"

// addressSpaceLimit is the process's limit of virtual memory in bytes (ulimit -v), and
// false if there is none.
func addressSpaceLimit() (uint64, bool) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_AS, &limit); err != nil {
		return 0, false
	}
	const infinity = ^uint64(0)
	return limit.Cur, limit.Cur != infinity
}
