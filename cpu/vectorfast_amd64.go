package cpu

import "math"

// fastConstants are the constants of the kernels in vectorfast_amd64.s.
//
//nolint:unused // the kernels read it
var fastConstants = [...]float32{
	expHigh, expLow, log2E, roundNumber, -ln2High, -ln2Low, exp4, exp3, exp2, exp1, exp0, 1,
	float32(math.Copysign(0, -1)), 2, tanhSmall, tanh4, tanh3, tanh2, tanh1, tanh0,
}

//go:noescape
func fastExp(dst, a *float32, vectors int)

//go:noescape
func fastTanh(dst, a *float32, vectors int)

//go:noescape
func fastLogistic(dst, a *float32, vectors int)

//go:noescape
func fastSilu(dst, a *float32, vectors int)

//go:noescape
func fastGelu(dst, a *float32, vectors int, cubic, inner, half, one float32)

//go:noescape
func fastRotate(dst, a, b, c *float32, vectors int)

//go:noescape
func fastMulAdd(dst, a, b, c *float32, vectors int)

//go:noescape
func rowsAdd(dst, a, r *float32, rows, vectors int)

//go:noescape
func rowsSub(dst, a, r *float32, rows, vectors int)

//go:noescape
func rowsMul(dst, a, r *float32, rows, vectors int)

//go:noescape
func rowsDiv(dst, a, r *float32, rows, vectors int)

//go:noescape
func rowsMulScale(dst, a, r *float32, rows, vectors int, m, s *float32)

//go:noescape
func rowsDivScale(dst, a, r *float32, rows, vectors int, m, s *float32)

//go:noescape
func rowsSum(sums, a *float32, rows, vectors int)

//go:noescape
func rowsSumSquares(sums, a *float32, rows, vectors int)

//go:noescape
func rowsExpSum(dst, a, r *float32, rows, vectors int, sums *float32)

//go:noescape
func rowsLargest(largest, a *float32, rows, vectors int) (nan int)

// quicken adds the kernels in vectorfast_amd64.s to those of AVX-512.
func (v *vectors) quicken() {
	f := &fastKernels{
		silu: fastSilu, gelu: fastGelu, rotate: fastRotate, mulAdd: fastMulAdd, expSum: rowsExpSum, largest: rowsLargest,
	}
	f.rows[opAdd], f.rows[opSub], f.rows[opMul], f.rows[opDiv] = rowsAdd, rowsSub, rowsMul, rowsDiv
	f.scale[opMul], f.scale[opDiv] = rowsMulScale, rowsDivScale
	f.sums[opSum], f.sums[opSquares] = rowsSum, rowsSumSquares
	for op, kernel := range map[opcode]func(dst, a *float32, vectors int){opExp: fastExp, opTanh: fastTanh, opLogistic: fastLogistic} {
		v.unary[op] = func(dst, a []float32) {
			if len(dst) > 0 {
				a = a[:len(dst)]
				kernel(&dst[0], &a[0], len(dst)/16)
			}
		}
	}
	v.fast = f
}
