package search

// purpose keeps the seeds of one candidate's parts apart.
type purpose uint64

const (
	forNoise purpose = iota
	forReflection
	forRefinement
	forSurvey
	forRetry // and those after it: the noises that replace abandoned ones
)

// seedOf derives the seed of one part of the candidate at (round, chain):
//
//	x := seed; for each v of purpose, round, chain: x = mix(x + 0x9e3779b97f4a7c15 + v)
//
// with SplitMix64's finalizer as mix (Steele, Lea, Flood 2014), and keeps the
// upper 53 bits, which every JSON reader represents exactly. The prompt is not used: one
// seed gives all prompts the same starting noise.
func seedOf(seed uint64, p purpose, round, chain int) uint64 {
	x := seed
	for _, v := range []uint64{uint64(p), uint64(round), uint64(chain)} {
		x = mix(x + 0x9e3779b97f4a7c15 + v)
	}
	return x >> 11
}

func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
