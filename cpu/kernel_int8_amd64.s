#include "go_asm.h"
#include "textflag.h"

// The micro-kernels of products of integers, for processors with AVX512-VNNI: tiles of 6 rows and 32 columns, one tile of rows
// after the other.
//
// func tileIntsX(p *intsTiles)
//
// A tile of A has heads, which are numbers of f32 or integers, and then rows of signed bytes. A block of B is 8 times 32
// columns of 4 unsigned bytes. A dot product of 32 terms, or 16, is exact. The scales of B, and then the minima if there are
// any, are 32 numbers for each group of 32 or 16 terms.
//
// tileInts32 and tileInts32Mins take A that has a scale for every 32 terms. The heads of a block are 6 numbers of its rows and
// their 6 scales. A dot product is multiplied by the scale of A, and then by that of B and added to C with one rounding.
//
// tileIntsSuperX take A that has a scale for every 256 terms. The heads of such a superblock are 6 numbers for each group, and
// then 6 scales. Dot products are multiplied by the scales of B and summed over the superblock, and the sum is multiplied by
// the scale of A and added to C.
//
// The numbers of a group are integers that dot products begin with, which take the zero of B into account. In the kernels with
// minima they are sums of A, in f32, times its scale where blocks have 32 terms. They are multiplied by the minima, and subtracted.

#define ARGS \
	MOVQ p+0(FP), R12; \
	MOVQ intsTiles_b(R12), DI; \
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

// ends a tile and leaves the flags of the number of tiles that are left
#define END_TILE \
	MOVQ intsTiles_a(R12), BX; \
	ADDQ intsTiles_step(R12), BX; \
	MOVQ BX, intsTiles_a(R12); \
	DECQ intsTiles_tiles(R12)

// EACH repeats an operation for each row: the place of its number in the heads, its dot products, and its sums.
#define EACH(op) \
	op(0, Z12, Z13, Z0, Z1); \
	op(4, Z14, Z15, Z2, Z3); \
	op(8, Z16, Z17, Z4, Z5); \
	op(12, Z18, Z19, Z6, Z7); \
	op(16, Z20, Z21, Z8, Z9); \
	op(20, Z22, Z23, Z10, Z11)

#define CLEAR_SUM(o, x, y, to, to1) \
	VPXORD to, to, to; \
	VPXORD to1, to1, to1

#define LOAD_SUM(o, x, y, to, to1) \
	VMOVUPS (R14), to; \
	VMOVUPS 64(R14), to1; \
	ADDQ R8, R14

#define STORE_SUM(o, x, y, to, to1) \
	VMOVUPS to, (DX); \
	VMOVUPS to1, 64(DX); \
	ADDQ R8, DX

#define CLEAR_DOT(o, x, y, to, to1) \
	VPXORD x, x, x; \
	VPXORD y, y, y

#define BEGIN_DOT(o, x, y, to, to1) \
	VPBROADCASTD (o)(BX), x; \
	VMOVDQA64 x, y

#define DOT(addr, t, x, y) \
	VPBROADCASTD addr, t; \
	VPDPBUSD t, Z24, x; \
	VPDPBUSD t, Z25, y

#define TERMS4(p) \
	VMOVDQU64 (128*p)(DI), Z24; \
	VMOVDQU64 (128*p+64)(DI), Z25; \
	DOT((4*p)(SI), Z26, Z12, Z13); \
	DOT((4*p)(SI)(R9*1), Z27, Z14, Z15); \
	DOT((4*p)(SI)(R9*2), Z26, Z16, Z17); \
	DOT((4*p)(SI)(R10*1), Z27, Z18, Z19); \
	DOT((4*p)(SI)(R9*4), Z26, Z20, Z21); \
	DOT((4*p)(SI)(R11*1), Z27, Z22, Z23)

#define TERMS16 \
	TERMS4(0); \
	TERMS4(1); \
	TERMS4(2); \
	TERMS4(3); \
	ADDQ $16, SI; \
	ADDQ $512, DI

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
	ADDQ $1024, DI

#define SCALES \
	VMOVUPS (R13), Z28; \
	VMOVUPS 64(R13), Z29; \
	ADDQ $128, R13

#define MINS \
	VMOVUPS (R13), Z30; \
	VMOVUPS 64(R13), Z31; \
	ADDQ $128, R13

#define ADD_SCALED(o, x, y, to, to1) \
	VCVTDQ2PS x, x; \
	VCVTDQ2PS y, y; \
	VBROADCASTSS (o+24)(BX), Z26; \
	VMULPS Z26, x, x; \
	VMULPS Z26, y, y; \
	VFMADD231PS Z28, x, to; \
	VFMADD231PS Z29, y, to1

#define ADD_DOT(o, x, y, to, to1) \
	VCVTDQ2PS x, x; \
	VCVTDQ2PS y, y; \
	VFMADD231PS Z28, x, to; \
	VFMADD231PS Z29, y, to1

#define SUBTRACT_MIN(o, x, y, to, to1) \
	VBROADCASTSS (o)(BX), Z26; \
	VFNMADD231PS Z26, Z30, to; \
	VFNMADD231PS Z26, Z31, to1

// the sums of the first superblock, and of later ones, times the scale of A
#define STORE_SCALED(o, x, y, to, to1) \
	VBROADCASTSS (o)(BX), Z26; \
	VMULPS Z26, to, to; \
	VMULPS Z26, to1, to1; \
	VMOVUPS to, (R14); \
	VMOVUPS to1, 64(R14); \
	ADDQ R8, R14

#define ACCUMULATE_SCALED(o, x, y, to, to1) \
	VBROADCASTSS (o)(BX), Z26; \
	VFMADD213PS (R14), Z26, to; \
	VFMADD213PS 64(R14), Z26, to1; \
	VMOVUPS to, (R14); \
	VMOVUPS to1, 64(R14); \
	ADDQ R8, R14

#define BLOCKS(begin, mins) \
	ARGS; \
tile: \
	BEGIN_TILE; \
	TESTQ AX, AX; \
	JNZ load; \
	EACH(CLEAR_SUM); \
	JMP block; \
load: \
	MOVQ DX, R14; \
	EACH(LOAD_SUM); \
block: \
	EACH(begin); \
	TERMS32; \
	SCALES; \
	EACH(ADD_SCALED); \
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
	EACH(CLEAR_SUM); \
	MOVQ groups, R15; \
group: \
	EACH(begin); \
	terms; \
	SCALES; \
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
	MINS; \
	EACH(SUBTRACT_MIN)

#define WITHOUT_MINS

TEXT ·tileInts32(SB), NOSPLIT, $0-8
	BLOCKS(BEGIN_DOT, WITHOUT_MINS)

TEXT ·tileInts32Mins(SB), NOSPLIT, $0-8
	BLOCKS(CLEAR_DOT, WITH_MINS)

TEXT ·tileIntsSuper32(SB), NOSPLIT, $0-8
	SUPERBLOCKS($8, BEGIN_DOT, TERMS32, WITHOUT_MINS)

TEXT ·tileIntsSuper32Mins(SB), NOSPLIT, $0-8
	SUPERBLOCKS($8, CLEAR_DOT, TERMS32, WITH_MINS)

TEXT ·tileIntsSuper16(SB), NOSPLIT, $0-8
	SUPERBLOCKS($16, BEGIN_DOT, TERMS16, WITHOUT_MINS)

TEXT ·tileIntsSuper16Mins(SB), NOSPLIT, $0-8
	SUPERBLOCKS($16, CLEAR_DOT, TERMS16, WITH_MINS)
