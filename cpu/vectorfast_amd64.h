// Parts of the kernels in vectorfast_amd64.s.
//
// Kernels of tapes for AVX-512, for what Go's compiler makes slow: functions, whose constants it loads for every vector,
// and rows, for which it calls a function each. Vectors have 16 elements. Each computes exactly what the kernels in
// vector512math.go do one after another.
#define HIGH Z16

#define LOW Z17

#define LOG2E Z18

#define ROUND Z19

#define LN2H Z20

#define LN2L Z21

#define E4 Z22

#define E3 Z23

#define E2 Z24

#define E1 Z25

#define E0 Z26

#define ONE Z27

#define EXP_CONSTANTS \
	VBROADCASTSS ·fastConstants+0(SB), HIGH; \
	VBROADCASTSS ·fastConstants+4(SB), LOW; \
	VBROADCASTSS ·fastConstants+8(SB), LOG2E; \
	VBROADCASTSS ·fastConstants+12(SB), ROUND; \
	VBROADCASTSS ·fastConstants+16(SB), LN2H; \
	VBROADCASTSS ·fastConstants+20(SB), LN2L; \
	VBROADCASTSS ·fastConstants+24(SB), E4; \
	VBROADCASTSS ·fastConstants+28(SB), E3; \
	VBROADCASTSS ·fastConstants+32(SB), E2; \
	VBROADCASTSS ·fastConstants+36(SB), E1; \
	VBROADCASTSS ·fastConstants+40(SB), E0; \
	VBROADCASTSS ·fastConstants+44(SB), ONE

// p = e^x; x and t are lost. See expOf512: VSCALEFPS multiplies by 2^t and rounds once.
#define EXP(x, t, p) \
	VMINPS x, HIGH, x; \
	VMAXPS x, LOW, x; \
	VMOVAPS ROUND, t; \
	VFMADD231PS LOG2E, x, t; \
	VSUBPS ROUND, t, t; \
	VFMADD231PS LN2H, t, x; \
	VFMADD231PS LN2L, t, x; \
	VMOVAPS E4, p; \
	VFMADD213PS E3, x, p; \
	VFMADD213PS E2, x, p; \
	VFMADD213PS E1, x, p; \
	VFMADD213PS E0, x, p; \
	VMULPS x, p, p; \
	VFMADD213PS x, x, p; \
	VADDPS ONE, p, p; \
	VSCALEFPS t, p, p

#define SIGN Z8

#define TWO Z9

#define SMALL Z10

#define T4 Z11

#define T3 Z12

#define T2 Z13

#define T1 Z14

#define T0 Z15

#define TANH_CONSTANTS \
	VBROADCASTSS ·fastConstants+48(SB), SIGN; \
	VBROADCASTSS ·fastConstants+52(SB), TWO; \
	VBROADCASTSS ·fastConstants+56(SB), SMALL; \
	VBROADCASTSS ·fastConstants+60(SB), T4; \
	VBROADCASTSS ·fastConstants+64(SB), T3; \
	VBROADCASTSS ·fastConstants+68(SB), T2; \
	VBROADCASTSS ·fastConstants+72(SB), T1; \
	VBROADCASTSS ·fastConstants+76(SB), T0

// q = tanh x; x is kept. See tanh512.
#define TANH(x, a, t, p, q) \
	VPANDND x, SIGN, a; \
	VCMPPS $1, SMALL, a, K1; \
	VADDPS a, a, a; \
	EXP(a, t, p); \
	VADDPS ONE, p, p; \
	VDIVPS p, TWO, p; \
	VSUBPS p, ONE, p; \
	VPTERNLOGD $0xf8, x, SIGN, p; \
	VMULPS x, x, t; \
	VMOVAPS T4, q; \
	VFMADD213PS T3, t, q; \
	VFMADD213PS T2, t, q; \
	VFMADD213PS T1, t, q; \
	VFMADD213PS T0, t, q; \
	VMULPS t, q, q; \
	VFMADD213PS x, x, q; \
	VBLENDMPS q, p, K1, q

// p = 1/(1+e^-x); x is kept. See logistic512.
#define LOGISTIC(x, a, t, p, q) \
	VPORD x, SIGN, a; \
	VCMPPS $1, q, x, K1; \
	EXP(a, t, p); \
	VADDPS ONE, p, a; \
	VBLENDMPS p, ONE, K1, p; \
	VDIVPS a, p, p

#define MAP_ARGS \
	MOVQ dst+0(FP), DI; \
	MOVQ a+8(FP), SI; \
	MOVQ vectors+16(FP), CX

#define NEXT \
	ADDQ $64, SI; \
	ADDQ $64, DI; \
	DECQ CX; \
	JNZ loop; \
	VZEROUPPER; \
	RET

// The kernels of rows take rows of so many vectors that follow each other, and one number r for each.
#define ROWS_ARGS \
	MOVQ dst+0(FP), DI; \
	MOVQ a+8(FP), SI; \
	MOVQ r+16(FP), R8; \
	MOVQ rows+24(FP), R9; \
	MOVQ vectors+32(FP), R10

#define ROWS(op) \
	ROWS_ARGS; \
row: \
	VBROADCASTSS (R8), Z1; \
	MOVQ R10, CX; \
