package main

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// Where the program starts under a limit of virtual memory, it succeeds or prints one
// line. The Go runtime would end it with stack traces.
func TestLimitedMemoryIsOneLine(t *testing.T) {
	if _, err := exec.LookPath("/bin/sh"); err != nil {
		t.Skip("no shell to set the limit with")
	}
	dir := t.TempDir()
	once := func(kilobytes uint64, args string) (string, int) {
		cmd := embedded(dir)
		cmd.Path, cmd.Args = "/bin/sh", []string{"sh", "-c", fmt.Sprintf("ulimit -v %d; exec reflectionflow-embedded %s", kilobytes, args)}
		cmd.Env = append(cmd.Env, "MALLOC_ARENA_MAX=1") // the C library's heaps vary from start to start
		out, err := cmd.CombinedOutput()
		return string(out), exitOf(t, err)
	}
	// Now and then the runtime of this binary, which has cgo, is refused a thread before
	// main runs. That is no answer of the program: it is asked again.
	limited := func(kilobytes uint64, args string) (out string, code int) {
		for range 8 {
			if out, code = once(kilobytes, args); !strings.Contains(out, "goroutine ") && !strings.Contains(out, "runtime: ") && !strings.Contains(out, "runtime/cgo: ") {
				break
			}
		}
		return out, code
	}
	refused := func(kilobytes uint64, args string) {
		t.Helper()
		out, code := limited(kilobytes, args)
		if code != exitFailure || strings.Count(out, "\n") != 1 ||
			!strings.HasPrefix(out, fmt.Sprintf("reflectionflow: virtual memory is limited to %d MB (ulimit -v), and this command needs ", kilobytes*1024/1e6)) {
			t.Errorf("%d kB, %s: exit code %d: %.300s", kilobytes, args, code, out)
		}
	}
	const generate = "generate 'a clock' --budget 1 --steps 1 --out run"
	need := neededMemory([]string{"generate"}) / 1024
	for _, kilobytes := range []uint64{1000000, 1400000, 1500000, 1600000, need - 1} {
		refused(kilobytes, generate)
	}
	if out, code := limited(need, generate); code != exitOK {
		t.Errorf("with the memory that it needs: exit code %d: %.300s", code, out)
	}
	for _, args := range []string{"evaluate --out x", "train base --out x", "train policy --out x", "bench engine --quick", "models check", "genref build --out x"} {
		refused(1500000, args)
	}
	refused(need+1, "train base --out x")
	need = neededMemory([]string{"models", "list"}) / 1024
	if out, code := limited(need, "models list"); code != exitOK {
		t.Errorf("models list: exit code %d: %.300s", code, out)
	}
	refused(1000000, "models list")
}
