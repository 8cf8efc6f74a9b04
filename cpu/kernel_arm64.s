#include "textflag.h"

// func tileNEON(k int, a *float32, ars, acs int, b *float32, bs int, c *float32, ldc int, acc int)
//
// is the micro-kernel of matrix multiplication for arm64: 8 rows and 8 columns, see kernel_amd64.s. Every sum has the order and
// the roundings of the other kernels.

#define ROW(a, x, y) \
	VLD1R.P (a)(R2), [V18.S4]; \
	VFMLA V18.S4, V16.S4, x; \
	VFMLA V18.S4, V17.S4, y

#define CLEAR(x, y) \
	VEOR x, x, x; \
	VEOR y, y, y

#define LOAD(x, y) \
	VLD1 (R16), [x, y]; \
	ADD R14, R16

#define STORE(x, y) \
	VST1 [x, y], (R13); \
	ADD R14, R13

TEXT ·tileNEON(SB), NOSPLIT, $0-72
	MOVD k+0(FP), R0
	MOVD a+8(FP), R4
	MOVD ars+16(FP), R1
	MOVD acs+24(FP), R2
	MOVD b+32(FP), R3
	MOVD bs+40(FP), R12
	MOVD c+48(FP), R13
	MOVD ldc+56(FP), R14
	MOVD acc+64(FP), R15
	ADD R1, R4, R5
	ADD R1, R5, R6
	ADD R1, R6, R7
	ADD R1, R7, R8
	ADD R1, R8, R9
	ADD R1, R9, R10
	ADD R1, R10, R11
	CBNZ R15, load
	CLEAR(V0.B16, V1.B16)
	CLEAR(V2.B16, V3.B16)
	CLEAR(V4.B16, V5.B16)
	CLEAR(V6.B16, V7.B16)
	CLEAR(V8.B16, V9.B16)
	CLEAR(V10.B16, V11.B16)
	CLEAR(V12.B16, V13.B16)
	CLEAR(V14.B16, V15.B16)
	B start
load:
	MOVD R13, R16
	LOAD(V0.S4, V1.S4)
	LOAD(V2.S4, V3.S4)
	LOAD(V4.S4, V5.S4)
	LOAD(V6.S4, V7.S4)
	LOAD(V8.S4, V9.S4)
	LOAD(V10.S4, V11.S4)
	LOAD(V12.S4, V13.S4)
	LOAD(V14.S4, V15.S4)
start:
	CBZ R0, done
loop:
	VLD1 (R3), [V16.S4, V17.S4]
	ADD R12, R3
	ROW(R4, V0.S4, V1.S4)
	ROW(R5, V2.S4, V3.S4)
	ROW(R6, V4.S4, V5.S4)
	ROW(R7, V6.S4, V7.S4)
	ROW(R8, V8.S4, V9.S4)
	ROW(R9, V10.S4, V11.S4)
	ROW(R10, V12.S4, V13.S4)
	ROW(R11, V14.S4, V15.S4)
	SUBS $1, R0
	BNE loop
done:
	STORE(V0.S4, V1.S4)
	STORE(V2.S4, V3.S4)
	STORE(V4.S4, V5.S4)
	STORE(V6.S4, V7.S4)
	STORE(V8.S4, V9.S4)
	STORE(V10.S4, V11.S4)
	STORE(V12.S4, V13.S4)
	STORE(V14.S4, V15.S4)
	RET

// func tileBFDOT(k int, a *float32, ars, acs int, b *float32, bs int, c *float32, ldc int, acc int)
//
// is the same for words of two numbers of bf16, for processors with BF16: k and the strides count words. The assembler lacks
// BFDOT Vd.4S, V(n).8H, V18.8H, which adds both products of a word to a sum of f32.

#define BFDOT(n, d) WORD $(0x6e52fc00 | (n)<<5 | (d))

#define PAIRS(a, x, y) \
	VLD1R.P (a)(R2), [V18.S4]; \
	BFDOT(16, x); \
	BFDOT(17, y)

TEXT ·tileBFDOT(SB), NOSPLIT, $0-72
	MOVD k+0(FP), R0
	MOVD a+8(FP), R4
	MOVD ars+16(FP), R1
	MOVD acs+24(FP), R2
	MOVD b+32(FP), R3
	MOVD bs+40(FP), R12
	MOVD c+48(FP), R13
	MOVD ldc+56(FP), R14
	MOVD acc+64(FP), R15
	ADD R1, R4, R5
	ADD R1, R5, R6
	ADD R1, R6, R7
	ADD R1, R7, R8
	ADD R1, R8, R9
	ADD R1, R9, R10
	ADD R1, R10, R11
	CBNZ R15, load
	CLEAR(V0.B16, V1.B16)
	CLEAR(V2.B16, V3.B16)
	CLEAR(V4.B16, V5.B16)
	CLEAR(V6.B16, V7.B16)
	CLEAR(V8.B16, V9.B16)
	CLEAR(V10.B16, V11.B16)
	CLEAR(V12.B16, V13.B16)
	CLEAR(V14.B16, V15.B16)
	B start
load:
	MOVD R13, R16
	LOAD(V0.S4, V1.S4)
	LOAD(V2.S4, V3.S4)
	LOAD(V4.S4, V5.S4)
	LOAD(V6.S4, V7.S4)
	LOAD(V8.S4, V9.S4)
	LOAD(V10.S4, V11.S4)
	LOAD(V12.S4, V13.S4)
	LOAD(V14.S4, V15.S4)
start:
	CBZ R0, done
loop:
	VLD1 (R3), [V16.S4, V17.S4]
	ADD R12, R3
	PAIRS(R4, 0, 1)
	PAIRS(R5, 2, 3)
	PAIRS(R6, 4, 5)
	PAIRS(R7, 6, 7)
	PAIRS(R8, 8, 9)
	PAIRS(R9, 10, 11)
	PAIRS(R10, 12, 13)
	PAIRS(R11, 14, 15)
	SUBS $1, R0
	BNE loop
done:
	STORE(V0.S4, V1.S4)
	STORE(V2.S4, V3.S4)
	STORE(V4.S4, V5.S4)
	STORE(V6.S4, V7.S4)
	STORE(V8.S4, V9.S4)
	STORE(V10.S4, V11.S4)
	STORE(V12.S4, V13.S4)
	STORE(V14.S4, V15.S4)
	RET
