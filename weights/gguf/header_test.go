package gguf

import (
	"encoding/binary"
	"os"
	"strings"
	"testing"
)

// file builds files, valid or not.
type file struct {
	version, magic  uint32
	tensors, values uint64 // 0: those of infos and kv
	kv              [][]byte
	infos           [][]byte
	data            int // bytes
}

var le = binary.LittleEndian

func text(s string) []byte { return append(le.AppendUint64(nil, uint64(len(s))), s...) }

// kv makes a metadata entry of a key, a type and the bytes of the value.
func kv(key string, kind uint32, value ...byte) []byte {
	return append(le.AppendUint32(text(key), kind), value...)
}

func info(name string, kind uint32, offset uint64, ne ...uint64) []byte {
	b := le.AppendUint32(text(name), uint32(len(ne)))
	for _, n := range ne {
		b = le.AppendUint64(b, n)
	}
	return le.AppendUint64(le.AppendUint32(b, kind), offset)
}

func (f file) bytes() []byte {
	if f.version == 0 {
		f.version = 3
	}
	if f.magic == 0 {
		f.magic = le.Uint32([]byte("GGUF"))
	}
	if f.tensors == 0 {
		f.tensors = uint64(len(f.infos))
	}
	if f.values == 0 {
		f.values = uint64(len(f.kv))
	}
	b := le.AppendUint32(le.AppendUint32(nil, f.magic), f.version)
	b = le.AppendUint64(le.AppendUint64(b, f.tensors), f.values)
	for _, part := range append(f.kv, f.infos...) {
		b = append(b, part...)
	}
	for len(b)%32 != 0 {
		b = append(b, 0)
	}
	return append(b, make([]byte, f.data)...)
}

func u32(n uint32) []byte { return le.AppendUint32(nil, n) }
func u64(n uint64) []byte { return le.AppendUint64(nil, n) }

func array(kind uint32, n uint64, elements ...byte) []byte {
	return append(append(u32(kind), u64(n)...), elements...)
}

