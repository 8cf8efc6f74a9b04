package main

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"reflectionflow"
)

// TestServeReloads: SIGHUP does not end serve, which reads its keys and says how many there
// are; SIGTERM ends it.
func TestServeReloads(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "keys.txt"), []byte("ann "+strings.Repeat("0a", 32)+" 2026-11-30\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := command(t, home, "serve", "--listen", "127.0.0.1:0", "--keys", "keys.txt")
	out, err := cmd.StdoutPipe()
	log, failure := cmd.StderrPipe()
	if err = errors.Join(err, failure, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.HasPrefix(line, "serving on ") {
		t.Fatalf("serve says %q, %v", line, err)
	}
	lines := bufio.NewReader(log)
	for range 2 {
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		line := ""
		for !strings.Contains(line, `"msg":"reloaded"`) {
			if line, err = lines.ReadString('\n'); err != nil {
				t.Fatalf("serve ended after %q: %v", line, err)
			}
		}
		if !strings.Contains(line, `"keys":1`) {
			t.Errorf("serve logs %s", line)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = lines.ReadString('\n')
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 0 && code != exitInterrupted {
		t.Errorf("serve ends with %d", code)
	}
}

func TestOriginsAreChecked(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"*", "app.example.com", "https://app.example.com/", "https://App.example.com", "ftp://a", "null", ""} {
		if err := checkOrigins([]string{bad}); !errors.Is(err, reflectionflow.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := checkOrigins([]string{"https://app.example.com", "http://127.0.0.1:3000"}); err != nil {
		t.Error(err)
	}
}
