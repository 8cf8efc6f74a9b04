package cpu

// String names the instruction set.
func (l level) String() string { return [...]string{"plain Go", "AVX2", "AVX-512"}[l] }
