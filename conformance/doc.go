// Package conformance checks that an implementation keeps the contract that the
// root package writes down: one suite for each of [reflectionflow.Generator],
// [reflectionflow.Verifier], [reflectionflow.Reflector] and
// [reflectionflow.Refiner]. Every implementation runs its suite in its own tests:
//
//	func TestGenerator(t *testing.T) {
//		conformance.Generator(t, mine, requests, conformance.Options{})
//	}
//
// The samples should differ from each other, or a reply in the wrong order goes
// unnoticed; two or three are enough.
package conformance
