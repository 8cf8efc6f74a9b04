//go:build !linux

package bench

// resident is not known here.
func resident() (now, peak int64) { return 0, 0 }

func forgetPeak() bool { return false }
