package gguf

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"reflectionflow"
)

func wantInvalid(t *testing.T, err error, part string) {
	t.Helper()
	if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(fmt.Sprint(err), part) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v, want an invalid input saying %q in one line", err, part)
	}
}

// sameBits reports whether the values are equal, -0 and 0 being different.
func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

func TestDecodesTheGoldenBlocks(t *testing.T) {
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string]struct {
		Hex    string    `json:"hex"`
		Values []float32 `json:"f32"`
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	quantized := 0
	for kind, f := range table {
		if f.decode == nil || f.elements == 1 {
			continue
		}
		quantized++
		want, ok := golden[kind.String()]
		if !ok {
			t.Errorf("no golden block of %s", kind)
			continue
		}
		block, err := hex.DecodeString(want.Hex)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]float32, len(want.Values))
		if err := Decode(got, kind, block); err != nil || !sameBits(got, want.Values) {
			t.Errorf("%s: %v\n got %v\nwant %v", kind, err, got, want.Values)
		}
	}
	if quantized != 12 {
		t.Errorf("%d quantized types", quantized)
	}
}

// referenceFile is a file written by the Python package gguf. REFERENCE_GGUF names
// another one of testdata/make.py, for example with more blocks.
func referenceFile(t testing.TB) *File {
	path := "testdata/reference.gguf"
	if other := os.Getenv("REFERENCE_GGUF"); other != "" {
		path = other
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func read(t *testing.T, f *File, name string) []float32 {
	t.Helper()
	info, err := f.Info(name)
	if err != nil {
		t.Fatal(err)
	}
	values := make([]float32, info.Elements())
	if err := f.ReadRows(values, name, 0); err != nil {
		t.Fatal(err)
	}
	return values
}

func TestDecodesAsTheReferenceImplementation(t *testing.T) {
	f := referenceFile(t)
	checked := 0
	for _, name := range f.Names() {
		quantized, ok := strings.CutSuffix(name, ".values")
		if !ok {
			continue
		}
		checked++
		got, want := read(t, f, quantized), read(t, f, name)
		if !sameBits(got, want) {
			t.Errorf("%s differs", quantized)
		}
		info, err := f.Info(quantized)
		if err != nil || info.Type.String() != quantized || info.Rows() != 2 {
			t.Errorf("%s: %+v, %v", quantized, info, err)
		}
		second := make([]float32, info.RowLength())
		if err := f.ReadRows(second, quantized, 1); err != nil || !sameBits(second, want[len(second):]) {
			t.Errorf("the second row of %s differs, %v", quantized, err)
		}
	}
	if checked != 12 {
		t.Errorf("%d types checked", checked)
	}
}

func TestReadsTensorsAndMetadataOfTheReferenceImplementation(t *testing.T) {
	f, err := Open("testdata/reference.gguf")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	brain := math.Float32frombits(math.Float32bits(3e38) &^ 0xffff)
	for name, want := range map[string][]float32{
		"vector": {0, 1, 2, 3, 4},
		"half":   {1, -2, 65504, 0x1p-24, float32(math.Copysign(0, -1)), 0.0999755859375},
		"brain":  {1, -2, brain},
	} {
		if got := read(t, f, name); !sameBits(got, want) {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
	for name, want := range map[string]Info{
		"vector":        {"vector", F32, []int{5}},
		"half":          {"half", F16, []int{2, 3}},
		"conv":          {"conv", F32, []int{2, 3, 2, 2}},
		"Q4_K":          {"Q4_K", Q4K, []int{2, 512}},
		"Q4_0.reshaped": {"Q4_0.reshaped", Q4_0, []int{4, 8, 2}},
	} {
		if got, err := f.Info(name); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
	for key, want := range map[string]any{
		"general.architecture": "flux", "test.text": "größe", "test.strings": []string{"a", "", "bc"}, "test.ints": []int32{1, -2, 3},
		"test.uint8": uint8(255), "test.int8": int8(-1), "test.uint16": uint16(65535), "test.int16": int16(-2), "test.uint32": uint32(7), "test.int32": int32(-3),
		"test.float32": float32(0.5), "test.bool": true, "test.uint64": uint64(1 << 40), "test.int64": int64(-4), "test.float64": 0.1,
	} {
		if got, ok := f.Metadata(key); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %#v, want %#v", key, got, want)
		}
	}
	if _, ok := f.Metadata("nothing"); ok || f.Version() != 3 || !slices.Contains(f.MetadataKeys(), "test.bool") {
		t.Error("metadata or version")
	}
	if blocks, err := f.Bytes("Q6_K"); err != nil || len(blocks) != 4*210 {
		t.Errorf("%d bytes of Q6_K, %v", len(blocks), err)
	}
}

// Rows of a tensor with an original shape lie inside blocks.
func TestReadRowsInsideABlock(t *testing.T) {
	f, err := Open("testdata/reference.gguf")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := read(t, f, "Q4_0.values")
	for row := range 4 {
		got := make([]float32, 16)
		if err := f.ReadRows(got, "Q4_0.reshaped", row); err != nil || !sameBits(got, want[16*row:][:16]) {
			t.Errorf("row %d = %v, %v", row, got, err)
		}
	}
}

func TestReadRowsRejectsRowsOutsideTheTensor(t *testing.T) {
	f, err := Open("testdata/reference.gguf")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, test := range []struct{ elements, row int }{{512, 2}, {512, -1}, {1024, 1}, {511, 0}, {512, math.MaxInt}} {
		err := f.ReadRows(make([]float32, test.elements), "Q4_K", test.row)
		wantInvalid(t, err, `reference.gguf: tensor "Q4_K" has 2 rows of 512 elements`)
	}
	wantInvalid(t, f.ReadRows(nil, "nothing", 0), `there is no tensor "nothing"`)
	wantInvalid(t, Decode(make([]float32, 32), Q4_0, make([]byte, 17)), "17 bytes of Q4_0")
	wantInvalid(t, Decode(nil, Type(16), nil), "IQ2_XXS")
}

func TestOpenNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.gguf")
	_, err := Open(path)
	wantInvalid(t, err, "x.gguf: ")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Open(path)
	wantInvalid(t, err, "x.gguf: the file is truncated: it has 0 bytes")
}

// A file that another process cuts short while it is open gives an error and does not
// kill the program.
func TestReadRowsOfAFileCutShort(t *testing.T) {
	data, err := os.ReadFile("testdata/reference.gguf")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.gguf")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	last := f.header.entries[len(f.header.entries)-1].name
	info, err := f.Info(last)
	if err != nil {
		t.Fatal(err)
	}
	wantInvalid(t, f.ReadRows(make([]float32, info.Elements()), last, 0), "the file changed while it was open")
}

// Blocks of any content decode by vectors to the bits of portable Go.
func TestVectorsDecodeTheSame(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for kind, f := range table {
		if f.vector == nil {
			continue
		}
		block, want, got := make([]byte, f.bytes), make([]float32, f.elements), make([]float32, f.elements)
		for i := range 2000 {
			for j := range block {
				block[j] = byte(rng.Uint32())
				if i < 20 { // all equal
					block[j] = byte(i * 13)
				}
			}
			f.decode(want, block)
			f.vector(got, block)
			for j, w := range want {
				if math.Float32bits(got[j]) != math.Float32bits(w) && (got[j] == got[j] || w == w) {
					t.Fatalf("%s: element %d of %x is %v, want %v", kind, j, block, got[j], w)
				}
			}
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, kind := range []Type{BF16, F16, Q8_0, Q4_0, Q5_0, Q3K, Q4K, Q5K, Q6K, IQ4XS} {
		b.Run(kind.String(), func(b *testing.B) {
			elements, size := kind.Block()
			dst, blocks := make([]float32, 1<<16), make([]byte, 1<<16/elements*size)
			for i := range blocks {
				blocks[i] = byte(i * 7)
			}
			b.SetBytes(4 << 16)
			for b.Loop() {
				if err := Decode(dst, kind, blocks); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
