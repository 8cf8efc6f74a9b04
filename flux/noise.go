package flux

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
)

// Noise returns the starting noise of an image: n standard normal numbers, for its
// packed tokens [N, C] row by row. It is a deterministic function of the seed, the
// same on every machine and in every release of Go, which math/rand does not promise
// for normal numbers: ChaCha8 and the method of Box and Muller (1958).
func Noise(seed uint64, n int) []float32 {
	var key [32]byte
	copy(key[:], "reflectionflow noise 1")
	binary.LittleEndian.PutUint64(key[24:], seed)
	source := rand.NewChaCha8(key)
	unit := func() float64 { return (float64(source.Uint64()>>11) + 0.5) / (1 << 53) } // in (0, 1)
	values := make([]float32, n)
	for i := 0; i < n; i += 2 {
		radius := math.Sqrt(-2 * math.Log(unit()))
		sin, cos := math.Sincos(2 * math.Pi * unit())
		values[i] = float32(radius * cos)
		if i+1 < n {
			values[i+1] = float32(radius * sin)
		}
	}
	return values
}
