package remote

import "reflectionflow"

// fold reduces a seed to a number of bits, from 1 to 64, by exclusive or of its pieces
// of that many bits. A seed that fits keeps its value.
func fold(seed uint64, bits int) uint64 {
	if bits >= 64 {
		return seed
	}
	var folded uint64
	for ; seed != 0; seed >>= bits {
		folded ^= seed & (1<<bits - 1)
	}
	return folded
}

// consecutiveSeeds reports whether next differs from group only in its seed, which
// follows the last of group: such requests are one batch for servers that count the
// seed up. Corrections are not batched, because comparing references is expensive.
func consecutiveSeeds(group []reflectionflow.Request, next reflectionflow.Request, bits int) bool {
	if !sameExceptSeed(group[0], next) {
		return false
	}
	first, last := fold(group[0].Seed, bits), fold(next.Seed, bits)
	return last >= first && last-first == uint64(len(group))
}

// sameExceptSeed reports whether two requests without reference differ only in the seed.
func sameExceptSeed(a, b reflectionflow.Request) bool {
	if a.Reference != nil || b.Reference != nil {
		return false
	}
	a.Seed, b.Seed = 0, 0
	return a == b
}
