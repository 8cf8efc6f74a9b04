package main

import (
	"os/exec"
	"strings"
	"testing"
)

// Under too low a limit of virtual memory the Go runtime would end the process with a
// stack trace.
func TestLimitedMemoryIsOneLine(t *testing.T) {
	limited := func(args string) (string, int) {
		cmd := command(t, t.TempDir())
		cmd.Path, cmd.Args = "/bin/sh", []string{"sh", "-c", "ulimit -v 1200000; exec reflectionflow " + args}
		out, err := cmd.CombinedOutput()
		return string(out), exitOf(t, err)
	}
	if _, err := exec.LookPath("/bin/sh"); err != nil {
		t.Skip("no shell to set the limit with")
	}
	if out, code := limited("version"); code != 0 {
		t.Skipf("this test binary does not start under the limit: %.100s", out)
	}
	for _, args := range []string{"generate 'a clock' --out run", "train base --out x", "bench engine --quick"} {
		out, code := limited(args)
		if code != exitFailure || !strings.HasPrefix(out, "reflectionflow: virtual memory is limited to 1228 MB (ulimit -v), and computing takes at least 2") || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: exit code %d: %.300s", args, code, out)
		}
	}
}
