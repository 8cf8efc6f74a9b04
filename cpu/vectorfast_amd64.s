#include "textflag.h"
#include "vectorfast_amd64.h"

// func fastExp(dst, a *float32, vectors int)
TEXT ·fastExp(SB), NOSPLIT, $0-24
	MAP_ARGS
	EXP_CONSTANTS
loop:
	VMOVUPS (SI), Z0
	EXP(Z0, Z1, Z2)
	VMOVUPS Z2, (DI)
	NEXT

// func fastTanh(dst, a *float32, vectors int)
TEXT ·fastTanh(SB), NOSPLIT, $0-24
	MAP_ARGS
	EXP_CONSTANTS
	TANH_CONSTANTS
loop:
	VMOVUPS (SI), Z0
	TANH(Z0, Z1, Z2, Z3, Z4)
	VMOVUPS Z4, (DI)
	NEXT

// func fastLogistic(dst, a *float32, vectors int)
TEXT ·fastLogistic(SB), NOSPLIT, $0-24
	MAP_ARGS
	EXP_CONSTANTS
	VBROADCASTSS ·fastConstants+48(SB), SIGN
	VPXORD Z4, Z4, Z4
loop:
	VMOVUPS (SI), Z0
	LOGISTIC(Z0, Z1, Z2, Z3, Z4)
	VMOVUPS Z3, (DI)
	NEXT

// func fastSilu(dst, a *float32, vectors int)
//
// computes x·logistic(x).
TEXT ·fastSilu(SB), NOSPLIT, $0-24
	MAP_ARGS
	EXP_CONSTANTS
	VBROADCASTSS ·fastConstants+48(SB), SIGN
	VPXORD Z4, Z4, Z4
loop:
	VMOVUPS (SI), Z0
	LOGISTIC(Z0, Z1, Z2, Z3, Z4)
	VMULPS Z3, Z0, Z0
	VMOVUPS Z0, (DI)
	NEXT

// func fastGelu(dst, a *float32, vectors int, cubic, inner, half, one float32)
//
// computes (x·half)·(tanh((x+((x·x)·x)·cubic)·inner)+one).
TEXT ·fastGelu(SB), NOSPLIT, $0-40
	MAP_ARGS
	EXP_CONSTANTS
	TANH_CONSTANTS
	VBROADCASTSS cubic+24(FP), Z28
	VBROADCASTSS inner+28(FP), Z29
	VBROADCASTSS half+32(FP), Z30
	VBROADCASTSS one+36(FP), Z31
loop:
	VMOVUPS (SI), Z0
	VMULPS Z0, Z0, Z1
	VMULPS Z0, Z1, Z1
	VMULPS Z28, Z1, Z1
	VADDPS Z0, Z1, Z1
	VMULPS Z29, Z1, Z1
	VMULPS Z30, Z0, Z0
	TANH(Z1, Z2, Z3, Z4, Z5)
	VADDPS Z31, Z5, Z5
	VMULPS Z5, Z0, Z0
	VMOVUPS Z0, (DI)
	NEXT

// func fastRotate(dst, a, b, c *float32, vectors int)
//
// computes a·b + (a with neighbours exchanged)·c.
TEXT ·fastRotate(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), DX
	MOVQ c+24(FP), BX
	MOVQ vectors+32(FP), CX
loop:
	VMOVUPS (SI), Z0
	VPERMILPS $0xb1, Z0, Z1
	VMULPS (DX), Z0, Z0
	VMULPS (BX), Z1, Z1
	VADDPS Z1, Z0, Z0
	VMOVUPS Z0, (DI)
	ADDQ $64, DX
	ADDQ $64, BX
	NEXT

// func fastMulAdd(dst, a, b, c *float32, vectors int)
//
// computes a·b + c, rounded twice.
TEXT ·fastMulAdd(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), DX
	MOVQ c+24(FP), BX
	MOVQ vectors+32(FP), CX
loop:
	VMOVUPS (SI), Z0
	VMULPS (DX), Z0, Z0
	VADDPS (BX), Z0, Z0
	VMOVUPS Z0, (DI)
	ADDQ $64, DX
	ADDQ $64, BX
	NEXT

// func rowsAdd(dst, a, r *float32, rows, vectors int)
TEXT ·rowsAdd(SB), NOSPLIT, $0-40
	ROWS(VADDPS)

