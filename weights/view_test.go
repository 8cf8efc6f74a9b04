package weights

import (
	"path/filepath"
	"slices"
	"testing"

	"reflectionflow/weights/safetensors"
)

func TestViewCutsAndJoins(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	count := make([]float32, 12)
	for i := range count {
		count[i] = float32(i)
	}
	writeTensors(t, path, nil,
		safetensors.Tensor{Name: "m", Shape: []int{6, 2}, DType: safetensors.F16, Values: count},
		safetensors.Tensor{Name: "v", Shape: []int{12}, DType: safetensors.F32, Values: count},
		numbers("s", nil, 7))
	f := open(t, path)
	v, err := NewView(f, map[string][]Cut{
		"same":    {{From: "m"}},
		"rows":    {{"m", 2, 4}},
		"swapped": {{"m", 3, 6}, {"m", 0, 3}},
		"vector":  {{"v", 6, 9}, {From: "v"}, {"v", 0, 1}},
		"scalar":  {{From: "s"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"rows", "same", "scalar", "swapped", "vector"}; !slices.Equal(v.Names(), want) {
		t.Errorf("names %v", v.Names())
	}
	for _, test := range []struct {
		name  string
		shape []int
		row   int
		want  []float32
	}{
		{"same", []int{6, 2}, 0, count},
		{"rows", []int{2, 2}, 0, []float32{4, 5, 6, 7}},
		{"rows", []int{2, 2}, 1, []float32{6, 7}},
		{"rows", []int{2, 2}, 2, nil},
		{"swapped", []int{6, 2}, 0, []float32{6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5}},
		{"swapped", []int{6, 2}, 2, []float32{10, 11, 0, 1}},
		{"swapped", []int{6, 2}, 4, []float32{2, 3}},
		{"vector", []int{16}, 0, []float32{6, 7, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0}},
		{"scalar", []int{1}, 0, []float32{7}},
	} {
		info, err := v.Info(test.name)
		if err != nil || !slices.Equal(info.Shape, test.shape) {
			t.Errorf("%s has shape %v, %v", test.name, info.Shape, err)
		}
		got := make([]float32, len(test.want))
		if err := v.ReadRows(got, test.name, test.row); err != nil || !slices.Equal(got, test.want) {
			t.Errorf("row %d of %s = %v, %v, want %v", test.row, test.name, got, err, test.want)
		}
	}
	wantInvalid(t, v.ReadRows(make([]float32, 2), "rows", 2), "cannot be read")
	wantInvalid(t, v.ReadRows(make([]float32, 3), "rows", 0), "cannot be read")
	wantInvalid(t, v.ReadRows(nil, "m", 0), `no tensor "m"`)
	for want, cuts := range map[string][]Cut{
		`there is no tensor "nothing"`: {{From: "nothing"}},
		"rows 4 to 7":                  {{"m", 4, 7}},
		"rows -1 to 2":                 {{"m", -1, 2}},
		"has no cuts":                  {},
		`"v" of F32 [12] does not fit "m" of F16`: {{From: "m"}, {From: "v"}},
	} {
		_, err := NewView(f, map[string][]Cut{"t": cuts})
		wantInvalid(t, err, want)
	}
}
