package search

import "reflectionflow"

// explore draws the prompt as it is from fresh noise: the noise axis, best of N
// when nothing else follows (arXiv 2504.16080 §4).
func explore(it *item) {
	it.candidate.Action = reflectionflow.Explore
	it.candidate.Request = it.lane.cfg.request(it.lane.prompt)
	it.candidate.Request.Seed = it.noise(0)
}

// noise is the seed of the item's noise after so many were given up.
func (it *item) noise(abandoned int) uint64 {
	if abandoned == 0 {
		return it.seed(forNoise, it.candidate.Round)
	}
	return it.seed(forRetry+purpose(abandoned-1), it.candidate.Round)
}
