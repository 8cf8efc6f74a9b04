package float

import (
	"math"
	"testing"
)

// halfFormat describes a 16-bit type independently of the conversions under test.
type halfFormat struct {
	name           string
	exponent, bits int // widths of exponent and mantissa
	widen          func(uint16) float32
	round          func(float32) uint16
}

var halfFormats = []halfFormat{
	{"F16", 5, 10, FromF16, ToF16},
	{"BF16", 8, 7, FromBF16, ToBF16},
}

// value evaluates the definition of IEEE 754: (-1)^s · 2^e · (1 + m/2^bits).
func (h halfFormat) value(b uint16) float64 {
	bias := 1<<(h.exponent-1) - 1
	e := int(b) >> h.bits & (1<<h.exponent - 1)
	m := float64(int(b) & (1<<h.bits - 1))
	sign := 1 - 2*float64(b>>15)
	switch {
	case e == 1<<h.exponent-1 && m != 0:
		return math.NaN()
	case e == 1<<h.exponent-1:
		return math.Inf(int(sign))
	case e == 0:
		return math.Copysign(math.Ldexp(m, 1-bias-h.bits), sign)
	}
	return sign * math.Ldexp(1+math.Ldexp(m, -h.bits), e-bias)
}

func TestHalfFormatsExhaustively(t *testing.T) {
	for _, h := range halfFormats {
		t.Run(h.name, func(t *testing.T) {
			for i := range 1 << 16 {
				b := uint16(i)
				want, got := h.value(b), h.widen(b)
				if math.IsNaN(want) {
					if again := h.round(got); got == got || !math.IsNaN(h.value(again)) || again>>15 != b>>15 {
						t.Fatalf("%#04x: NaN became %v and then %#04x", b, got, again)
					}
					continue
				}
				if float64(got) != want || math.Signbit(float64(got)) != math.Signbit(want) {
					t.Fatalf("%#04x widened to %v, want %v", b, got, want)
				}
				if again := h.round(got); again != b {
					t.Fatalf("%#04x came back as %#04x", b, again)
				}
			}
		})
	}
}

// TestHalfFormatsRoundToNearestEven tries the midpoint between any two neighbours
// and the float32 on either side of it.
func TestHalfFormatsRoundToNearestEven(t *testing.T) {
	for _, h := range halfFormats {
		t.Run(h.name, func(t *testing.T) {
			infinity := uint16(1<<h.exponent-1) << h.bits
			for low := range infinity {
				high := low + 1
				upper := h.value(high)
				if high == infinity { // as if the exponents went on
					upper = 2*h.value(low) - h.value(low-1)
				}
				middle := (h.value(low) + upper) / 2
				even := low + low&1
				for _, sign := range []uint16{0, 0x8000} {
					signed := float32(math.Copysign(middle, 1-2*float64(sign>>15)))
					below := math.Nextafter32(signed, 0)
					above := math.Nextafter32(signed, 2*signed)
					if got := h.round(signed); got != even|sign {
						t.Fatalf("%v rounded to %#04x, want %#04x", signed, got, even|sign)
					}
					if got := h.round(below); got != low|sign {
						t.Fatalf("%v rounded to %#04x, want %#04x", below, got, low|sign)
					}
					if got := h.round(above); got != high|sign {
						t.Fatalf("%v rounded to %#04x, want %#04x", above, got, high|sign)
					}
				}
			}
		})
	}
}

func TestHalfFormatsOfExtremes(t *testing.T) {
	for _, test := range []struct {
		value     float32
		f16, bf16 uint16
	}{
		{math.MaxFloat32, 0x7c00, 0x7f80},
		{-math.MaxFloat32, 0xfc00, 0xff80},
		{65519.996, 0x7bff, 0x4780},
		{65520, 0x7c00, 0x4780},
		{1e6, 0x7c00, 0x4974},
		{math.SmallestNonzeroFloat32, 0, 0},
		{-math.SmallestNonzeroFloat32, 0x8000, 0x8000},
		{float32(math.Inf(1)), 0x7c00, 0x7f80},
		{float32(math.Inf(-1)), 0xfc00, 0xff80},
		{math.Float32frombits(0x7f800001), 0x7e00, 0x7fc0}, // NaN with its payload in the lowest bit
	} {
		if got := ToF16(test.value); got != test.f16 {
			t.Errorf("F16 of %v is %#04x, want %#04x", test.value, got, test.f16)
		}
		if got := ToBF16(test.value); got != test.bf16 {
			t.Errorf("BF16 of %v is %#04x, want %#04x", test.value, got, test.bf16)
		}
	}
}
