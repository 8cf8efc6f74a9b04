package cpu

// level is an instruction set that the kernels are written for.
type level int

const (
	plain  level = iota // portable Go
	avx2                // AVX2 and FMA
	avx512              // AVX-512 F, BW, DQ and VL
	amx                 // AVX-512 with BF16, and AMX with products of bf16
)

// levelNames are the names of the instruction sets that this architecture may have.
var levelNames = []string{"plain", "avx2", "avx512", "amx"}

// kernel returns the micro-kernel of matrix products.
func (l level) kernel() tileKernel {
	switch l {
	case avx512, amx:
		return tileKernel{rows: 8, cols: 32, tile: tile512, half: tile512half, strips: true}
	case avx2:
		return tileKernel{rows: 6, cols: 16, tile: tile256, strips: true}
	}
	return plainKernel
}

// pairKernel is the micro-kernel for pairs: k, the strides and the operands count words.
var pairKernel = tileKernel{rows: 8, cols: 32, tile: tilePairs, half: tilePairsHalf, strips: true}

// hasPairs reports whether there are products of pairs.
func (l level) hasPairs() bool { return l >= avx512 && machineHas.pairs }

// machine is the best level of this processor and operating system, and machineHas what else it has.
var machine, machineHas = detect(cpuid, xgetbv)

//go:noescape
func tile512(k int, a *float32, ars, acs int, b *float32, bs int, c *float32, ldc int, acc int)

//go:noescape
func tile512half(k int, a *float32, ars, acs int, b *float32, bs int, c *float32, ldc int, acc int)

//go:noescape
func tile256(k int, a *float32, ars, acs int, b *float32, bs int, c *float32, ldc int, acc int)

//go:noescape
func widen8(dst *float32, src *uint16, vectors int)

//go:noescape
func dot4(k int, a, b *float32, bs int, sums *float32)

//go:noescape
func dot4BF16(k int, a *float32, b *uint16, bs int, sums *float32)

//go:noescape
func copyTerms8(dst *float32, ds int, src *float32, offsets *int, terms, vectors int)

//go:noescape
func transpose8(dst *float32, ds int, src *float32, ss int, blocks int)

//go:noescape
func tilePairs(k int, a *float32, ars, acs int, b *float32, bs int, c *float32, ldc int, acc int)

//go:noescape
func tileAMX(p *amxTiles)

//go:noescape
func tilePairsHalf(k int, a *float32, ars, acs int, b *float32, bs int, c *float32, ldc int, acc int)

//go:noescape
func narrow16(dst *uint16, src *float32, vectors int)

//go:noescape
func softmaxRows(dst *uint16, dstStep int, a *float32, aStep, rows, vectors int, largest, sums *float32)

//go:noescape
func zip16(dst, a, b *float32, vectors int)

//go:noescape
func tileInts32(p *intsTiles)

//go:noescape
func tileInts32Mins(p *intsTiles)

//go:noescape
func tileIntsSuper32(p *intsTiles)

//go:noescape
func tileIntsSuper32Mins(p *intsTiles)

//go:noescape
func tileIntsSuper16(p *intsTiles)

//go:noescape
func tileIntsSuper16Mins(p *intsTiles)

//go:noescape
func tileIntsY32(p *intsTiles)

//go:noescape
func tileIntsY32Mins(p *intsTiles)

//go:noescape
func tileIntsYSuper32(p *intsTiles)

//go:noescape
func tileIntsYSuper32Mins(p *intsTiles)

//go:noescape
func tileIntsYSuper16(p *intsTiles)

//go:noescape
func tileIntsYSuper16Mins(p *intsTiles)

//go:noescape
func quantize(q *int8, stats *float32, src *float32, blocks, per int)

func cpuid(leaf, sub uint32) (eax, ebx, ecx, edx uint32)

func xgetbv() uint32

// detect asks the processor for its features and the operating system (XCR0) for the registers that it saves. Features that need
// others count only with these: hypervisors mask single ones.
func detect(cpuid func(leaf, sub uint32) (eax, ebx, ecx, edx uint32), xgetbv func() uint32) (level, features) {
	last, _, _, _ := cpuid(0, 0)
	if last < 7 {
		return plain, features{}
	}
	const fma, osxsave, avx = 1 << 12, 1 << 27, 1 << 28
	if _, _, c, _ := cpuid(1, 0); c&fma == 0 || c&osxsave == 0 || c&avx == 0 {
		return plain, features{}
	}
	saved := xgetbv()
	subs, b, c, d := cpuid(7, 0)
	if saved&0x6 != 0x6 || b&(1<<5) == 0 {
		return plain, features{}
	}
	var more uint32
	if subs >= 1 {
		more, _, _, _ = cpuid(7, 1)
	}
	has := features{ints256: more&(1<<4) != 0}
	const f, dq, bw, vl = 1 << 16, 1 << 17, 1 << 30, 1 << 31
	if saved&0xe6 != 0xe6 || b&f == 0 || b&dq == 0 || b&bw == 0 || b&vl == 0 {
		return avx2, has
	}
	has.pairs, has.ints512 = more&(1<<5) != 0, c&(1<<11) != 0
	if has.pairs && last >= 0x1e && saved&tilesSaved == tilesSaved && d&amxWanted == amxWanted && tilesFit(cpuid) {
		return amx, has
	}
	return avx512, has
}

const (
	tilesSaved = 1<<17 | 1<<18 // of XCR0: configuration and data of tiles
	amxWanted  = 1<<22 | 1<<24 // AMX-BF16, AMX-TILE
)

// tilesFit reports whether the tiles are as large as the kernel's: palette 1 has 8 of 16 rows of 64 bytes, and products take 16
// words and 64 bytes.
func tilesFit(cpuid func(leaf, sub uint32) (eax, ebx, ecx, edx uint32)) bool {
	palettes, _, _, _ := cpuid(0x1d, 0)
	if palettes < 1 {
		return false
	}
	sizes, names, rows, _ := cpuid(0x1d, 1)
	_, most, _, _ := cpuid(0x1e, 0)
	return sizes>>16 >= 1024 && names&0xffff >= 64 && names>>16 >= 8 && rows&0xffff >= 16 && most&0xff >= 16 && most>>8&0xffff >= 64
}
