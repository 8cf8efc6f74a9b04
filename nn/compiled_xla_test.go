//go:build xla

package nn_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"reflectionflow/nn"
	"reflectionflow/nn/internal/pjrt"
)

// TestCompiledPrograms starts a process again and again: the first compiles, the second takes the program from disk, and one
// that finds a damaged or foreign entry says so in a line and compiles. All compute the same.
func TestCompiledPrograms(t *testing.T) {
	if os.Getenv("REFLECTIONFLOW_TEST_PLUGIN") == "" {
		t.Skip("REFLECTIONFLOW_TEST_PLUGIN names no plugin")
	}
	if folder := os.Getenv("REFLECTIONFLOW_TEST_COMPILED"); folder != "" {
		runCompiled(t, folder)
		return
	}
	folder := filepath.Join(t.TempDir(), "xla")
	start := func(flags ...string) string {
		t.Helper()
		again := exec.Command(os.Args[0], "-test.run=^TestCompiledPrograms$", "-test.v")
		again.Env = append(append(os.Environ(), "REFLECTIONFLOW_TEST_COMPILED="+folder), flags...)
		out, err := again.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return strings.Join(regexp.MustCompile(`(?m)^ *compiled_xla_test.go.*$`).FindAllString(string(out), -1), "\n")
	}
	entry := func() string {
		t.Helper()
		list, err := filepath.Glob(filepath.Join(folder, "*"))
		if err != nil || len(list) != 1 {
			t.Fatalf("entries %v, %v, want one", list, err)
		}
		return list[0]
	}
	expect := func(got string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("a start says\n%s\nwant %q", got, w)
			}
		}
	}
	expect(start(), "loaded 0, compiled 1", "result 11")
	good, err := os.ReadFile(entry())
	if err != nil {
		t.Fatal(err)
	}
	expect(start(), "loaded 1, compiled 0", "result 11")
	bad := append([]byte{}, good...)
	bad[len(bad)/2] ^= 4
	if err := os.WriteFile(entry(), bad, 0o600); err != nil {
		t.Fatal(err)
	}
	expect(start(), "loaded 0, compiled 1", "result 11", "damaged or not an entry")
	expect(start(), "loaded 1, compiled 0", "result 11")
	if got := start("XLA_FLAGS=--xla_cpu_enable_fast_math=true"); !strings.Contains(got, "loaded 0, compiled 1") {
		t.Errorf("with other flags a start says\n%s", got)
	}
}

func runCompiled(t *testing.T, folder string) {
	nn.KeepCompiled(folder, func(problem error) { t.Logf("problem: %v", problem) })
	backend, err := nn.OpenBackend("xla:" + os.Getenv("REFLECTIONFLOW_TEST_PLUGIN"))
	if err != nil {
		t.Fatal(err)
	}
	store := nn.NewStore()
	store.Set("a.weight", []float32{1, 2, 3, 4}, 1, 4)
	store.Set("a.bias", []float32{1}, 1)
	p, err := nn.Compile(backend, store, []shapes.Shape{shapes.Make(dtypes.Float32, 1, 4)}, func(s nn.Scope, in []*Node) ([]*Node, map[string]*Node) {
		return []*Node{nn.Linear(s.In("a"), in[0], 1)}, nil
	}, nn.Options{Name: "small"})
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Run(tensors.FromFlatDataAndDimensions([]float32{1, 1, 1, 1}, 1, 4))
	if err != nil {
		t.Fatal(err)
	}
	loaded, compiled := pjrt.Counts()
	t.Logf("loaded %d, compiled %d, result %v", loaded, compiled, tensors.MustCopyFlatData[float32](out[0])[0])
}
