// What the micro-kernels share: see kernel_amd64.s.

#define LOAD_ARGS \
	MOVQ k+0(FP), CX; \
	MOVQ a+8(FP), SI; \
	MOVQ ars+16(FP), R9; \
	MOVQ acs+24(FP), R13; \
	MOVQ b+32(FP), DI; \
	MOVQ bs+40(FP), BX; \
	MOVQ c+48(FP), DX; \
	MOVQ ldc+56(FP), R8; \
	MOVQ acc+64(FP), AX; \
	LEAQ (R9)(R9*2), R10; \
	LEAQ (R9)(R9*4), R11; \
	LEAQ (R10)(R9*4), R12

#define LOADC2(x, y) \
	VMOVUPS (R14), x; \
	VMOVUPS 64(R14), y; \
	ADDQ R8, R14

#define STOREC2(x, y) \
	VMOVUPS x, (DX); \
	VMOVUPS y, 64(DX); \
	ADDQ R8, DX

#define LOADC1(x) \
	VMOVUPS (R14), x; \
	ADDQ R8, R14

#define STOREC1(x) \
	VMOVUPS x, (DX); \
	ADDQ R8, DX
