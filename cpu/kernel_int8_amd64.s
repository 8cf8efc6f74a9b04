#include "textflag.h"

// The micro-kernels of products of integers, for processors with AVX512-VNNI: 6 rows, 32 columns.
//
// func tileIntsX(blocks int, a *int8, ars int, heads *float32, b *uint8, scales *float32, c *float32, ldc int, acc int)
//
// A has blocks of 32 signed bytes in rows that are ars bytes apart. A block of B is 8 times 32 columns of 4 unsigned bytes.
// The dot product of two blocks is exact. It is multiplied by the scale of A's block, and then by that of B's and added to C
// with one rounding. heads has 18 numbers a block: 6 scales, then twice 6 that depend on the kernel. scales has 32 scales a
// group of B, and 32 minima after them if there are any.
//
// The groups have 32 elements, or 16 in tileInts16. Dot products begin with the integers in heads, which take the zero of B
// into account. In the kernels with minima, these multiply the numbers of heads, which are sums of A, and are subtracted.

#define INTS_ARGS \
	MOVQ blocks+0(FP), CX; \
	MOVQ a+8(FP), SI; \
	MOVQ ars+16(FP), R9; \
	MOVQ heads+24(FP), BX; \
	MOVQ b+32(FP), DI; \
	MOVQ scales+40(FP), R13; \
	MOVQ c+48(FP), DX; \
	MOVQ ldc+56(FP), R8; \
	MOVQ acc+64(FP), AX; \
	LEAQ (R9)(R9*2), R10; \
	LEAQ (R9)(R9*4), R11

#define LOADROW(x, y) \
	VMOVUPS (R14), x; \
	VMOVUPS 64(R14), y; \
	ADDQ R8, R14

#define STOREROW(x, y) \
	VMOVUPS x, (DX); \
	VMOVUPS y, 64(DX); \
	ADDQ R8, DX

#define CLEARSUMS \
	VPXORD Z0, Z0, Z0; \
	VPXORD Z1, Z1, Z1; \
	VPXORD Z2, Z2, Z2; \
	VPXORD Z3, Z3, Z3; \
	VPXORD Z4, Z4, Z4; \
	VPXORD Z5, Z5, Z5; \
	VPXORD Z6, Z6, Z6; \
	VPXORD Z7, Z7, Z7; \
	VPXORD Z8, Z8, Z8; \
	VPXORD Z9, Z9, Z9; \
	VPXORD Z10, Z10, Z10; \
	VPXORD Z11, Z11, Z11

#define LOADSUMS \
	MOVQ DX, R14; \
	LOADROW(Z0, Z1); \
	LOADROW(Z2, Z3); \
	LOADROW(Z4, Z5); \
	LOADROW(Z6, Z7); \
	LOADROW(Z8, Z9); \
	LOADROW(Z10, Z11)

#define STORESUMS \
	STOREROW(Z0, Z1); \
	STOREROW(Z2, Z3); \
	STOREROW(Z4, Z5); \
	STOREROW(Z6, Z7); \
	STOREROW(Z8, Z9); \
	STOREROW(Z10, Z11)

#define DOT(addr, t, x, y) \
	VPBROADCASTD addr, t; \
	VPDPBUSD t, Z24, x; \
	VPDPBUSD t, Z25, y

#define STEP(p) \
	VMOVDQU64 (128*p)(DI), Z24; \
	VMOVDQU64 (128*p+64)(DI), Z25; \
	DOT((4*p)(SI), Z26, Z12, Z13); \
	DOT((4*p)(SI)(R9*1), Z27, Z14, Z15); \
	DOT((4*p)(SI)(R9*2), Z26, Z16, Z17); \
	DOT((4*p)(SI)(R10*1), Z27, Z18, Z19); \
	DOT((4*p)(SI)(R9*4), Z26, Z20, Z21); \
	DOT((4*p)(SI)(R11*1), Z27, Z22, Z23)

