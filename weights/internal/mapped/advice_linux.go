package mapped

import (
	"os"
	"syscall"
)

var pageSize = os.Getpagesize()

// Errors are of no consequence: the advice is then not taken.
func release(pages []byte)  { _ = syscall.Madvise(pages, syscall.MADV_DONTNEED) }
func prefetch(pages []byte) { _ = syscall.Madvise(pages, syscall.MADV_WILLNEED) }
