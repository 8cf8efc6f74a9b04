package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"reflectionflow"
)

// raw makes a file of a header and data, whatever they say.
func raw(header string, data ...byte) []byte {
	return append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...), data...)
}

// wantInvalid asks for an error that wraps ErrInvalid, is one line and has the part.
func wantInvalid(t *testing.T, err error, part string) {
	t.Helper()
	if !errors.Is(err, reflectionflow.ErrInvalid) || !strings.Contains(fmt.Sprint(err), part) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v, want an invalid input saying %q in one line", err, part)
	}
}

func TestReadsTheReferenceImplementation(t *testing.T) {
	f, err := Open("testdata/reference.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	third, tiny := float32(1.0/3), float32(1e-7)
	for name, want := range map[string][]float32{
		"z.float":         {0, -1, third, 65504, tiny, -2.5},
		"b.half":          {0, -1, 0.333251953125, 65504, 0x1p-23, -2.5},
		"a.brain":         {0, -1, 0.333984375, 65536, 1.00117176771e-07, -2.5},
		"odd.half":        {0, -1, 0.333251953125},
		"double":          {65504, tiny, -2.5},
		"scalar":          {7},
		"empty":           {},
		"quote \" <é> \n": {0},
	} {
		got, err := f.Float32(name)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q = %v, %v, want %v", name, got, err, want)
		}
		if err := f.CheckFinite(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	if got, err := f.Int64("ids"); err != nil || !reflect.DeepEqual(got, []int64{1, -2, 3}) {
		t.Errorf("ids = %v, %v", got, err)
	}
	if got, err := f.Bytes("bytes"); err != nil || !bytes.Equal(got, []byte{0, 255}) {
		t.Errorf("bytes = %v, %v", got, err)
	}
	if got, err := f.Info("b.half"); err != nil || !reflect.DeepEqual(got, Info{"b.half", F16, []int{2, 3}}) {
		t.Errorf("info = %v, %v", got, err)
	}
	if got := f.Metadata(); !reflect.DeepEqual(got, map[string]string{"format": "np"}) {
		t.Errorf("metadata = %v", got)
	}
	if got := fmt.Sprint(f.Names()[:4]); got != "[a.brain b.half bytes double]" {
		t.Errorf("names = %v", got)
	}
	_, err = f.Float32("ids")
	wantInvalid(t, err, `reference.safetensors: tensor "ids" is of type I64`)
	_, err = f.Float32("nothing")
	wantInvalid(t, err, `reference.safetensors: there is no tensor "nothing"`)
	_, err = f.Float32Shape("b.half", 3, 2)
	wantInvalid(t, err, `tensor "b.half" has shape [2 3], the model needs [3 2]`)
	if _, err = f.Float32Shape("b.half", 2, 3); err != nil {
		t.Error(err)
	}
}

func TestRefusesDamagedFiles(t *testing.T) {
	const good = `{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}`
	if _, err := FromBytes("x", raw(good, 1, 2)); err != nil {
		t.Fatal(err)
	}
	claim := func(length uint64) []byte {
		return append(binary.LittleEndian.AppendUint64(nil, length), good...)
	}
	tensors := func(text string) string { return "{" + text + "}" }
	for _, test := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "truncated: it has 0 bytes"},
		{"7 bytes", make([]byte, 7), "truncated: it has 7 bytes"},
		{"2^60", claim(1 << 60), "claims 1152921504606846976 bytes"},
		{"over the limit", claim(maxHeader + 1), "claims 100000001 bytes"},
		{"header cut", claim(uint64(len(good)) + 1), "truncated: the header has 54 bytes, the file holds 53"},
		{"no header", raw(""), "does not begin with {"},
		{"white space first", raw(" " + good), "does not begin with {"},
		{"not UTF-8", raw("{\"\xff\":1}"), "not valid UTF-8"},
		{"not JSON", raw("{nonsense}"), "header: invalid character"},
		{"open end", raw(good[:len(good)-1]), "unexpected EOF"},
		{"trailing text", raw(good+"x", 1, 2), "something follows"},
		{"two objects", raw(good+"{}", 1, 2), "something follows"},
		{"trailing comma", raw(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},}`, 1, 2), "header:"},
		{"data cut", raw(good, 1), "ends at byte 2 of the data, which has 1"},
		{"data left over", raw(good, 1, 2, 3), "the data has 3 bytes, but the tensors take 2"},
		{"data without tensors", raw("{}", 1), "the tensors take 0"},
		{"backwards", raw(tensors(`"a":{"dtype":"U8","shape":[2],"data_offsets":[2,0]}`), 1, 2), "before it begins"},
		{"gap at the start", raw(tensors(`"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}`), 1, 2), `"a" begins at 1, but the one before it ends at 0`},
		{"overlap", raw(tensors(`"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}`), 1, 2, 3), `"b" begins at 1`},
		{"same place", raw(tensors(`"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}`), 1, 2), `"b" begins at 0`},
		{"wrong length", raw(tensors(`"a":{"dtype":"F16","shape":[2],"data_offsets":[0,2]}`), 1, 2), "shape [2] of F16 takes 4"},
		{"overflowing shape", raw(tensors(`"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}`)), "too large"},
		{"product that wraps to 0", raw(tensors(`"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}`)), "too large"},
		{"huge number", raw(tensors(`"a":{"dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,2]}`), 1, 2), "no size or offset"},
		{"negative", raw(tensors(`"a":{"dtype":"U8","shape":[-2],"data_offsets":[0,2]}`), 1, 2), "-2 is no size"},
		{"fraction", raw(tensors(`"a":{"dtype":"U8","shape":[2.0],"data_offsets":[0,2]}`), 1, 2), "2.0 is no size"},
		{"null in shape", raw(tensors(`"a":{"dtype":"U8","shape":[null],"data_offsets":[0,0]}`)), "where a number should be"},
		{"null shape", raw(tensors(`"a":{"dtype":"U8","shape":null,"data_offsets":[0,1]}`), 1), "where [ should be"},
		{"one offset", raw(tensors(`"a":{"dtype":"U8","shape":[2],"data_offsets":[2]}`), 1, 2), "has 1 numbers, not 2"},
		{"missing shape", raw(tensors(`"a":{"dtype":"U8","data_offsets":[0,2]}`), 1, 2), "missing"},
		{"key in another case", raw(tensors(`"a":{"DTYPE":"U8","shape":[2],"data_offsets":[0,2]}`), 1, 2), "missing"},
		{"unknown dtype", raw(tensors(`"a":{"dtype":"Q4","shape":[2],"data_offsets":[0,2]}`), 1, 2), `tensor "a": unknown dtype "Q4"`},
		{"duplicate tensor", raw(tensors(`"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\u0061":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}`), 1, 2), `the name "a" comes twice`},
		{"duplicate member", raw(tensors(`"a":{"dtype":"U8","shape":[1],"shape":[2],"data_offsets":[0,2]}`), 1, 2), `the name "shape" comes twice`},
		{"metadata that is no text", raw(`{"__metadata__":{"a":1}}`), "__metadata__: found 1 where text should be"},
		{"tensor that is a list", raw(`{"a":[]}`), "where { should be"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := FromBytes("weights.safetensors", test.file)
			wantInvalid(t, err, test.want)
			wantInvalid(t, err, "weights.safetensors: ")
		})
	}
}

func TestOpenNamesTheFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "model.safetensors")
	_, err := Open(path)
	wantInvalid(t, err, "model.safetensors: ")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v does not wrap fs.ErrNotExist", err)
	}
	_, err = Open(dir)
	wantInvalid(t, err, "not a regular file")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = Open(path)
	wantInvalid(t, err, "model.safetensors: the file is truncated")
}

func TestCheckFiniteNamesTensorAndIndex(t *testing.T) {
	var tensors []Tensor
	for _, dtype := range []DType{F32, F16, BF16} {
		for i, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			tensors = append(tensors, Tensor{
				Name: fmt.Sprintf("%s.%d", dtype, i), Shape: []int{4}, DType: dtype,
				Values: []float32{65504, -0.5, 0, float32(bad)},
			})
		}
	}
	tensors = append(tensors,
		Tensor{Name: "double", Shape: []int{4}, DType: F64, Raw: binary.LittleEndian.AppendUint64(make([]byte, 24), math.Float64bits(math.NaN()))},
		Tensor{Name: "ids", Shape: []int{1}, DType: I64, Raw: bytes.Repeat([]byte{255}, 8)})
	f := encoded(t, tensors)
	for _, name := range f.Names() {
		if name == "ids" {
			if err := f.CheckFinite(name); err != nil {
				t.Error(err)
			}
			continue
		}
		wantInvalid(t, f.CheckFinite(name), fmt.Sprintf("m.safetensors: tensor %q holds a value that is not finite, at index 3 of 4", name))
	}
}

