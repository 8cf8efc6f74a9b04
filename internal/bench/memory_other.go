//go:build !linux

package bench

// resident is unknown on this system.
func resident() (now, peak int64) { return 0, 0 }

func forgetPeak() bool { return false }
