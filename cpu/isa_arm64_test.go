package cpu

import (
	"encoding/binary"
	"errors"
	"testing"
)

// TestCapabilities reads auxiliary vectors, also of systems without one and cut short.
func TestCapabilities(t *testing.T) {
	vector := func(numbers ...uint64) (raw []byte) {
		for _, n := range numbers {
			raw = binary.LittleEndian.AppendUint64(raw, n)
		}
		return raw
	}
	for _, c := range []struct {
		raw  []byte
		err  error
		want bool
	}{
		{vector(16, 1<<14, 26, 1<<14|3, 0, 0), nil, true},
		{vector(16, 1<<14, 26, 1<<13, 0, 0), nil, false},
		{vector(16, 1<<14), nil, false},
		{vector(26, 1<<14)[:12], nil, false},
		{nil, errors.New("no file"), false},
	} {
		if got := capabilities(func(string) ([]byte, error) { return c.raw, c.err }); got.pairs != c.want {
			t.Errorf("%v, %v: BF16 %v, want %v", c.raw, c.err, got.pairs, c.want)
		}
	}
}