func TestCloseForgetsTheTensors(t *testing.T) {
	f, err := Open("testdata/reference.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, err = f.Float32("z.float")
	wantInvalid(t, err, "there is no tensor")
}

// TestFileCutShortWhileOpen is about a fault of the machine that would end the
// program if it were not caught.
func TestFileCutShortWhileOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.safetensors")
	if err := Write(path, []Tensor{{Name: "a", Shape: []int{1 << 20}, DType: F32, Values: make([]float32, 1<<20)}}, nil); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Truncate(path, 100); err != nil {
		t.Skip("this system does not cut mapped files:", err)
	}
	if _, err := f.Float32("a"); err != nil { // a system without mmap has read it all
		wantInvalid(t, err, "changed while it was open")
	}
	if err := f.CheckFinite("a"); err != nil {
		wantInvalid(t, err, "changed while it was open")
	}
}

func encoded(t *testing.T, tensors []Tensor) *File {
	t.Helper()
	var b bytes.Buffer
	if err := Encode(&b, tensors, nil); err != nil {
		t.Fatal(err)
	}
	f, err := FromBytes("m.safetensors", b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func FuzzFromBytes(f *testing.F) {
	reference, err := os.ReadFile("testdata/reference.safetensors")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(reference)
	f.Add(raw(`{"a":{"dtype":"BF16","shape":[1,0],"data_offsets":[0,0]},"b":{"dtype":"F16","shape":[],"data_offsets":[0,2]}}`, 1, 2))
	f.Add(raw(`{"__metadata__":{"k":"v"},"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}   `))
	f.Add(raw(`{"a":{"dtype":"F8_E4M3","shape":[2,2],"data_offsets":[0,4]},"b":{"dtype":"F8_E5M2","shape":[0,1152921504606846976,24],"data_offsets":[4,4]}}`, 1, 2, 3, 4))
	f.Add(binary.LittleEndian.AppendUint64(nil, 1<<60))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := FromBytes("x", data)
		if err != nil {
			if !errors.Is(err, reflectionflow.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		total := 0
		for _, name := range file.Names() {
			info, err := file.Info(name)
			if err != nil {
				t.Fatal(err)
			}
			b, err := file.Bytes(name)
			if err != nil || len(b) != info.Elements()*info.DType.Size() {
				t.Fatalf("%q has %d bytes for %v: %v", name, len(b), info, err)
			}
			total += len(b)
			if values, err := file.Float32(name); err == nil && len(values) != info.Elements() {
				t.Fatalf("%q has %d values for %v", name, len(values), info)
			}
			_ = file.CheckFinite(name)
			if n := info.RowLength(); info.Elements() > 0 {
				if err := file.ReadRows(make([]float32, n), name, info.Rows()-1); (err == nil) != info.DType.decodes() {
					t.Fatalf("the last row of %q of %v: %v", name, info, err)
				}
			} else if err := file.ReadRows(make([]float32, 8), name, 0); err == nil {
				t.Fatalf("read values of %q of %v", name, info)
			}
		}
		if total > len(data) {
			t.Fatalf("the tensors take %d of %d bytes", total, len(data))
		}
	})
}
