#include "go_asm.h"
#include "textflag.h"

// The micro-kernels of products of integers for processors with AVX-VNNI and without AVX-512: tiles of 6 rows and 16 columns.
// Operands and results are those of kernel_int8_amd64.s, bit by bit, but for the number of columns. Dot products take 12 of the 16
// registers; the sums of a superblock are in the frame.

// VPDPBUSD of the registers dst, unsigned and signed as AVX-VNNI has it. Go's assembler knows the form of AVX-512 alone.
#define DPBUSD(dst, unsigned, signed) \
	BYTE $0xc4; \
	BYTE $(0xe2-((dst>>3)<<7)-((signed>>3)<<5)); \
	BYTE $(0x05+((15-unsigned)<<3)); \
	BYTE $0x50; \
	BYTE $(0xc0+((dst&7)<<3)+(signed&7))

#define ARGS \
	MOVQ p+0(FP), R12; \
	MOVQ intsTiles_c(R12), DX; \
	MOVQ intsTiles_a(R12), BX; \
	MOVQ intsTiles_row(R12), R9; \
	MOVQ intsTiles_ldc(R12), R8; \
	LEAQ (R9)(R9*2), R10; \
	LEAQ (R9)(R9*4), R11

#define BEGIN_TILE \
	MOVQ BX, SI; \
	ADDQ intsTiles_heads(R12), SI; \
	MOVQ intsTiles_b(R12), DI; \
	MOVQ intsTiles_scales(R12), R13; \
	MOVQ intsTiles_blocks(R12), CX; \
	MOVQ intsTiles_acc(R12), AX

#define END_TILE \
	MOVQ intsTiles_a(R12), BX; \
	ADDQ intsTiles_step(R12), BX; \
	MOVQ BX, intsTiles_a(R12); \
	DECQ intsTiles_tiles(R12)

// EACH repeats an operation for each row: the place of its number in the heads, its dot products, and its sums in the frame.
#define EACH(op) \
	op(0, Y0, Y1, 0); \
	op(4, Y2, Y3, 64); \
	op(8, Y4, Y5, 128); \
	op(12, Y6, Y7, 192); \
	op(16, Y8, Y9, 256); \
	op(20, Y10, Y11, 320)

#define CLEAR_DOT(o, x, y, s) \
	VPXOR x, x, x; \
	VPXOR y, y, y

#define BEGIN_DOT(o, x, y, s) \
	VPBROADCASTD (o)(BX), x; \
	VMOVDQA x, y

#define TERMS4(p) \
	VMOVDQU (64*p)(DI), Y12; \
	VMOVDQU (64*p+32)(DI), Y13; \
	VPBROADCASTD (4*p)(SI), Y14; \
	DPBUSD(0, 12, 14); \
	DPBUSD(1, 13, 14); \
	VPBROADCASTD (4*p)(SI)(R9*1), Y15; \
	DPBUSD(2, 12, 15); \
	DPBUSD(3, 13, 15); \
	VPBROADCASTD (4*p)(SI)(R9*2), Y14; \
	DPBUSD(4, 12, 14); \
	DPBUSD(5, 13, 14); \
	VPBROADCASTD (4*p)(SI)(R10*1), Y15; \
	DPBUSD(6, 12, 15); \
	DPBUSD(7, 13, 15); \
	VPBROADCASTD (4*p)(SI)(R9*4), Y14; \
	DPBUSD(8, 12, 14); \
	DPBUSD(9, 13, 14); \
	VPBROADCASTD (4*p)(SI)(R11*1), Y15; \
	DPBUSD(10, 12, 15); \
	DPBUSD(11, 13, 15)

#define TERMS16 \
	TERMS4(0); \
	TERMS4(1); \
	TERMS4(2); \
	TERMS4(3); \
	ADDQ $16, SI; \
	ADDQ $256, DI

#define TERMS32 \
	TERMS4(0); \
	TERMS4(1); \
	TERMS4(2); \
	TERMS4(3); \
	TERMS4(4); \
	TERMS4(5); \
	TERMS4(6); \
	TERMS4(7); \
	ADDQ $32, SI; \
	ADDQ $512, DI

#define CLEAR_SUM(o, x, y, s) \
	VMOVUPS Y14, s(SP); \
	VMOVUPS Y14, (s+32)(SP)

#define LOAD_SUM(o, x, y, s) \
	VMOVUPS (R14), x; \
	VMOVUPS 32(R14), y; \
	VMOVUPS x, s(SP); \
	VMOVUPS y, (s+32)(SP); \
	ADDQ R8, R14

