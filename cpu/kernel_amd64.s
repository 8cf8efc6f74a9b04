#include "textflag.h"
#include "tile_amd64.h"

// The micro-kernels of matrix multiplication, and what the processor can do. They are in assembly because the compiler
// keeps at most 15 vectors in registers and spills the rest: the same kernels in Go reach a quarter of the peak.
//
// func tileX(k int, a *float32, ars, acs int, b *float32, bs int, c *float32, ldc int, acc int)
//
// computes a tile C (+)= A·B for rows of C that are ldc apart. Element (i, p) of A is at a + i·ars + p·acs, row p of B
// at b + p·bs. All strides are in bytes. C is overwritten when acc is 0 and added to otherwise.

#define DOT_ARGS \
	MOVQ k+0(FP), CX; \
	MOVQ a+8(FP), SI; \
	MOVQ b+16(FP), DI; \
	MOVQ bs+24(FP), R9; \
	MOVQ sums+32(FP), DX; \
	LEAQ (R9)(R9*2), R10; \
	VXORPS Y0, Y0, Y0; \
	VXORPS Y1, Y1, Y1; \
	VXORPS Y2, Y2, Y2; \
	VXORPS Y3, Y3, Y3; \
	VXORPS Y4, Y4, Y4; \
	VXORPS Y5, Y5, Y5; \
	VXORPS Y6, Y6, Y6; \
	VXORPS Y7, Y7, Y7

#define DOT_STORE \
	VADDPS Y4, Y0, Y0; \
	VADDPS Y5, Y1, Y1; \
	VADDPS Y6, Y2, Y2; \
	VADDPS Y7, Y3, Y3; \
	VMOVUPS Y0, (DX); \
	VMOVUPS Y1, 32(DX); \
	VMOVUPS Y2, 64(DX); \
	VMOVUPS Y3, 96(DX); \
	VZEROUPPER

// The element of A is broadcast once for both vectors of B: 10 loads for 16 multiply-adds, where a broadcast operand for
// each would take 18, more than two load ports serve.
#define FMA2(addr, t, x, y) \
	VBROADCASTSS addr, t; \
	VFMADD231PS t, Z30, x; \
	VFMADD231PS t, Z31, y

// 8 rows, 32 columns, AVX-512.
TEXT ·tile512(SB), NOSPLIT, $0-72
	LOAD_ARGS
	TESTQ AX, AX
	JNZ load
	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1
	VPXORD Z2, Z2, Z2
	VPXORD Z3, Z3, Z3
	VPXORD Z4, Z4, Z4
	VPXORD Z5, Z5, Z5
	VPXORD Z6, Z6, Z6
	VPXORD Z7, Z7, Z7
	VPXORD Z8, Z8, Z8
	VPXORD Z9, Z9, Z9
	VPXORD Z10, Z10, Z10
	VPXORD Z11, Z11, Z11
	VPXORD Z12, Z12, Z12
	VPXORD Z13, Z13, Z13
	VPXORD Z14, Z14, Z14
	VPXORD Z15, Z15, Z15
	JMP start
load:
	MOVQ DX, R14
	LOADC2(Z0, Z1)
	LOADC2(Z2, Z3)
	LOADC2(Z4, Z5)
	LOADC2(Z6, Z7)
	LOADC2(Z8, Z9)
	LOADC2(Z10, Z11)
	LOADC2(Z12, Z13)
	LOADC2(Z14, Z15)
start:
	TESTQ CX, CX
	JZ done
loop:
	VMOVUPS (DI), Z30
	VMOVUPS 64(DI), Z31
	FMA2((SI), Z16, Z0, Z1)
	FMA2((SI)(R9*1), Z17, Z2, Z3)
	FMA2((SI)(R9*2), Z18, Z4, Z5)
	FMA2((SI)(R10*1), Z19, Z6, Z7)
	FMA2((SI)(R9*4), Z20, Z8, Z9)
	FMA2((SI)(R11*1), Z21, Z10, Z11)
	FMA2((SI)(R10*2), Z22, Z12, Z13)
	FMA2((SI)(R12*1), Z23, Z14, Z15)
	ADDQ R13, SI
	ADDQ BX, DI
	DECQ CX
	JNZ loop
done:
	STOREC2(Z0, Z1)
	STOREC2(Z2, Z3)
	STOREC2(Z4, Z5)
	STOREC2(Z6, Z7)
	STOREC2(Z8, Z9)
	STOREC2(Z10, Z11)
	STOREC2(Z12, Z13)
	STOREC2(Z14, Z15)
	VZEROUPPER
	RET

