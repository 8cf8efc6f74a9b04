// Package conformance checks that an implementation keeps the contracts of the root
// package. There is one suite for each of [reflectionflow.Generator],
// [reflectionflow.Previewer], [reflectionflow.Verifier], [reflectionflow.Reflector],
// [reflectionflow.Refiner], [reflectionflow.Annotator] and [reflectionflow.Comparer]. A suite also holds an
// implementation to the abilities that it declares: findings of the declared kinds, and
// requests that its Check refuses.
//
// Run the suites in the tests of your implementation:
//
//	func TestGenerator(t *testing.T) {
//		conformance.Generator(t, mine, requests, conformance.Options{})
//	}
//
// Two or three samples are enough. They should differ from each other, or a reply in the
// wrong order is not found. Where a call takes seconds, set Options.Expensive.
package conformance
