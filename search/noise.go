package search

import "reflectionflow"

// explore requests an image of the user's prompt from new noise: the noise axis, best
// of N when no other axis is used (arXiv 2504.16080 §4).
func explore(it *item) {
	it.candidate.Action = reflectionflow.Explore
	it.candidate.Request = it.search.cfg.request(it.search.prompt)
	it.candidate.Request.Seed = it.noise(0)
}

// noise is the seed of the item's noise after so many were abandoned.
func (it *item) noise(abandoned int) uint64 {
	if abandoned == 0 {
		return it.seed(forNoise, it.candidate.Round)
	}
	return it.seed(forRetry+purpose(abandoned-1), it.candidate.Round)
}
