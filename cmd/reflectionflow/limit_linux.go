package main

import (
	"syscall"
	"unsafe"
)

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

// endAtOnce prints a message to the standard error and ends the process. Raw system
// calls do not make the scheduler start a thread, which the limit may not allow.
func endAtOnce(message string, code int) {
	data := []byte(message)
	_, _, _ = syscall.RawSyscall(syscall.SYS_WRITE, 2, uintptr(unsafe.Pointer(unsafe.SliceData(data))), uintptr(len(data)))
	_, _, _ = syscall.RawSyscall(syscall.SYS_EXIT_GROUP, uintptr(code), 0, 0)
}
