//go:build !linux

package cpu

import "errors"

// requestTiles refuses: only Linux is asked.
func requestTiles() error { return errors.ErrUnsupported }
