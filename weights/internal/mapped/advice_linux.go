package mapped

import (
	"os"
	"syscall"
)

var pageSize = os.Getpagesize()

// release gives whole pages back. An error is of no consequence: the advice is then not taken.
func release(pages []byte) { _ = syscall.Madvise(pages, syscall.MADV_DONTNEED) }