#define STORE_SUM(o, x, y, s) \
	VMOVUPS s(SP), x; \
	VMOVUPS (s+32)(SP), y; \
	VMOVUPS x, (DX); \
	VMOVUPS y, 32(DX); \
	ADDQ R8, DX

#define SCALE_DOT(o, x, y, s) \
	VCVTDQ2PS x, x; \
	VCVTDQ2PS y, y; \
	VBROADCASTSS (o+24)(BX), Y14; \
	VMULPS Y14, x, x; \
	VMULPS Y14, y, y

#define CONVERT_DOT(o, x, y, s) \
	VCVTDQ2PS x, x; \
	VCVTDQ2PS y, y

#define ADD_DOT(o, x, y, s) \
	VFMADD213PS s(SP), Y12, x; \
	VFMADD213PS (s+32)(SP), Y13, y; \
	VMOVUPS x, s(SP); \
	VMOVUPS y, (s+32)(SP)

#define SUBTRACT_MIN(o, x, y, s) \
	VBROADCASTSS (o)(BX), Y14; \
	VFNMADD231PS Y14, Y12, x; \
	VFNMADD231PS Y14, Y13, y; \
	VMOVUPS x, s(SP); \
	VMOVUPS y, (s+32)(SP)

#define COLUMNS \
	VMOVUPS (R13), Y12; \
	VMOVUPS 32(R13), Y13; \
	ADDQ $64, R13

#define STORE_SCALED(o, x, y, s) \
	VBROADCASTSS (o)(BX), Y14; \
	VMULPS s(SP), Y14, x; \
	VMULPS (s+32)(SP), Y14, y; \
	VMOVUPS x, (R14); \
	VMOVUPS y, 32(R14); \
	ADDQ R8, R14

#define ACCUMULATE_SCALED(o, x, y, s) \
	VBROADCASTSS (o)(BX), Y14; \
	VMOVUPS s(SP), x; \
	VMOVUPS (s+32)(SP), y; \
	VFMADD213PS (R14), Y14, x; \
	VFMADD213PS 32(R14), Y14, y; \
	VMOVUPS x, (R14); \
	VMOVUPS y, 32(R14); \
	ADDQ R8, R14

#define BLOCKS(begin, mins) \
	ARGS; \
tile: \
	BEGIN_TILE; \
	TESTQ AX, AX; \
	JNZ load; \
	VPXOR Y14, Y14, Y14; \
	EACH(CLEAR_SUM); \
	JMP block; \
load: \
	MOVQ DX, R14; \
	EACH(LOAD_SUM); \
block: \
	EACH(begin); \
	TERMS32; \
	EACH(SCALE_DOT); \
	COLUMNS; \
	EACH(ADD_DOT); \
	mins; \
	ADDQ $48, BX; \
	DECQ CX; \
	JNZ block; \
	EACH(STORE_SUM); \
	END_TILE; \
	JNZ tile; \
	VZEROUPPER; \
	RET

#define SUPERBLOCKS(groups, begin, terms, mins) \
	ARGS; \
tile: \
	BEGIN_TILE; \
superblock: \
	VPXOR Y14, Y14, Y14; \
	EACH(CLEAR_SUM); \
	MOVQ groups, R15; \
group: \
	EACH(begin); \
	terms; \
	EACH(CONVERT_DOT); \
	COLUMNS; \
	EACH(ADD_DOT); \
	mins; \
	ADDQ $24, BX; \
	DECQ R15; \
	JNZ group; \
	MOVQ DX, R14; \
	TESTQ AX, AX; \
	JNZ accumulate; \
	MOVQ $1, AX; \
	EACH(STORE_SCALED); \
	JMP next; \
accumulate: \
	EACH(ACCUMULATE_SCALED); \
next: \
	ADDQ $24, BX; \
	DECQ CX; \
	JNZ superblock; \
	MOVQ R14, DX; \
	END_TILE; \
	JNZ tile; \
	VZEROUPPER; \
	RET

#define WITH_MINS \
	COLUMNS; \
	EACH(SUBTRACT_MIN)

#define WITHOUT_MINS

TEXT ·tileIntsY32(SB), NOSPLIT, $384-8
	BLOCKS(BEGIN_DOT, WITHOUT_MINS)

TEXT ·tileIntsY32Mins(SB), NOSPLIT, $384-8
	BLOCKS(CLEAR_DOT, WITH_MINS)