#define STEPS(p) \
	STEP((p+0)); \
	STEP((p+1)); \
	STEP((p+2)); \
	STEP((p+3))

#define BEGIN(o, x, y) \
	VPBROADCASTD (o)(BX), x; \
	VMOVDQA64 x, y

#define BEGINDOTS(o) \
	BEGIN((o+0), Z12, Z13); \
	BEGIN((o+4), Z14, Z15); \
	BEGIN((o+8), Z16, Z17); \
	BEGIN((o+12), Z18, Z19); \
	BEGIN((o+16), Z20, Z21); \
	BEGIN((o+20), Z22, Z23)

#define CLEARDOTS \
	VPXORD Z12, Z12, Z12; \
	VPXORD Z13, Z13, Z13; \
	VPXORD Z14, Z14, Z14; \
	VPXORD Z15, Z15, Z15; \
	VPXORD Z16, Z16, Z16; \
	VPXORD Z17, Z17, Z17; \
	VPXORD Z18, Z18, Z18; \
	VPXORD Z19, Z19, Z19; \
	VPXORD Z20, Z20, Z20; \
	VPXORD Z21, Z21, Z21; \
	VPXORD Z22, Z22, Z22; \
	VPXORD Z23, Z23, Z23

#define ADDDOT(o, x, y, to, to1) \
	VCVTDQ2PS x, x; \
	VCVTDQ2PS y, y; \
	VBROADCASTSS (o)(BX), Z26; \
	VMULPS Z26, x, x; \
	VMULPS Z26, y, y; \
	VFMADD231PS Z28, x, to; \
	VFMADD231PS Z29, y, to1

#define ADDDOTS(s) \
	VMOVUPS (s)(R13), Z28; \
	VMOVUPS (s+64)(R13), Z29; \
	ADDDOT(0, Z12, Z13, Z0, Z1); \
	ADDDOT(4, Z14, Z15, Z2, Z3); \
	ADDDOT(8, Z16, Z17, Z4, Z5); \
	ADDDOT(12, Z18, Z19, Z6, Z7); \
	ADDDOT(16, Z20, Z21, Z8, Z9); \
	ADDDOT(20, Z22, Z23, Z10, Z11)

#define SUBMIN(o, to, to1) \
	VFNMADD231PS.BCST (o)(BX), Z30, to; \
	VFNMADD231PS.BCST (o)(BX), Z31, to1

#define SUBMINS(s, o) \
	VMOVUPS (s)(R13), Z30; \
	VMOVUPS (s+64)(R13), Z31; \
	SUBMIN((o+0), Z0, Z1); \
	SUBMIN((o+4), Z2, Z3); \
	SUBMIN((o+8), Z4, Z5); \
	SUBMIN((o+12), Z6, Z7); \
	SUBMIN((o+16), Z8, Z9); \
	SUBMIN((o+20), Z10, Z11)

TEXT ·tileInts32(SB), NOSPLIT, $0-72
	INTS_ARGS
	TESTQ AX, AX
	JNZ load
	CLEARSUMS
	JMP loop
load:
	LOADSUMS
loop:
	BEGINDOTS(24)
	STEPS(0)
	STEPS(4)
	ADDDOTS(0)
	ADDQ $32, SI
	ADDQ $72, BX
	ADDQ $1024, DI
	ADDQ $128, R13
	DECQ CX
	JNZ loop
	STORESUMS
	VZEROUPPER
	RET

TEXT ·tileInts32Mins(SB), NOSPLIT, $0-72
	INTS_ARGS
	TESTQ AX, AX
	JNZ load
	CLEARSUMS
	JMP loop
load:
	LOADSUMS
loop:
	CLEARDOTS
	STEPS(0)
	STEPS(4)
	ADDDOTS(0)
	SUBMINS(128, 24)
	ADDQ $32, SI
	ADDQ $72, BX
	ADDQ $1024, DI
	ADDQ $256, R13
	DECQ CX
	JNZ loop
	STORESUMS
	VZEROUPPER
	RET