loop: \
	VMOVUPS (SI), Z0; \
	op Z1, Z0, Z0; \
	VMOVUPS Z0, (DI); \
	ADDQ $64, SI; \
	ADDQ $64, DI; \
	DECQ CX; \
	JNZ loop; \
	ADDQ $4, R8; \
	DECQ R9; \
	JNZ row; \
	VZEROUPPER; \
	RET

#define SCALE_ARGS \
	ROWS_ARGS; \
	MOVQ m+40(FP), DX; \
	MOVQ s+48(FP), BX

#define SCALE(op) \
	SCALE_ARGS; \
	TESTQ BX, BX; \
	JNZ shifted; \
row: \
	VBROADCASTSS (R8), Z1; \
	MOVQ R10, CX; \
loop: \
	VMOVUPS (SI), Z0; \
	op Z1, Z0, Z0; \
	VMULPS (DX), Z0, Z0; \
	VMOVUPS Z0, (DI); \
	ADDQ $64, SI; \
	ADDQ $64, DI; \
	ADDQ $64, DX; \
	DECQ CX; \
	JNZ loop; \
	ADDQ $4, R8; \
	DECQ R9; \
	JNZ row; \
	VZEROUPPER; \
	RET; \
shifted: \
	VBROADCASTSS (R8), Z1; \
	MOVQ R10, CX; \
loop2: \
	VMOVUPS (SI), Z0; \
	op Z1, Z0, Z0; \
	VMULPS (DX), Z0, Z0; \
	VADDPS (BX), Z0, Z0; \
	VMOVUPS Z0, (DI); \
	ADDQ $64, SI; \
	ADDQ $64, DI; \
	ADDQ $64, DX; \
	ADDQ $64, BX; \
	DECQ CX; \
	JNZ loop2; \
	ADDQ $4, R8; \
	DECQ R9; \
	JNZ shifted; \
	VZEROUPPER; \
	RET

// The sums of rows are taken as sum512 does: four accumulators, what remains to the first, then the lanes in order.
#define ZERO_SUMS \
	VPXORD Z28, Z28, Z28; \
	VPXORD Z29, Z29, Z29; \
	VPXORD Z30, Z30, Z30; \
	VPXORD Z31, Z31, Z31

#define ADD_LANES(to) \
	VADDPS Z29, Z28, Z28; \
	VADDPS Z31, Z30, Z30; \
	VADDPS Z30, Z28, Z28; \
	VMOVUPS Z28, 0(SP); \
	VXORPS X0, X0, X0; \
	VADDSS 0(SP), X0, X0; \
	VADDSS 4(SP), X0, X0; \
	VADDSS 8(SP), X0, X0; \
	VADDSS 12(SP), X0, X0; \
	VADDSS 16(SP), X0, X0; \
	VADDSS 20(SP), X0, X0; \
	VADDSS 24(SP), X0, X0; \
	VADDSS 28(SP), X0, X0; \
	VADDSS 32(SP), X0, X0; \
	VADDSS 36(SP), X0, X0; \
	VADDSS 40(SP), X0, X0; \
	VADDSS 44(SP), X0, X0; \
	VADDSS 48(SP), X0, X0; \
	VADDSS 52(SP), X0, X0; \
	VADDSS 56(SP), X0, X0; \
	VADDSS 60(SP), X0, X0; \
	VMOVSS X0, (to)

// SUM_ROWS runs one(at, sum) on every vector of a row, which is at bytes from SI, for sums in turn.
#define SUM_ROWS(one, advance, sums) \
row: \
	ZERO_SUMS; \
	MOVQ R10, CX; \
	SUBQ $4, CX; \
	JLT rest; \
loop: \
	one(0, Z28); \
	one(64, Z29); \
	one(128, Z30); \
	one(192, Z31); \
	advance(256); \
	SUBQ $4, CX; \
	JGE loop; \
rest: \
	ADDQ $4, CX; \
	JZ lanes; \
last: \
	one(0, Z28); \
	advance(64); \
	DECQ CX; \
	JNZ last; \
lanes: \
	ADD_LANES(sums); \
	ADDQ $4, sums; \
	DECQ R9; \
	JNZ row; \
	VZEROUPPER; \
	RET

#define ADVANCE_A(n) ADDQ $n, SI

#define ADVANCE_AD(n) \
	ADDQ $n, SI; \
	ADDQ $n, DI

#define ADVANCE_ABD(n) \
	ADDQ $n, SI; \
	ADDQ $n, DX; \
	ADDQ $n, DI

#define SUM_ARGS \
	MOVQ sums+0(FP), DI; \
	MOVQ a+8(FP), SI; \
	MOVQ rows+16(FP), R9; \
	MOVQ vectors+24(FP), R10

#define ADD_ONE(at, sum) VADDPS at(SI), sum, sum

#define ADD_SQUARE(at, sum) \
	VMOVUPS at(SI), Z0; \
	VMULPS Z0, Z0, Z0; \
	VADDPS Z0, sum, sum

#define EXP_ONE(at, sum) \
	VMOVUPS at(SI), Z0; \
	VSUBPS Z4, Z0, Z0; \
	EXP(Z0, Z1, Z2); \
	VMOVUPS Z2, at(DI); \
	VADDPS Z2, sum, sum

#define EXP_NEXT(n) \
	ADDQ $n, SI; \
	ADDQ $n, DI
