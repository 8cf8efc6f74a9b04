package cpu

// level is an instruction set that the kernels are written for.
type level int

const (
	plain  level = iota // portable Go
	avx2                // AVX2 and FMA
	avx512              // AVX-512 F, BW, DQ and VL
)

// levelNames are the names of the instruction sets that this architecture may have.
var levelNames = []string{"plain", "avx2", "avx512"}

// kernel returns the micro-kernel of matrix products.
func (l level) kernel() tileKernel {
	switch l {
	case avx512:
		return tileKernel{8, 32, tile512, tile512half, true}
	case avx2:
		return tileKernel{6, 16, tile256, nil, true}
	}
	return plainKernel
}

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
func tilePairsHalf(k int, a *float32, ars, acs int, b *float32, bs int, c *float32, ldc int, acc int)

//go:noescape
func narrow16(dst *uint16, src *float32, vectors int)

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
	subs, b, c, _ := cpuid(7, 0)
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
	return avx512, has
}
