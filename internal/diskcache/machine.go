package diskcache

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
)

// Machine is the part of a key that says what computes: the sum of this program's own file, and of what its processor and
// the driver of its NVIDIA GPU say about themselves.
var Machine = sync.OnceValues(func() (string, error) {
	sum := sha256.New()
	_, _ = fmt.Fprintln(sum, runtime.GOOS, runtime.GOARCH)
	place, err := os.Executable()
	if err != nil {
		return "", err
	}
	file, err := os.Open(place)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(sum, file)
	if err = errors.Join(err, file.Close()); err != nil {
		return "", err
	}
	info, _ := os.ReadFile("/proc/cpuinfo") // not everywhere
	for line := range bytes.Lines(info) {
		if bytes.HasPrefix(line, []byte("model name")) || bytes.HasPrefix(line, []byte("flags")) || bytes.HasPrefix(line, []byte("Features")) {
			_, _ = sum.Write(line)
		}
		if len(bytes.TrimSpace(line)) == 0 {
			break // the other processors
		}
	}
	driver, _ := os.ReadFile("/proc/driver/nvidia/version") // where there is one
	_, _ = sum.Write(driver)
	return hex.EncodeToString(sum.Sum(nil)), nil
})
