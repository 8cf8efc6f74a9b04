// Package search spends a budget of images on a prompt and keeps the best image
// (ReflectionFlow, arXiv 2504.16080 §4).
//
// # Use
//
// Take the defaults of a strategy from [Default], connect the parts in a [Search], and
// call [Search.Run]:
//
//	s := &search.Search{Generator: g, Verifier: v, Reflector: r, Refiner: f}
//	result, err := s.Run(ctx, prompt, search.Default(search.Reflection))
//
// The result names the best candidate and holds its image. [Search.RunMany] searches
// for several prompts together. A [Journal] makes a search resumable; [Memory] keeps
// every image. [Search.Fit] fits the numbers by which the adaptive strategies choose.
//
// # Terms
//
// A candidate is one image. Candidates form width chains, and one candidate of every
// chain makes a round; the ID of a candidate is its position in round-major order,
// round*width + chain. Candidates of round 0 are explored: new noise, the user's
// prompt. Later candidates vary along the axes that the strategy has: noise (another
// seed), prompt (a [reflectionflow.Refiner] rewrites the text) and reflection (the
// corrector starts from the chain's best image, given what a
// [reflectionflow.Reflector] says is wrong). After Config.Patience corrections without
// improvement a chain restarts from new noise, with a refined prompt if there is a
// refiner.
//
// # Order
//
// Candidate p may start when candidates 0 to p-width are verified, and looks at its own
// chain only (at all of those, with an adaptive strategy). So generation overlaps
// verification, and every candidate still depends on nothing but the configuration and
// earlier scores: the result is the same for any batch size, any timing and after any
// interruption. When the candidate at position q meets every requirement, candidates up
// to q+width-1 complete, for they were permitted already, and no other starts.
//
// Where several candidates share the highest value, a [reflectionflow.Comparer] chooses
// among them once all are recorded; without one the first is the best.
//
// # Failures
//
// A failed image costs its place in the budget, not its chain; see [Search.Run].
//
// To read the code, start with search.go; strategy.go holds what a candidate is made
// from, prompt_search.go the window, pipeline.go the goroutines.
package search
