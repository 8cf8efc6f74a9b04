package cpu

// String names the instruction set.
func (l level) String() string {
	return map[string]string{"plain": "plain Go", "neon": "NEON", "avx2": "AVX2", "avx512": "AVX-512", "amx": "AVX-512 and AMX"}[levelNames[l]]
}

// features are what a processor has besides its level.
type features struct {
	pairs   bool // AVX512-BF16, or BF16 of arm64
	ints512 bool // AVX512-VNNI
	ints256 bool // AVX-VNNI
}

// intsFor returns the kernel of products of integers for a level, or nil.
func intsFor(l level) *intsKernel {
	switch {
	case l >= avx512 && machineHas.ints512:
		return &ints512
	case l >= avx2 && machineHas.ints256:
		return &ints256
	}
	return nil
}
