package cpu

import (
	"errors"
	"math"
	"runtime/debug"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// TestTooLargeForMemory refuses a graph whose memory plan exceeds the memory, before anything is allocated.
func TestTooLargeForMemory(t *testing.T) {
	b := newLevel(t, "")
	b.memory.free = func() (int64, string) { return 100 << 20, "memory" }
	large := func(f compute.Function, x []compute.Value) []compute.Value {
		m := must(t)
		y := m(f.BroadcastInDim(x[0], shapes.Make(dtypes.Float32, 1<<14, 1<<14), []int{1}))
		return []compute.Value{m(f.Sqrt(y))}
	}
	exe, in := compileGraph(t, b, [][]float32{make([]float32, 1<<14)}, [][]int{{1 << 14}}, large)
	_, err := exe.Execute(in, nil, 0)
	var short *MemoryError
	if !errors.As(err, &short) || short.Needed < 1<<30 || short.Free != 100<<20 {
		t.Fatalf("%v, want a MemoryError of at least 1 GiB", err)
	}
	if want := `cpu: execute "test" needs 1.0 GiB of memory, but only 100.0 MiB are free (memory)`; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
	if _, _, err := b.NewSharedBuffer(0, shapes.Make(dtypes.Float32, 1<<28)); !errors.As(err, &short) {
		t.Errorf("a buffer of 1 GiB: %v", err)
	}
}

// TestFreeMemory keeps to GOMEMLIMIT.
func TestFreeMemory(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	before, _ := freeMemory()
	if before <= 0 {
		t.Fatalf("%d bytes are free", before)
	}
	debug.SetMemoryLimit(1)
	if free, limit := freeMemory(); free != 0 || limit != "GOMEMLIMIT" {
		t.Errorf("%d bytes are free by %s with GOMEMLIMIT=1", free, limit)
	}
}

// TestControlGroups reads the remainder of the limits of both versions of control groups.
func TestControlGroups(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text + "\n")} }
	for _, c := range []struct {
		name   string
		system fstest.MapFS
		want   int64
	}{
		{"none", fstest.MapFS{}, math.MaxInt64},
		{"version 2, mounted as the root", fstest.MapFS{
			"sys/fs/cgroup/memory.max":     file("1000"),
			"sys/fs/cgroup/memory.current": file("700"),
			"sys/fs/cgroup/memory.stat":    file("anon 600\ninactive_file 50"),
		}, 350},
		{"version 2, the limit of an outer group", fstest.MapFS{
			"proc/self/cgroup":                               file("0::/a.slice/b.service"),
			"sys/fs/cgroup/a.slice/memory.max":               file("1000"),
			"sys/fs/cgroup/a.slice/memory.current":           file("900"),
			"sys/fs/cgroup/a.slice/b.service/memory.max":     file("max"),
			"sys/fs/cgroup/a.slice/b.service/memory.current": file("10"),
		}, 100},
		{"version 1", fstest.MapFS{
			"proc/self/cgroup": file("5:cpu,cpuacct:/other\n4:memory:/docker/x"),
			"sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes": file("2000"),
			"sys/fs/cgroup/memory/docker/x/memory.usage_in_bytes": file("500"),
			"sys/fs/cgroup/memory/docker/x/memory.stat":           file("inactive_file 1\ntotal_inactive_file 100"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes":          file("9223372036854771712"),
			"sys/fs/cgroup/memory/memory.usage_in_bytes":          file("3000"),
		}, 1600},
		{"version 1, mounted as the root", fstest.MapFS{
			"proc/self/cgroup":                           file("4:memory:/docker/x"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes": file("2000"),
			"sys/fs/cgroup/memory/memory.usage_in_bytes": file("2500"),
		}, 0},
	} {
		if got := groupMemory(c.system); got != c.want {
			t.Errorf("%s: %d bytes are left, want %d", c.name, got, c.want)
		}
	}
}

// TestUnsupportedNamesTheNode checks that errors for operations that neither backend has name operation, dtype and node.
func TestUnsupportedNamesTheNode(t *testing.T) {
	b := newLevel(t, "")
	f := b.Builder("spectrum").Main()
	x, err := f.Parameter("x", shapes.Make(dtypes.Float32, 8), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.FFT(x, compute.FFTForward, []int{8})
	for _, part := range []string{"node 1", `"spectrum"`, "FFT", "Float32"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v does not say %s", err, part)
		}
	}
	bd := b.Builder("sign")
	f = bd.Main()
	if x, err = f.Parameter("x", shapes.Make(dtypes.Uint32, 8), nil); err != nil {
		t.Fatal(err)
	}
	y, err := f.Neg(x)
	if err == nil {
		err = f.Return([]compute.Value{y}, nil)
	}
	var exe compute.Executable
	if err == nil {
		exe, err = bd.Compile()
	}
	if err == nil {
		var u compute.Buffer
		if u, _, err = b.NewSharedBuffer(0, shapes.Make(dtypes.Uint32, 8)); err == nil {
			_, err = exe.Execute([]compute.Buffer{u}, nil, 0)
		}
	}
	for _, part := range []string{"node 1", `"sign"`, "Neg", "Uint32"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v does not say %s", err, part)
		}
	}
}