// 8 rows, 16 columns, AVX-512.
TEXT ·tile512half(SB), NOSPLIT, $0-72
	LOAD_ARGS
	TESTQ AX, AX
	JNZ load
	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1
	VPXORD Z2, Z2, Z2
	VPXORD Z3, Z3, Z3
	VPXORD Z4, Z4, Z4
	VPXORD Z5, Z5, Z5
	VPXORD Z6, Z6, Z6
	VPXORD Z7, Z7, Z7
	JMP start
load:
	MOVQ DX, R14
	LOADC1(Z0)
	LOADC1(Z1)
	LOADC1(Z2)
	LOADC1(Z3)
	LOADC1(Z4)
	LOADC1(Z5)
	LOADC1(Z6)
	LOADC1(Z7)
start:
	TESTQ CX, CX
	JZ done
loop:
	VMOVUPS (DI), Z30
	VFMADD231PS.BCST (SI), Z30, Z0
	VFMADD231PS.BCST (SI)(R9*1), Z30, Z1
	VFMADD231PS.BCST (SI)(R9*2), Z30, Z2
	VFMADD231PS.BCST (SI)(R10*1), Z30, Z3
	VFMADD231PS.BCST (SI)(R9*4), Z30, Z4
	VFMADD231PS.BCST (SI)(R11*1), Z30, Z5
	VFMADD231PS.BCST (SI)(R10*2), Z30, Z6
	VFMADD231PS.BCST (SI)(R12*1), Z30, Z7
	ADDQ R13, SI
	ADDQ BX, DI
	DECQ CX
	JNZ loop
done:
	STOREC1(Z0)
	STOREC1(Z1)
	STOREC1(Z2)
	STOREC1(Z3)
	STOREC1(Z4)
	STOREC1(Z5)
	STOREC1(Z6)
	STOREC1(Z7)
	VZEROUPPER
	RET

#define FMAY(addr, t, x, y) \
	VBROADCASTSS addr, t; \
	VFMADD231PS t, Y12, x; \
	VFMADD231PS t, Y13, y

#define LOADCY(x, y) \
	VMOVUPS (R14), x; \
	VMOVUPS 32(R14), y; \
	ADDQ R8, R14

#define STORECY(x, y) \
	VMOVUPS x, (DX); \
	VMOVUPS y, 32(DX); \
	ADDQ R8, DX

// 6 rows, 16 columns, AVX2 and FMA.
TEXT ·tile256(SB), NOSPLIT, $0-72
	LOAD_ARGS
	TESTQ AX, AX
	JNZ load
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	VXORPS Y8, Y8, Y8
	VXORPS Y9, Y9, Y9
	VXORPS Y10, Y10, Y10
	VXORPS Y11, Y11, Y11
	JMP start
load:
	MOVQ DX, R14
	LOADCY(Y0, Y1)
	LOADCY(Y2, Y3)
	LOADCY(Y4, Y5)
	LOADCY(Y6, Y7)
	LOADCY(Y8, Y9)
	LOADCY(Y10, Y11)
start:
	TESTQ CX, CX
	JZ done
loop:
	VMOVUPS (DI), Y12
	VMOVUPS 32(DI), Y13
	FMAY((SI), Y14, Y0, Y1)
	FMAY((SI)(R9*1), Y15, Y2, Y3)
	FMAY((SI)(R9*2), Y14, Y4, Y5)
	FMAY((SI)(R10*1), Y15, Y6, Y7)
	FMAY((SI)(R9*4), Y14, Y8, Y9)
	FMAY((SI)(R11*1), Y15, Y10, Y11)
	ADDQ R13, SI
	ADDQ BX, DI
	DECQ CX
	JNZ loop
done:
	STORECY(Y0, Y1)
	STORECY(Y2, Y3)
	STORECY(Y4, Y5)
	STORECY(Y6, Y7)
	STORECY(Y8, Y9)
	STORECY(Y10, Y11)
	VZEROUPPER
	RET

