// Package search is the loop: it spends a budget of images on one prompt and
// keeps the best ever seen (ReflectionFlow, arXiv 2504.16080 §4).
//
// Its words. A candidate is one image. Candidates form width chains, and one
// candidate of every chain makes a round; the ID of a candidate is its position
// in round-major order, round*width + chain. Candidates of round 0 are explored:
// fresh noise, the prompt as it is. Later ones grow along the axes that the
// strategy has: noise (another seed), prompt (a [reflectionflow.Refiner] rewrites
// the text) and reflection (the corrector redraws the chain's best image, told by
// a [reflectionflow.Reflector] what is wrong). A chain whose best image was corrected
// in vain begins again from fresh noise, in other words where there is a refiner.
//
// Candidate p may start when candidates 0 to p-width are verified, and may look
// at its own chain only. So generation overlaps verification, and still every
// candidate depends on nothing but the configuration and earlier scores: the
// result is the same for any batch size, any timing and after any interruption.
// A candidate that meets every requirement at position q lets candidates up to
// q+width-1 complete, for they were permitted already, and nothing beyond starts.
//
// Read search.go first; plan.go says how a candidate grows, schedule.go holds the
// window, pipeline.go the goroutines.
package search