func TestRejectsDamagedFiles(t *testing.T) {
	a := info("a", 8, 0, 32) // 34 bytes of Q8_0
	one := func(i []byte, data int) file { return file{infos: [][]byte{i}, data: data} }
	value := func(kind uint32, value ...byte) file { return file{kv: [][]byte{kv("k", kind, value...)}} }
	if _, err := FromBytes("x", one(a, 34).bytes()); err != nil { // without the last padding
		t.Fatal(err)
	}
	long := strings.Repeat("n", 128)
	for _, test := range []struct {
		name string
		file file
		want string
	}{
		{"magic", file{magic: le.Uint32([]byte("GGJT"))}, `begins with "GGJT"`},
		{"big-endian", file{version: 3 << 24}, "big-endian"},
		{"version 1", file{version: 1}, "version 1"},
		{"version 4", file{version: 4}, "version 4"},
		{"2^60 tensors", file{tensors: 1 << 60, data: 100}, "claims 1152921504606846976 tensors"},
		{"2^60 values", file{values: 1 << 60, data: 100}, "claims 1152921504606846976 metadata values"},
		{"too many tensors", file{tensors: maxTensors + 1, data: 26_000_000}, "at most 1000000"},
		{"fewer values than claimed", file{values: 3, data: 100}, "an empty name"},
		{"long key", file{kv: [][]byte{append(u64(maxString+1), make([]byte, 100)...)}}, "claims 16777217 bytes"},
		{"key past the end", file{kv: [][]byte{append(u64(1000), make([]byte, 100)...)}}, "truncated"},
		{"key twice", file{kv: [][]byte{kv("k", 7, 1), kv("k", 7, 1)}}, `the key "k" comes twice`},
		{"key not UTF-8", file{kv: [][]byte{kv("\xff", 7, 1)}}, "not valid UTF-8"},
		{"unknown type of value", value(13, 0, 0, 0, 0), "unknown type of value 13"},
		{"bool of 2", value(7, 2), "a bool of value 2"},
		{"bool of 2 in an array", value(9, array(7, 2, 1, 2)...), "a bool of value 2"},
		{"string past the end", value(8, append(u64(1<<20), 'x')...), "truncated"},
		{"array of arrays", value(9, array(9, 1, array(0, 1, 1)...)...), "array of arrays"},
		{"array of an unknown type", value(9, array(99, 1, 1)...), "unknown type 99"},
		{"array of 2^60 numbers", value(9, array(4, 1<<60)...), "claims 1152921504606846976 array elements"},
		{"array of 2^63 strings", value(9, array(8, 1<<63)...), "array elements"},
		{"array of strings past the end", value(9, array(8, 2, append(text("ab"), u64(1<<40)...)...)...), "claims 1099511627776 bytes"},
		{"alignment 0", file{kv: [][]byte{kv("general.alignment", 4, u32(0)...)}}, "general.alignment is 0"},
		{"alignment 48", file{kv: [][]byte{kv("general.alignment", 4, u32(48)...)}}, "general.alignment is 48"},
		{"alignment of another type", file{kv: [][]byte{kv("general.alignment", 10, u64(32)...)}}, "(uint64)"},
		{"part of a split model", file{kv: [][]byte{kv("split.count", 2, 3, 0)}}, "one of 3 parts"},
		{"empty name", one(info("", 0, 0, 1), 4), "an empty name"},
		{"long name", one(info(long, 0, 0, 1), 4), "has 128 bytes"},
		{"tensor twice", file{infos: [][]byte{a, info("a", 8, 64, 32)}, data: 98}, `tensor "a" comes twice`},
		{"5 dimensions", one(info("a", 0, 0, 1, 1, 1, 1, 1), 4), "5 dimensions"},
		{"2^32 dimensions", file{infos: [][]byte{append(text("a"), 255, 255, 255, 255)}, data: 100}, "4294967295 dimensions"},
		{"dimension 0", one(info("a", 0, 0, 0), 4), "impossible dimension 0"},
		{"negative dimension", one(info("a", 0, 0, 1<<63), 4), "impossible dimension"},
		{"product that wraps to 0", one(info("a", 0, 0, 1<<32, 1<<32), 4), "impossible dimension"},
		{"2^62 elements", one(info("a", 0, 0, 1<<61, 2), 4), "impossible dimension 2"},
		{"2^60 elements", one(info("a", 0, 0, 1<<60), 4), "too large"},
		{"2^58 elements", one(info("a", 0, 0, 1<<58), 4), "truncated or damaged"},
		{"half a block", one(info("a", 8, 0, 48), 64), "48 elements, which is no multiple of the 32 of a Q8_0 block"},
		{"half a block of 256", one(info("a", 12, 0, 128), 144), "multiple of the 256 of a Q4_K block"},
		{"unknown type", one(info("a", 77, 0, 32), 34), `tensor "a" is of the unknown type 77`},
		{"removed type", one(info("a", 31, 0, 32), 34), "type Q4_0_4_4, which ggml no longer has"},
		{"type not supported", one(info("a", 39, 0, 32), 34), "type MXFP4, which is not supported"},
		{"first offset", one(info("a", 8, 32, 32), 98), `tensor "a" begins at byte 32 of the data, but the one before it ends at 0`},
		{"overlap", file{infos: [][]byte{a, info("b", 8, 32, 32)}, data: 98}, `tensor "b" begins at byte 32`},
		{"gap", file{infos: [][]byte{a, info("b", 8, 96, 32)}, data: 130}, `tensor "b" begins at byte 96`},
		{"2^63 offset", one(info("a", 8, 1<<63, 32), 34), "too large"},
		{"offset that wraps", one(info("a", 8, 1<<64-1, 32), 34), "too large"},
		{"data cut", one(a, 33), `tensor "a" ends at byte 34 of the data, which has 33`},
		{"no data", one(a, 0), "which has 0"},
		{"original shape of another size", file{kv: [][]byte{kv("comfy.gguf.orig_shape.a", 9, array(5, 1, u32(31)...)...)}, infos: [][]byte{a}, data: 34}, "original shape [31] does not fit"},
		{"original shape of another type", file{kv: [][]byte{kv("comfy.gguf.orig_shape.a", 7, 1)}, infos: [][]byte{a}, data: 34}, "no list of up to 8 int32"},
		{"negative original shape", file{kv: [][]byte{kv("comfy.gguf.orig_shape.a", 9, array(5, 2, append(u32(1<<32-1), u32(1<<32-32)...)...)...)}, infos: [][]byte{a}, data: 34}, "does not fit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := FromBytes("x.gguf", test.file.bytes())
			wantInvalid(t, err, test.want)
			wantInvalid(t, err, "x.gguf: ")
		})
	}
}

