//go:build linux

package safetensors

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A file that the address space has no room for gives one line that says what to do. The test runs itself again under
// a limit of virtual memory, with a sparse file that is larger.
func TestOpenUnderALimitOfVirtualMemory(t *testing.T) {
	const name = "large.safetensors"
	if os.Getenv("SAFETENSORS_LARGE_FILE") != "" {
		_, err := Open(name)
		t.Logf("error: %v", err)
		return
	}
	dir := t.TempDir()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1<<43); err != nil {
		t.Skip("the file system has no sparse file of 8 TiB:", err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `ulimit -v 8000000 && exec "$0" -test.run '^TestOpenUnderALimitOfVirtualMemory$' -test.v`, program)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "SAFETENSORS_LARGE_FILE=1")
	out, err := cmd.CombinedOutput()
	const want = "error: open large.safetensors: the address space has no room for its 8796093022208 bytes (cannot allocate memory): raise the limit of virtual memory (ulimit -v unlimited)"
	if err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%v, want %q in\n%s", err, want, out)
	}
}
