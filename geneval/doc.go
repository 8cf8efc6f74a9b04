// Package geneval measures how often pictures are what was asked for, by the
// rules of GenEval (Ghosh, Hajishirzi, Schmidt 2023, arXiv 2310.11513; code
// djghosh13/geneval).
//
// Its words. A [Metadata] is one line of evaluation_metadata.jsonl: a prompt, the
// task (tag) it belongs to, and what must and must not be in the picture. A
// [Detector], here called the judge, lists the objects of a picture; it is never
// the verifier that the search looks at. [Evaluate] applies the official rules to
// what the judge saw. A [Strategy] spends a budget of images on prompts and hands
// back a [Trajectory] each: every candidate with its picture, in order. What it
// would have answered with a smaller budget is the best candidate, by the
// verifier, among the first: one search gives a point of the curve for every
// budget. An [Evaluation] runs strategies over prompts, keeps results.jsonl as it
// goes, and sums up with 95% intervals in summary.json.
//
// The package knows neither the search nor the networks: commands wire them.
package geneval