// func rowsSub(dst, a, r *float32, rows, vectors int)
TEXT ·rowsSub(SB), NOSPLIT, $0-40
	ROWS(VSUBPS)

// func rowsMul(dst, a, r *float32, rows, vectors int)
TEXT ·rowsMul(SB), NOSPLIT, $0-40
	ROWS(VMULPS)

// func rowsDiv(dst, a, r *float32, rows, vectors int)
TEXT ·rowsDiv(SB), NOSPLIT, $0-40
	ROWS(VDIVPS)

// func rowsMulScale(dst, a, r *float32, rows, vectors int, m, s *float32)
//
// computes (a·r)·m + s, rounded each time, or without s if that is nil.
TEXT ·rowsMulScale(SB), NOSPLIT, $0-56
	SCALE(VMULPS)

// func rowsDivScale(dst, a, r *float32, rows, vectors int, m, s *float32)
//
// computes (a/r)·m + s, rounded each time, or without s if that is nil.
TEXT ·rowsDivScale(SB), NOSPLIT, $0-56
	SCALE(VDIVPS)

// func rowsSum(sums, a *float32, rows, vectors int)
TEXT ·rowsSum(SB), NOSPLIT, $64-32
	SUM_ARGS
	SUM_ROWS(ADD_ONE, ADVANCE_A, DI)

// func rowsSumSquares(sums, a *float32, rows, vectors int)
TEXT ·rowsSumSquares(SB), NOSPLIT, $64-32
	SUM_ARGS
	SUM_ROWS(ADD_SQUARE, ADVANCE_A, DI)

// func rowsExpSum(dst, a, r *float32, rows, vectors int, sums *float32)
//
// computes e^(a-r) and its sums.
TEXT ·rowsExpSum(SB), NOSPLIT, $64-48
	ROWS_ARGS
	MOVQ sums+40(FP), R11
	EXP_CONSTANTS
row:
	VBROADCASTSS (R8), Z4
	ADDQ $4, R8
	ZERO_SUMS
	MOVQ R10, CX
	SUBQ $4, CX
	JLT rest
loop:
	EXP_ONE(0, Z28)
	EXP_ONE(64, Z29)
	EXP_ONE(128, Z30)
	EXP_ONE(192, Z31)
	EXP_NEXT(256)
	SUBQ $4, CX
	JGE loop
rest:
	ADDQ $4, CX
	JZ lanes
last:
	EXP_ONE(0, Z28)
	EXP_NEXT(64)
	DECQ CX
	JNZ last
lanes:
	ADD_LANES(R11)
	ADDQ $4, R11
	DECQ R9
	JNZ row
	VZEROUPPER
	RET

// func rowsLargest(largest, a *float32, rows, vectors int) (nan int)
//
// finds the largest elements, and reports whether an element is not a number: then they are not to be used.
TEXT ·rowsLargest(SB), NOSPLIT, $0-40
	SUM_ARGS
	KXORW K2, K2, K2
row:
	VMOVUPS (SI), Z0
	VMOVAPS Z0, Z1
	MOVQ R10, CX
	SUBQ $2, CX
	JLT lanes
loop:
	VMOVUPS (SI), Z2
	VMOVUPS 64(SI), Z3
	VCMPPS $3, Z2, Z3, K1
	KORW K1, K2, K2
	VMAXPS Z2, Z0, Z0
	VMAXPS Z3, Z1, Z1
	ADDQ $128, SI
	SUBQ $2, CX
	JGE loop
lanes:
	ADDQ $2, CX
	JZ fold
	VMOVUPS (SI), Z2
	VCMPPS $3, Z2, Z2, K1
	KORW K1, K2, K2
	VMAXPS Z2, Z0, Z0
	ADDQ $64, SI
fold:
	VMAXPS Z1, Z0, Z0
	VEXTRACTF64X4 $1, Z0, Y1
	VMAXPS Y1, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VMAXPS X1, X0, X0
	VPERMILPS $0x4e, X0, X1
	VMAXPS X1, X0, X0
	VPERMILPS $0xb1, X0, X1
	VMAXPS X1, X0, X0
	VMOVSS X0, (DI)
	ADDQ $4, DI
	DECQ R9
	JNZ row
	KMOVW K2, AX
	MOVQ AX, nan+32(FP)
	VZEROUPPER
	RET
