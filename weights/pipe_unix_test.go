//go:build unix

package weights_test

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"reflectionflow/weights"
	"reflectionflow/weights/safetensors"
)

// TestPipe checks that a pipe is refused: opening it would wait for somebody to write.
func TestPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.safetensors")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip(err)
	}
	for name, open := range map[string]func() error{
		"weights":     func() error { _, err := weights.Open(path); return err },
		"safetensors": func() error { _, err := safetensors.Open(path); return err },
	} {
		done := make(chan error, 1)
		go func() { done <- open() }()
		select {
		case err := <-done:
			if err == nil {
				t.Errorf("%s: a pipe was opened", name)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: it waits for a writer", name)
		}
	}
}
