package float

import (
	"encoding/json"
	"math"
	"os"
	"strconv"
	"testing"
)

// TestFloat8 compares every code with the definition of the type and with
// testdata/float8.json, which the Python package ml_dtypes 0.5 computed.
func TestFloat8(t *testing.T) {
	text, err := os.ReadFile("testdata/float8.json")
	if err != nil {
		t.Fatal(err)
	}
	var tables map[string][]string
	if err := json.Unmarshal(text, &tables); err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		name           string
		exponent, bits int
		infinity       bool
		widen          func(byte) float32
	}{
		{"F8_E4M3", 4, 3, false, FromF8E4M3},
		{"F8_E5M2", 5, 2, true, FromF8E5M2},
	} {
		if len(tables[f.name]) != 256 {
			t.Fatalf("%s: %d values", f.name, len(tables[f.name]))
		}
		for i, reference := range tables[f.name] {
			want, err := strconv.ParseFloat(reference, 32)
			if err != nil {
				t.Fatal(err)
			}
			top, e, m := 1<<f.exponent-1, i>>f.bits&(1<<f.exponent-1), i&(1<<f.bits-1)
			defined := math.Ldexp(1+float64(m)/float64(int(1)<<f.bits), e-(1<<(f.exponent-1)-1))
			switch {
			case e == 0:
				defined = math.Ldexp(float64(m), 2-1<<(f.exponent-1)-f.bits)
			case f.infinity && e == top && m == 0:
				defined = math.Inf(1)
			case f.infinity && e == top, e == top && m == 1<<f.bits-1:
				defined = math.NaN()
			}
			if i >= 128 {
				defined = -defined
			}
			got := float64(f.widen(byte(i)))
			same := func(x float64) bool {
				return math.IsNaN(got) && math.IsNaN(x) || got == x && math.Signbit(got) == math.Signbit(x)
			}
			if !same(want) || !same(defined) {
				t.Errorf("%s %#02x = %v, ml_dtypes %v, definition %v", f.name, i, got, want, defined)
			}
		}
	}
}
