// Package reflectionflow improves text-to-image models at inference time: it searches
// for the image that best matches a prompt, along three axes: new noise, a rewritten
// prompt, and reflection (ReflectionFlow, arXiv 2504.16080).
//
// This package holds the vocabulary: plain values and small interfaces, on the
// standard library alone. Nothing here performs I/O.
//
// A [Prompt] is parsed once into typed [Requirement] values. A [Generator] turns a
// [Request] into an image. A [Verifier] turns a [PromptedImage] into a [Score] with a
// [Finding] per requirement. A [Reflector] says what is wrong with the image and how to
// fix it, as a [Reflection]. A [Refiner] rewrites the prompt. A [Candidate] is one image
// of a search, with the request that determines it, its score, its parent and its
// [Cost]. A [Result] holds all candidates and names the best.
//
// To search, in this order:
//
//  1. Implement Generator and Verifier, or take them from models/clipart (the embedded
//     model), verifier and reflector (language models) and remote (servers). The function
//     types [GeneratorFunc], [VerifierFunc], [ReflectorFunc] and [RefinerFunc] serve one
//     image at a time.
//  2. Run package conformance's suites on them in a test.
//  3. Put them into a search.Search and call its Run method.
//
// Optional abilities are further interfaces, found by type assertion: [Previewer],
// [PreviewVerifier], [DeclaringVerifier], [RequestChecker] and [FindingsReflector].
//
// The search is in package search, the FLUX architecture in package flux, the embedded
// model in package models/clipart and its clip-art world in package clipart.
//
// The version is 0: names may still change.
package reflectionflow
