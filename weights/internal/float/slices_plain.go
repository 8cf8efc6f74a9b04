//go:build !amd64 || !goexperiment.simd

package float

func vectorBF16([]float32, []byte) int                        { return 0 }
func vectorF16([]float32, []byte) int                         { return 0 }
func vectorF8([]float32, []byte, uint64, float32, uint32) int { return 0 }
func vectorScale([]float32, float32) int                      { return 0 }
func vectorFinite16([]byte, uint16) int                       { return 0 }
func vectorFinite32([]byte) int                               { return 0 }
