package bench

// chains is the number of independent chains of fused multiply-adds: more than a
// processor's latency times its units (4 or 5 times 2), and few enough that all
// fit into the 16 vector registers of AVX2.
const chains = 12

// fmaChains holds the values of the chains in vectors of 512 and of 256 bits.
type fmaChains struct {
	wide   [chains][16]float32
	narrow [chains][8]float32
}

// newFMAChains starts every chain and lane from a value of its own.
func newFMAChains() *fmaChains {
	c := new(fmaChains)
	for i := range chains {
		for lane := range c.wide[i] {
			c.wide[i][lane] = float32(1 + 16*i + lane)
		}
		for lane := range c.narrow[i] {
			c.narrow[i][lane] = float32(1 + 16*i + lane)
		}
	}
	return c
}
