//go:build unix

package cpu

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/shapes"
)

// mappedFile writes values to a file and maps it. cut leaves nothing of the file.
func mappedFile(t *testing.T, values []float32) (data []byte, cut, restore func()) {
	t.Helper()
	raw := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), 4*len(values))
	path := filepath.Join(t.TempDir(), "weights")
	write := func() {
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	data, err = syscall.Mmap(int(file.Fd()), 0, len(raw), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Munmap(data) })
	return data, func() {
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
	}, write
}

// TestFileCutShort executes graphs whose weights are in a mapped file that is then cut short: kernels in Go and in
// assembly end with an error that names the weights, and the program goes on.
func TestFileCutShort(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 42))
	const n = 128
	for _, isa := range levels() {
		b := newLevel(t, isa)
		for _, use := range usesOfMatrix {
			for _, m := range []int{2, 40, 300} {
				dims := [][]int{use.x(n, n, m), {n, n}}
				w := gaussian(r, n*n)
				exe, in := compileGraph(t, b, [][]float32{gaussian(r, product(dims[0])), w}, dims, func(f compute.Function, in []compute.Value) []compute.Value {
					return []compute.Value{use.build(f, must(t), in, n, n)}
				})
				data, cut, restore := mappedFile(t, w)
				values := unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(data))), n*n)
				var buffers [2]compute.Buffer // the first execution of a product keeps the packed weights, with which later ones go on
				for i := range buffers {
					var err error
					if buffers[i], err = b.BufferOverFlatData(values, shapes.Make(dtypes.Float32, n, n)); err != nil {
						t.Fatal(err)
					}
				}
				in[1] = buffers[0]
				memory := outputOf(t, exe, in)
				byRows, _ := asRows(t, b, values, dims[1])
				for kind, u := range map[string]compute.Buffer{"in memory": buffers[1], "by rows": byRows} {
					in[1] = u
					want := memory
					if kind == "by rows" {
						want = outputOf(t, exe, in)
					}
					cut()
					if _, err := exe.Execute(in, nil, 0); err == nil || !strings.Contains(err.Error(), `the memory could not be read: "1": its file`) && kind == "in memory" {
						t.Errorf("%s, %s of %d rows, %s: %v", isa, use.name, m, kind, err)
					}
					restore()
					if got := outputOf(t, exe, in); !slices.Equal(got, want) {
						t.Errorf("%s, %s of %d rows, %s: the results differ when the file is back", isa, use.name, m, kind)
					}
				}
			}
		}
	}
}

// TestBFloat16FileCutShort is TestFileCutShort for products that read bf16 in place.
func TestBFloat16FileCutShort(t *testing.T) {
	r := rand.New(rand.NewPCG(43, 44))
	const n = 128
	for _, m := range []int{2, 40} {
		b := newLevel(t, "")
		bd := b.Builder("test")
		f, ok := bd.Main(), must(t)
		x := ok(f.Parameter("x", shapes.Make(dtypes.Float32, m, n), nil))
		w := ok(f.Parameter("w", shapes.Make(dtypes.BFloat16, n, n), nil))
		y := ok(f.DotGeneral(x, []int{1}, nil, ok(f.ConvertDType(w, dtypes.Float32)), []int{1}, nil, config))
		if err := f.Return([]compute.Value{y}, nil); err != nil {
			t.Fatal(err)
		}
		exe, err := bd.Compile()
		if err != nil {
			t.Fatal(err)
		}
		data, cut, _ := mappedFile(t, gaussian(r, n*n/2))
		values := unsafe.Slice((*bfloat16.BFloat16)(unsafe.Pointer(unsafe.SliceData(data))), n*n)
		in := make([]compute.Buffer, 2)
		if in[0], err = b.BufferFromFlatData(0, gaussian(r, m*n), shapes.Make(dtypes.Float32, m, n)); err == nil {
			in[1], err = b.BufferOverFlatData(values, shapes.Make(dtypes.BFloat16, n, n))
		}
		if err != nil {
			t.Fatal(err)
		}
		cut()
		for range 2 {
			if _, err := exe.Execute(in, nil, 0); err == nil || !strings.Contains(err.Error(), `"w"`) {
				t.Errorf("%d rows: %v", m, err)
			}
		}
	}
}
