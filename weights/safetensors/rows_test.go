package safetensors

import (
	"bytes"
	"math"
	"slices"
	"testing"
)

func TestReadRows(t *testing.T) {
	var b bytes.Buffer
	err := Encode(&b, []Tensor{
		{Name: "m", Shape: []int{3, 2, 2}, DType: BF16, Values: []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
		{Name: "e4m3", Shape: []int{2, 3}, DType: F8E4M3, Raw: []byte{0x00, 0x80, 0x01, 0x38, 0xfe, 0x08}},
		{Name: "e5m2", Shape: []int{2, 3}, DType: F8E5M2, Raw: []byte{0x00, 0x80, 0x01, 0x3c, 0xfb, 0x04}},
		{Name: "e8m0", Shape: []int{1}, DType: F8E8M0, Raw: []byte{127}},
		{Name: "nan", Shape: []int{2}, DType: F8E4M3, Raw: []byte{0x7e, 0xff}},
		{Name: "infinity", Shape: []int{2}, DType: F8E5M2, Raw: []byte{0x7b, 0x7c}},
		{Name: "scalar", DType: F32, Values: []float32{7}},
		{Name: "none", Shape: []int{0, 4}, DType: F32},
		{Name: "empty", Shape: []int{4, 0}, DType: F32},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := FromBytes("x", b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	zero := float32(math.Copysign(0, -1))
	for _, test := range []struct {
		name string
		row  int
		want []float32
	}{
		{"m", 1, []float32{4, 5, 6, 7, 8, 9, 10, 11}},
		{"m", 0, []float32{0, 1, 2, 3}},
		{"m", 3, nil},
		{"e4m3", 0, []float32{0, zero, 0x1p-9, 1, -448, 0x1p-6}},
		{"e5m2", 0, []float32{0, zero, 0x1p-16, 1, -57344, 0x1p-14}},
		{"scalar", 0, []float32{7}},
		{"none", 0, nil},
		{"empty", 4, nil},
	} {
		got := make([]float32, len(test.want))
		if err := f.ReadRows(got, test.name, test.row); err != nil || !slices.Equal(got, test.want) {
			t.Errorf("row %d of %s = %v, %v, want %v", test.row, test.name, got, err, test.want)
		}
	}
	for _, test := range []struct {
		name     string
		row, len int
	}{{"m", 0, 3}, {"m", 4, 0}, {"m", -1, 4}, {"m", 2, 8}, {"none", 0, 4}, {"empty", 0, 4}} {
		wantInvalid(t, f.ReadRows(make([]float32, test.len), test.name, test.row), "cannot be read")
	}
	wantInvalid(t, f.ReadRows(make([]float32, 1), "e8m0", 0), `tensor "e8m0" is of type F8_E8M0`)
	_, err = f.Float32("e4m3")
	wantInvalid(t, err, "is of type F8_E4M3, not F64, F32, F16 or BF16")
	for _, name := range []string{"nan", "infinity"} {
		wantInvalid(t, f.CheckFinite(name), "not finite, at index 1")
	}
	if err := f.CheckFinite("e4m3"); err != nil {
		t.Error(err)
	}
}
