// Package reflectionflow spends compute at inference time to make text-to-image
// models draw what was asked, along three axes: more starting noise, a clearer
// prompt, and reflection (ReflectionFlow, arXiv 2504.16080).
//
// The package holds the vocabulary only: plain values and one-method contracts,
// on the standard library alone. A [Prompt] is parsed once into typed
// [Requirement]s. A [Generator] turns a [Request] into an image; a [Verifier]
// turns a [PromptedImage] into a [Score] with one [Finding] per requirement; a
// [Reflector] says in words what is wrong ([Reflection]); a [Refiner] rewrites
// the prompt. A [Candidate] is one image ever drawn, with the request that
// determines it, its score, its parent and its [Cost].
//
// The loop lives in package search, the networks in package flux, the embedded
// world in package clipart. Nothing here performs I/O.
//
// The version is 0: names may still change.
package reflectionflow
