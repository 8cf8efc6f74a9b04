#include "go_asm.h"
#include "textflag.h"

// The micro-kernel of products of bf16 for processors with AMX. Go's assembler does not know the instructions, so they are
// written as bytes; TestAMXInstructions compares them with what objdump reads.

// func tileAMX(p *amxTiles)
//
// Tiles 0 to 3 are the sums: the upper 16 rows, left and right, then the lower ones. Tiles 4 and 5 are the upper and lower rows of
// A, 6 and 7 the left and right columns of B. The tiles are configured and released here: the runtime interrupts no assembly, and
// the system saves them with the other registers when it takes the processor away.
TEXT ·tileAMX(SB), NOSPLIT, $0-8
	MOVQ p+0(FP), AX
	BYTE $0xc4; BYTE $0xe2; BYTE $0x78; BYTE $0x49; BYTE $0x00 // ldtilecfg (%rax)
	MOVQ amxTiles_a(AX), SI
	MOVQ amxTiles_b(AX), DI
	MOVQ amxTiles_c(AX), DX
	MOVQ amxTiles_aRow(AX), R9
	MOVQ amxTiles_bRow(AX), BX
	MOVQ amxTiles_cRow(AX), R8
	MOVQ amxTiles_rows(AX), R12
	MOVQ amxTiles_cols(AX), R13
	MOVQ amxTiles_tiles(AX), R14
tile:
	MOVQ R9, R10
	SHLQ $4, R10
	ADDQ SI, R10
	MOVQ R8, R11
	SHLQ $4, R11
	ADDQ DX, R11
	MOVQ amxTiles_steps(AX), CX
	CMPQ amxTiles_acc(AX), $0
	JEQ zero
	BYTE $0xc4; BYTE $0xa2; BYTE $0x7b; BYTE $0x4b; BYTE $0x04; BYTE $0x02 // tileloadd (%rdx,%r8,1),%tmm0
	CMPQ R13, $16
	JLE loadLower
	BYTE $0xc4; BYTE $0xa2; BYTE $0x7b; BYTE $0x4b; BYTE $0x4c; BYTE $0x02; BYTE $0x40 // tileloadd 0x40(%rdx,%r8,1),%tmm1
loadLower:
	CMPQ R12, $16
	JLE step
	BYTE $0xc4; BYTE $0x82; BYTE $0x7b; BYTE $0x4b; BYTE $0x14; BYTE $0x03 // tileloadd (%r11,%r8,1),%tmm2
	CMPQ R13, $16
	JLE step
	BYTE $0xc4; BYTE $0x82; BYTE $0x7b; BYTE $0x4b; BYTE $0x5c; BYTE $0x03; BYTE $0x40 // tileloadd 0x40(%r11,%r8,1),%tmm3
	JMP step
zero:
	BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x49; BYTE $0xc0 // tilezero %tmm0
	CMPQ R13, $16
	JLE zeroLower
	BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x49; BYTE $0xc8 // tilezero %tmm1
zeroLower:
	CMPQ R12, $16
	JLE step
	BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x49; BYTE $0xd0 // tilezero %tmm2
	CMPQ R13, $16
	JLE step
	BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x49; BYTE $0xd8 // tilezero %tmm3
step:
	BYTE $0xc4; BYTE $0xa2; BYTE $0x7b; BYTE $0x4b; BYTE $0x24; BYTE $0x0e // tileloadd (%rsi,%r9,1),%tmm4
	BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x34; BYTE $0x1f // tileloadd (%rdi,%rbx,1),%tmm6
	BYTE $0xc4; BYTE $0xe2; BYTE $0x4a; BYTE $0x5c; BYTE $0xc4 // tdpbf16ps %tmm6,%tmm4,%tmm0
	CMPQ R13, $16
	JLE lower
	BYTE $0xc4; BYTE $0xe2; BYTE $0x7b; BYTE $0x4b; BYTE $0x7c; BYTE $0x1f; BYTE $0x40 // tileloadd 0x40(%rdi,%rbx,1),%tmm7
	BYTE $0xc4; BYTE $0xe2; BYTE $0x42; BYTE $0x5c; BYTE $0xcc // tdpbf16ps %tmm7,%tmm4,%tmm1
lower:
	CMPQ R12, $16
	JLE next
	BYTE $0xc4; BYTE $0x82; BYTE $0x7b; BYTE $0x4b; BYTE $0x2c; BYTE $0x0a // tileloadd (%r10,%r9,1),%tmm5
	BYTE $0xc4; BYTE $0xe2; BYTE $0x4a; BYTE $0x5c; BYTE $0xd5 // tdpbf16ps %tmm6,%tmm5,%tmm2
	CMPQ R13, $16
	JLE next
	BYTE $0xc4; BYTE $0xe2; BYTE $0x42; BYTE $0x5c; BYTE $0xdd // tdpbf16ps %tmm7,%tmm5,%tmm3
next:
	ADDQ $64, SI
	ADDQ $64, R10
	ADDQ amxTiles_bStep(AX), DI
	DECQ CX
	JNZ step
	BYTE $0xc4; BYTE $0xa2; BYTE $0x7a; BYTE $0x4b; BYTE $0x04; BYTE $0x02 // tilestored %tmm0,(%rdx,%r8,1)
	CMPQ R13, $16
	JLE storeLower
	BYTE $0xc4; BYTE $0xa2; BYTE $0x7a; BYTE $0x4b; BYTE $0x4c; BYTE $0x02; BYTE $0x40 // tilestored %tmm1,0x40(%rdx,%r8,1)
storeLower:
	CMPQ R12, $16
	JLE stored
	BYTE $0xc4; BYTE $0x82; BYTE $0x7a; BYTE $0x4b; BYTE $0x14; BYTE $0x03 // tilestored %tmm2,(%r11,%r8,1)
	CMPQ R13, $16
	JLE stored
	BYTE $0xc4; BYTE $0x82; BYTE $0x7a; BYTE $0x4b; BYTE $0x5c; BYTE $0x03; BYTE $0x40 // tilestored %tmm3,0x40(%r11,%r8,1)
stored:
	ADDQ amxTiles_aNext(AX), SI
	ADDQ amxTiles_bNext(AX), DI
	ADDQ amxTiles_cNext(AX), DX
	DECQ R14
	JNZ tile
	BYTE $0xc4; BYTE $0xe2; BYTE $0x78; BYTE $0x49; BYTE $0xc0 // tilerelease
	RET