// Every known type that is not decoded is rejected by its name.
func TestRejectsEveryTypeThatIsNotDecodedByName(t *testing.T) {
	named := 0
	for kind, f := range table {
		if f.decode != nil {
			continue
		}
		named++
		_, err := FromBytes("x.gguf", file{infos: [][]byte{info("a", uint32(kind), 0, 256)}, data: 512}.bytes())
		wantInvalid(t, err, `tensor "a" is of type `+f.name+", which")
	}
	if named != 28 {
		t.Errorf("%d types are rejected by name", named)
	}
}

// A file cut anywhere before the end of its last tensor is rejected.
func TestRejectsAFileCutAnywhere(t *testing.T) {
	whole, err := os.ReadFile("testdata/reference.gguf")
	if err != nil {
		t.Fatal(err)
	}
	f, err := FromBytes("x", whole)
	if err != nil {
		t.Fatal(err)
	}
	last := f.header.entries[len(f.header.entries)-1]
	end := len(whole) - len(f.header.data) + int(last.end)
	for n := 0; n < end; n += 1 + n/500 {
		if _, err := FromBytes("x", whole[:n]); err == nil {
			t.Fatalf("accepted %d of %d bytes", n, len(whole))
		}
	}
	if _, err := FromBytes("x", whole[:end]); err != nil {
		t.Errorf("without the last padding: %v", err)
	}
}

func TestReadsVersion2AndItsOwnAlignment(t *testing.T) {
	b := file{version: 2, kv: [][]byte{kv("general.alignment", 4, u32(8)...)}, infos: [][]byte{info("a", 8, 0, 32), info("b", 0, 40)}}
	f, err := FromBytes("x", append(b.bytes(), make([]byte, 44)...))
	if err != nil {
		t.Fatal(err)
	}
	if i, err := f.Info("b"); err != nil || len(i.Shape) != 0 || i.Rows() != 1 || i.RowLength() != 1 || f.Version() != 2 {
		t.Errorf("%+v, %v", i, err)
	}
}

func FuzzFromBytes(f *testing.F) {
	reference, err := os.ReadFile("testdata/reference.gguf")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(reference)
	f.Add(file{infos: [][]byte{info("a", 8, 0, 32), info("b", 12, 64, 256, 2)}, data: 500}.bytes())
	f.Add(file{kv: [][]byte{kv("comfy.gguf.orig_shape.a", 9, array(5, 2, append(u32(4), u32(8)...)...)...), kv("s", 9, array(8, 1, text("x")...)...)}, infos: [][]byte{info("a", 2, 0, 32)}, data: 18}.bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := FromBytes("x", data)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %q", err)
			}
			return
		}
		for _, key := range file.MetadataKeys() {
			file.Metadata(key)
		}
		for _, name := range file.Names() {
			i, err := file.Info(name)
			if err != nil {
				t.Fatal(err)
			}
			if i.Elements() > 128*len(data) {
				t.Fatalf("%+v in %d bytes", i, len(data))
			}
			if err := file.ReadRows(make([]float32, i.RowLength()), name, i.Rows()-1); err != nil {
				t.Fatal(err)
			}
		}
	})
}
