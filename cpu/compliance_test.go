package cpu_test

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"syscall"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/compute/support/backendtest"

	"reflectionflow/cpu"
)

func newBackend(t testing.TB) *cpu.Backend {
	t.Helper()
	b, err := cpu.New("")
	if err != nil {
		t.Fatal(err)
	}
	return b.(*cpu.Backend)
}

// TestCompliance runs GoMLX's own suite for backends.
func TestCompliance(t *testing.T) { backendtest.RunAll(t, newBackend(t), nil) }

// TestComplianceOfTheGoBackend runs it on the backend that TestComplianceSkips compares with.
func TestComplianceOfTheGoBackend(t *testing.T) {
	b, err := gobackend.New("ops_sequential")
	if err != nil {
		t.Fatal(err)
	}
	backendtest.RunAll(t, b, nil)
}

// TestComplianceSkips runs both in a process of its own: the suite skips nothing more here than on the Go backend.
func TestComplianceSkips(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	skips := func(suite string) []string {
		out, err := exec.Command(program, "-test.v", "-test.run", "^"+suite+"$").CombinedOutput()
		if errors.Is(err, syscall.ENOEXEC) {
			t.Skip("this processor is emulated")
		}
		if err != nil {
			t.Fatalf("%s: %v\n%s", suite, err, out)
		}
		var list []string
		for _, m := range regexp.MustCompile("--- SKIP: "+suite+`/(\S+)`).FindAllSubmatch(out, -1) {
			list = append(list, string(m[1]))
		}
		return list
	}
	theirs, ours := skips("TestComplianceOfTheGoBackend"), skips("TestCompliance")
	if len(theirs) == 0 {
		t.Error("the Go backend skips nothing, which it did")
	}
	for _, name := range ours {
		if !slices.Contains(theirs, name) {
			t.Errorf("%s is skipped, which the Go backend passes", name)
		}
	}
}

// TestRegister finds the backend through GoMLX's registry.
func TestRegister(t *testing.T) {
	cpu.Register()
	b, err := compute.NewWithConfig("cpu")
	if err != nil {
		t.Fatal(err)
	}
	if b.Name() != "cpu" {
		t.Errorf("name %q, want cpu", b.Name())
	}
	if _, err := compute.NewWithConfig("cpu:fast"); err == nil {
		t.Error("an unknown option was accepted")
	}
}