TEXT ·tileIntsYSuper32(SB), NOSPLIT, $384-8
	SUPERBLOCKS($8, BEGIN_DOT, TERMS32, WITHOUT_MINS)

TEXT ·tileIntsYSuper32Mins(SB), NOSPLIT, $384-8
	SUPERBLOCKS($8, CLEAR_DOT, TERMS32, WITH_MINS)

TEXT ·tileIntsYSuper16(SB), NOSPLIT, $384-8
	SUPERBLOCKS($16, BEGIN_DOT, TERMS16, WITHOUT_MINS)

TEXT ·tileIntsYSuper16Mins(SB), NOSPLIT, $384-8
	SUPERBLOCKS($16, CLEAR_DOT, TERMS16, WITH_MINS)

DATA bytesInOrder<>+0(SB)/8, $0x0000000400000000
DATA bytesInOrder<>+8(SB)/8, $0x0000000500000001
DATA bytesInOrder<>+16(SB)/8, $0x0000000600000002
DATA bytesInOrder<>+24(SB)/8, $0x0000000700000003
GLOBL bytesInOrder<>(SB), RODATA|NOPTR, $32

#define LARGEST(o, x) \
	VPAND o(SI), Y8, x; \
	VPMAXUD x, Y2, Y2

// func quantize(q *int8, stats *float32, src *float32, blocks, per int)
//
// quantizes blocks of 32·per elements to signed bytes, of which the largest is 127. stats gets 1 + 2·per numbers a block: the
// largest absolute value, and the sums of each 16 bytes, which are integers. The largest value is NaN if one element is. If it
// is NaN, infinite or too small, the bytes are any. It needs AVX2.
TEXT ·quantize(SB), NOSPLIT, $0-40
	MOVQ q+0(FP), DI
	MOVQ stats+8(FP), DX
	MOVQ src+16(FP), SI
	MOVQ blocks+24(FP), CX
	MOVQ per+32(FP), R8
	MOVL $0x7fffffff, AX
	VMOVD AX, X8
	VPBROADCASTD X8, Y8
	MOVL $0x42fe0000, AX // 127
	VMOVD AX, X9
	MOVL $0x01010101, AX
	VMOVD AX, X10
	VPBROADCASTD X10, Y10
	MOVL $0x00010001, AX
	VMOVD AX, X11
	VPBROADCASTD X11, Y11
	VMOVDQU bytesInOrder<>(SB), Y12
block:
	VPXOR Y2, Y2, Y2
	MOVQ R8, BX
	MOVQ SI, R9
largest:
	LARGEST(0, Y3)
	LARGEST(32, Y4)
	LARGEST(64, Y5)
	LARGEST(96, Y6)
	ADDQ $128, SI
	DECQ BX
	JNZ largest
	VEXTRACTI128 $1, Y2, X3
	VPMAXUD X3, X2, X2
	VPSHUFD $0x4e, X2, X3
	VPMAXUD X3, X2, X2
	VPSHUFD $0xb1, X2, X3
	VPMAXUD X3, X2, X2
	VMOVSS X2, (DX)
	ADDQ $4, DX
	VDIVSS X2, X9, X7
	VBROADCASTSS X7, Y7
	MOVQ R8, BX
bytes:
	VMULPS (R9), Y7, Y0
	VMULPS 32(R9), Y7, Y1
	VMULPS 64(R9), Y7, Y2
	VMULPS 96(R9), Y7, Y3
	VCVTPS2DQ Y0, Y0
	VCVTPS2DQ Y1, Y1
	VCVTPS2DQ Y2, Y2
	VCVTPS2DQ Y3, Y3
	VPACKSSDW Y1, Y0, Y0
	VPACKSSDW Y3, Y2, Y2
	VPACKSSWB Y2, Y0, Y0
	VPERMD Y0, Y12, Y0
	VMOVDQU Y0, (DI)
	VPMADDUBSW Y0, Y10, Y4
	VPMADDWD Y4, Y11, Y4
	VPHADDD Y4, Y4, Y4
	VPHADDD Y4, Y4, Y4
	VEXTRACTI128 $1, Y4, X5
	VMOVD X4, (DX)
	VMOVD X5, 4(DX)
	ADDQ $128, R9
	ADDQ $32, DI
	ADDQ $8, DX
	DECQ BX
	JNZ bytes
	DECQ CX
	JNZ block
	VZEROUPPER
	RET
