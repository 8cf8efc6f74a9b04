package bench

import (
	"os"
	"strconv"
	"strings"
)

// resident returns the process's resident memory now and at its peak, in bytes, 0 if unknown.
func resident() (now, peak int64) {
	kilobytes := func(name string) int64 {
		n, err := strconv.ParseInt(strings.TrimSuffix(field("/proc/self/status", name), " kB"), 10, 64)
		if err != nil {
			return 0
		}
		return n << 10
	}
	return kilobytes("VmRSS"), kilobytes("VmHWM")
}

// forgetPeak resets the peak to the current value, where the system allows it (proc_pid_clear_refs(5)).
func forgetPeak() bool {
	return os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) == nil
}