TEXT ·tileInts16(SB), NOSPLIT, $0-72
	INTS_ARGS
	TESTQ AX, AX
	JNZ load
	CLEARSUMS
	JMP loop
load:
	LOADSUMS
loop:
	BEGINDOTS(24)
	STEPS(0)
	ADDDOTS(0)
	BEGINDOTS(48)
	STEPS(4)
	ADDDOTS(128)
	ADDQ $32, SI
	ADDQ $72, BX
	ADDQ $1024, DI
	ADDQ $256, R13
	DECQ CX
	JNZ loop
	STORESUMS
	VZEROUPPER
	RET

TEXT ·tileInts16Mins(SB), NOSPLIT, $0-72
	INTS_ARGS
	TESTQ AX, AX
	JNZ load
	CLEARSUMS
	JMP loop
load:
	LOADSUMS
loop:
	CLEARDOTS
	STEPS(0)
	ADDDOTS(0)
	SUBMINS(128, 24)
	CLEARDOTS
	STEPS(4)
	ADDDOTS(256)
	SUBMINS(384, 48)
	ADDQ $32, SI
	ADDQ $72, BX
	ADDQ $1024, DI
	ADDQ $512, R13
	DECQ CX
	JNZ loop
	STORESUMS
	VZEROUPPER
	RET

// func quantize32(q *int8, stats *float32, src *float32, blocks int)
//
// quantizes blocks of 32 elements to signed bytes, of which the largest is 127. stats gets 3 numbers a block: the largest
// absolute value, and the sums of the first and the last 16 bytes, which are integers. The largest value is NaN if one
// element is. If it is NaN, infinite or too small, the bytes are any.
TEXT ·quantize32(SB), NOSPLIT, $0-32
	MOVQ q+0(FP), DI
	MOVQ stats+8(FP), DX
	MOVQ src+16(FP), SI
	MOVQ blocks+24(FP), CX
	MOVL $0x7fffffff, AX
	VPBROADCASTD AX, Z8
	MOVL $0x42fe0000, AX // 127
	VMOVD AX, X9
	MOVL $0x01010101, AX
	VPBROADCASTD AX, X10
loop:
	VMOVUPS (SI), Z0
	VMOVUPS 64(SI), Z1
	VPANDD Z8, Z0, Z2
	VPANDD Z8, Z1, Z3
	VPMAXUD Z3, Z2, Z2
	VEXTRACTI64X4 $1, Z2, Y3
	VPMAXUD Y3, Y2, Y2
	VEXTRACTI128 $1, Y2, X3
	VPMAXUD X3, X2, X2
	VPSHUFD $0x4e, X2, X3
	VPMAXUD X3, X2, X2
	VPSHUFD $0xb1, X2, X3
	VPMAXUD X3, X2, X2
	VMOVSS X2, (DX)
	VDIVSS X2, X9, X4
	VBROADCASTSS X4, Z4
	VMULPS Z4, Z0, Z0
	VMULPS Z4, Z1, Z1
	VCVTPS2DQ Z0, Z0
	VCVTPS2DQ Z1, Z1
	VPMOVSDB Z0, X0
	VPMOVSDB Z1, X1
	VMOVDQU X0, (DI)
	VMOVDQU X1, 16(DI)
	VPXOR X6, X6, X6
	VPXOR X7, X7, X7
	VPDPBUSD X0, X10, X6
	VPDPBUSD X1, X10, X7
	VPHADDD X7, X6, X6
	VPHADDD X6, X6, X6
	VMOVQ X6, 4(DX)
	ADDQ $128, SI
	ADDQ $32, DI
	ADDQ $12, DX
	DECQ CX
	JNZ loop
	VZEROUPPER
	RET
