#include "textflag.h"
#include "vectorfast_amd64.h"

// func softmaxRows(dst *uint16, dstStep int, a *float32, aStep, rows, vectors int, largest, sums *float32)
//
// For each row of a, finds the largest element and number so far, which replaces the latter, and computes e^(a - that), rounded
// to bf16, and the sum of these before rounding. While all are -Inf, 0 stands for the largest. For processors with AVX512-BF16.
TEXT ·softmaxRows(SB), NOSPLIT, $64-64
	MOVQ dst+0(FP), DI
	MOVQ dstStep+8(FP), R12
	MOVQ a+16(FP), SI
	MOVQ aStep+24(FP), R13
	MOVQ rows+32(FP), R9
	MOVQ vectors+40(FP), R10
	MOVQ largest+48(FP), R8
	MOVQ sums+56(FP), R11
	EXP_CONSTANTS
row:
	VBROADCASTSS (R8), Z0
	VMOVAPS Z0, Z1
	MOVQ SI, DX
	MOVQ R10, CX
	SUBQ $2, CX
	JLT odd
pair:
	VMAXPS (DX), Z0, Z0
	VMAXPS 64(DX), Z1, Z1
	ADDQ $128, DX
	SUBQ $2, CX
	JGE pair
odd:
	ADDQ $2, CX
	JZ fold
	VMAXPS (DX), Z0, Z0
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
	VMOVSS X0, (R8)
	VMOVD X0, AX
	CMPL AX, $0xff800000
	JNE some
	VXORPS X0, X0, X0
some:
	VBROADCASTSS X0, Z4
	ZERO_SUMS
	MOVQ SI, DX
	MOVQ DI, BX
	MOVQ R10, CX
	SUBQ $2, CX
	JLT rest
loop:
	VMOVUPS (DX), Z0
	VMOVUPS 64(DX), Z5
	VSUBPS Z4, Z0, Z0
	VSUBPS Z4, Z5, Z5
	EXP(Z0, Z1, Z2)
	EXP(Z5, Z6, Z7)
	VADDPS Z2, Z28, Z28
	VADDPS Z7, Z29, Z29
	BYTE $0x62; BYTE $0xf2; BYTE $0x7e; BYTE $0x48; BYTE $0x72; BYTE $0xda // VCVTNEPS2BF16 Z2, Y3
	VMOVUPS Y3, (BX)
	BYTE $0x62; BYTE $0xf2; BYTE $0x7e; BYTE $0x48; BYTE $0x72; BYTE $0xdf // VCVTNEPS2BF16 Z7, Y3
	VMOVUPS Y3, 32(BX)
	ADDQ $128, DX
	ADDQ $64, BX
	SUBQ $2, CX
	JGE loop
rest:
	ADDQ $2, CX
	JZ lanes
	VMOVUPS (DX), Z0
	VSUBPS Z4, Z0, Z0
	EXP(Z0, Z1, Z2)
	VADDPS Z2, Z28, Z28
	BYTE $0x62; BYTE $0xf2; BYTE $0x7e; BYTE $0x48; BYTE $0x72; BYTE $0xda // VCVTNEPS2BF16 Z2, Y3
	VMOVUPS Y3, (BX)
lanes:
	ADD_LANES(R11)
	ADDQ $4, R8
	ADDQ $4, R11
	ADDQ R13, SI
	ADDQ R12, DI
	DECQ R9
	JNZ row
	VZEROUPPER
	RET