// func widen8(dst *float32, src *uint16, vectors int)
//
// converts 8·vectors elements from bf16.
TEXT ·widen8(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ vectors+16(FP), CX
loop:
	VPMOVZXWD (SI), Y0
	VPSLLD $16, Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ $16, SI
	ADDQ $32, DI
	DECQ CX
	JNZ loop
	VZEROUPPER
	RET

// func dot4(k int, a, b *float32, bs int, sums *float32)
//
// multiplies 16·k elements of a with 4 rows of b that are bs bytes apart; sums gets 8 partial sums for each row.
TEXT ·dot4(SB), NOSPLIT, $0-40
	DOT_ARGS
loop:
	VMOVUPS (SI), Y8
	VMOVUPS 32(SI), Y9
	VFMADD231PS (DI), Y8, Y0
	VFMADD231PS 32(DI), Y9, Y4
	VFMADD231PS (DI)(R9*1), Y8, Y1
	VFMADD231PS 32(DI)(R9*1), Y9, Y5
	VFMADD231PS (DI)(R9*2), Y8, Y2
	VFMADD231PS 32(DI)(R9*2), Y9, Y6
	VFMADD231PS (DI)(R10*1), Y8, Y3
	VFMADD231PS 32(DI)(R10*1), Y9, Y7
	ADDQ $64, SI
	ADDQ $64, DI
	DECQ CX
	JNZ loop
	DOT_STORE
	RET

#define WIDE(addr, y) \
	VPMOVZXWD addr, y; \
	VPSLLD $16, y, y

// func dot4BF16(k int, a *float32, b *uint16, bs int, sums *float32)
//
// is dot4 for rows of bf16.
TEXT ·dot4BF16(SB), NOSPLIT, $0-40
	DOT_ARGS
loop:
	VMOVUPS (SI), Y8
	VMOVUPS 32(SI), Y9
	WIDE((DI), Y10)
	WIDE(16(DI), Y11)
	VFMADD231PS Y10, Y8, Y0
	VFMADD231PS Y11, Y9, Y4
	WIDE((DI)(R9*1), Y12)
	WIDE(16(DI)(R9*1), Y13)
	VFMADD231PS Y12, Y8, Y1
	VFMADD231PS Y13, Y9, Y5
	WIDE((DI)(R9*2), Y10)
	WIDE(16(DI)(R9*2), Y11)
	VFMADD231PS Y10, Y8, Y2
	VFMADD231PS Y11, Y9, Y6
	WIDE((DI)(R10*1), Y12)
	WIDE(16(DI)(R10*1), Y13)
	VFMADD231PS Y12, Y8, Y3
	VFMADD231PS Y13, Y9, Y7
	ADDQ $64, SI
	ADDQ $32, DI
	DECQ CX
	JNZ loop
	DOT_STORE
	RET

// func copyTerms8(dst *float32, ds int, src *float32, offsets *int, terms, vectors int)
//
// copies 8·vectors consecutive elements (vectors is 1, 2 or 4) of src at each of the offsets, which are in elements, to
// rows of dst that are ds bytes apart. Terms are often a page or more apart, which the processor does not foresee.
#define AHEAD 12

#define COPY1 \
	MOVQ (BX), AX; \
	VMOVUPS (SI)(AX*4), Y0; \
	VMOVUPS Y0, (DI); \
	ADDQ $8, BX; \
	ADDQ R8, DI

#define COPY2 \
	MOVQ (BX), AX; \
	VMOVUPS (SI)(AX*4), Y0; \
	VMOVUPS 32(SI)(AX*4), Y1; \
	VMOVUPS Y0, (DI); \
	VMOVUPS Y1, 32(DI); \
	ADDQ $8, BX; \
	ADDQ R8, DI

#define COPY4 \
	MOVQ (BX), AX; \
	VMOVUPS (SI)(AX*4), Y0; \
	VMOVUPS 32(SI)(AX*4), Y1; \
	VMOVUPS 64(SI)(AX*4), Y2; \
	VMOVUPS 96(SI)(AX*4), Y3; \
	VMOVUPS Y0, (DI); \
	VMOVUPS Y1, 32(DI); \
	VMOVUPS Y2, 64(DI); \
	VMOVUPS Y3, 96(DI); \
	ADDQ $8, BX; \
	ADDQ R8, DI

TEXT ·copyTerms8(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ ds+8(FP), R8
	MOVQ src+16(FP), SI
	MOVQ offsets+24(FP), BX
	MOVQ terms+32(FP), CX
	MOVQ vectors+40(FP), DX
	CMPQ DX, $2
	JE two
	JG four
one:
	CMPQ CX, $AHEAD
	JLE rest1
	MOVQ (8*AHEAD)(BX), AX
	PREFETCHT0 (SI)(AX*4)
	COPY1
	DECQ CX
	JMP one
rest1:
	TESTQ CX, CX
	JZ done
	COPY1
	DECQ CX
	JMP rest1
two:
	CMPQ CX, $AHEAD
	JLE rest2
	MOVQ (8*AHEAD)(BX), AX
	PREFETCHT0 (SI)(AX*4)
	COPY2
	DECQ CX
	JMP two
rest2:
	TESTQ CX, CX
	JZ done
	COPY2
	DECQ CX
	JMP rest2
four:
	CMPQ CX, $AHEAD
	JLE rest4
	MOVQ (8*AHEAD)(BX), AX
	PREFETCHT0 (SI)(AX*4)
	PREFETCHT0 64(SI)(AX*4)
	COPY4
	DECQ CX
	JMP four
rest4:
	TESTQ CX, CX
	JZ done
	COPY4
	DECQ CX
	JMP rest4
done:
	VZEROUPPER
	RET

// func transpose8(dst *float32, ds int, src *float32, ss int, blocks int)
//
// transposes 8 rows of src, ss bytes apart and 8·blocks elements long, into 8·blocks rows of 8 elements, ds bytes apart.
TEXT ·transpose8(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ ds+8(FP), R8
	MOVQ src+16(FP), SI
	MOVQ ss+24(FP), R9
	MOVQ blocks+32(FP), CX
	LEAQ (R9)(R9*2), R10
	LEAQ (R9)(R9*4), R11
	LEAQ (R10)(R9*4), R12
	LEAQ (R8)(R8*2), R13
	LEAQ (R8)(R8*4), R14
	LEAQ (R13)(R8*4), BX
	TESTQ CX, CX
	JZ done
loop:
	VMOVUPS (SI), Y0
	VMOVUPS (SI)(R9*1), Y1
	VMOVUPS (SI)(R9*2), Y2
	VMOVUPS (SI)(R10*1), Y3
	VMOVUPS (SI)(R9*4), Y4
	VMOVUPS (SI)(R11*1), Y5
	VMOVUPS (SI)(R10*2), Y6
	VMOVUPS (SI)(R12*1), Y7
	VUNPCKLPS Y1, Y0, Y8
	VUNPCKHPS Y1, Y0, Y9
	VUNPCKLPS Y3, Y2, Y10
	VUNPCKHPS Y3, Y2, Y11
	VUNPCKLPS Y5, Y4, Y12
	VUNPCKHPS Y5, Y4, Y13
	VUNPCKLPS Y7, Y6, Y14
	VUNPCKHPS Y7, Y6, Y15
	VUNPCKLPD Y10, Y8, Y0
	VUNPCKHPD Y10, Y8, Y1
	VUNPCKLPD Y11, Y9, Y2
	VUNPCKHPD Y11, Y9, Y3
	VUNPCKLPD Y14, Y12, Y4
	VUNPCKHPD Y14, Y12, Y5
	VUNPCKLPD Y15, Y13, Y6
	VUNPCKHPD Y15, Y13, Y7
	VINSERTF128 $1, X4, Y0, Y8
	VINSERTF128 $1, X5, Y1, Y9
	VINSERTF128 $1, X6, Y2, Y10
	VINSERTF128 $1, X7, Y3, Y11
	VPERM2F128 $0x31, Y4, Y0, Y12
	VPERM2F128 $0x31, Y5, Y1, Y13
	VPERM2F128 $0x31, Y6, Y2, Y14
	VPERM2F128 $0x31, Y7, Y3, Y15
	VMOVUPS Y8, (DI)
	VMOVUPS Y9, (DI)(R8*1)
	VMOVUPS Y10, (DI)(R8*2)
	VMOVUPS Y11, (DI)(R13*1)
	VMOVUPS Y12, (DI)(R8*4)
	VMOVUPS Y13, (DI)(R14*1)
	VMOVUPS Y14, (DI)(R13*2)
	VMOVUPS Y15, (DI)(BX*1)
	LEAQ (DI)(R8*8), DI
	ADDQ $32, SI
	DECQ CX
	JNZ loop
done:
	VZEROUPPER
	RET

// func cpuid(leaf, sub uint32) (eax, ebx, ecx, edx uint32)
TEXT ·cpuid(SB), NOSPLIT, $0-24
	MOVL leaf+0(FP), AX
	MOVL sub+4(FP), CX
	CPUID
	MOVL AX, eax+8(FP)
	MOVL BX, ebx+12(FP)
	MOVL CX, ecx+16(FP)
	MOVL DX, edx+20(FP)
	RET

// func xgetbv() uint32
TEXT ·xgetbv(SB), NOSPLIT, $0-4
	XORL CX, CX
	XGETBV
	MOVL AX, ret+0(FP)
	RET
