package remote

import "reflectionflow"

// fold brings a seed to so many bits, from 1 to 64: seeds that fit stay what they
// are, of others the pieces of that many bits are joined by exclusive or.
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

// consecutiveSeeds reports whether next is drawn like group but with the seed after the
// last of it, as servers do that are asked for several images. Corrections are
// drawn alone: whether two references are equal is dear to find out.
func consecutiveSeeds(group []reflectionflow.Request, next reflectionflow.Request, bits int) bool {
	if !sameExceptSeed(group[0], next) {
		return false
	}
	first, last := fold(group[0].Seed, bits), fold(next.Seed, bits)
	return last >= first && last-first == uint64(len(group))
}

// sameExceptSeed reports whether two requests without reference differ in nothing but the seed.
func sameExceptSeed(a, b reflectionflow.Request) bool {
	if a.Reference != nil || b.Reference != nil {
		return false
	}
	a.Seed, b.Seed = 0, 0
	return a == b
}
